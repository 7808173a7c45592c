//! What is answered, and what is refused.

use super::caller::{Caller, Served, names, review, serve, tls};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flatline::inject::{OnBadAnnotation, Outcome, Settings, inject};
use json_patch::Patch;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn served() -> (Served, Caller) {
    let served = serve(Settings::default()).await;
    let caller = Caller::connect(served.port, &served.trusted)
        .await
        .expect("as the test sets it up");
    (served, caller)
}

fn patch(answer: &Value) -> Option<Patch> {
    let response = &answer["response"];
    let text = response
        .get("patch")?
        .as_str()
        .expect("as the test sets it up");
    assert_eq!(response["patchType"], "JSONPatch");
    let json = STANDARD.decode(text).expect("as the test sets it up");
    Some(serde_json::from_slice(&json).expect("as the test sets it up"))
}

#[tokio::test]
async fn recorded_reviews_get_what_the_function_says_and_nothing_the_second_time() {
    let (served, mut caller) = served().await;
    for name in names() {
        let mut review = review(&name);
        let answer = caller.ask(&review).await;
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1", "{name}");
        assert_eq!(answer["kind"], "AdmissionReview", "{name}");
        assert_eq!(
            answer["response"]["uid"], review["request"]["uid"],
            "{name}"
        );
        assert_eq!(answer["response"]["allowed"], true, "{name}");
        let (Outcome::Patched {
            patch: expected, ..
        }
        | Outcome::Skipped {
            patch: expected, ..
        }) = inject(&review["request"]["object"], &Settings::default())
        else {
            assert_eq!(patch(&answer), None, "{name}");
            assert_eq!(
                answer["response"]["warnings"].as_array().unwrap().len(),
                4,
                "{name}"
            );
            continue;
        };
        let patch_of = patch(&answer);
        assert_eq!(
            patch_of.clone().unwrap_or(Patch(Vec::new())),
            expected,
            "{name}"
        );
        if let Some(made) = patch_of {
            json_patch::patch(&mut review["request"]["object"], &made).unwrap();
            assert_eq!(
                patch(&caller.ask(&review).await),
                None,
                "{name}: second pass"
            );
        }
    }
    served.running.shutdown().await;
}

#[tokio::test]
async fn what_is_no_review_is_refused_and_says_why() {
    let (served, mut caller) = served().await;
    let good = review("bare").to_string();
    let beta = good.replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
    let json = "application/json";
    for (kind, body, status, says) in [
        (json, "{}".to_owned(), 400, "AdmissionReview"),
        (json, "[1]".to_owned(), 400, "AdmissionReview"),
        (json, String::new(), 400, "AdmissionReview"),
        (json, beta, 400, "v1beta1"),
        (
            json,
            good[..good.len() / 2].to_owned(),
            400,
            "no AdmissionReview",
        ),
        (
            json,
            good.replace("\"request\"", "\"other\""),
            400,
            "request: is missing",
        ),
        (json, "[".repeat(100_000), 400, "no AdmissionReview"),
        ("application/yaml", good.clone(), 415, "application/json"),
        ("", good.clone(), 415, "application/json"),
        (json, " ".repeat(flatline::webhook::BODY + 1), 413, "bytes"),
    ] {
        let mut caller = Caller::connect(served.port, &served.trusted).await.unwrap();
        let (got, text) = caller.post(kind, body).await;
        assert_eq!(got, status, "{text}");
        assert!(text.contains(says), "{text}");
    }
    assert_eq!(caller.fetch("/mutate").await.0, 405);
    assert_eq!(caller.fetch("/nowhere").await.0, 404);
    assert_eq!(caller.fetch("/healthz").await, (200, "ok\n".to_owned()));
    // A body that is cut short.
    let mut stream = tls(served.port, &served.trusted).await.unwrap();
    let head = "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let head = format!("{head}content-length: {}\r\n\r\n", good.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&good.as_bytes()[..100]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
    // Plain text where TLS is spoken: the others are served on.
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", served.port))
        .await
        .unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    caller.ask(&review("bare")).await;
    let (_, metrics) = caller.fetch("/metrics").await;
    for reason in ["malformed", "content_type", "too_large", "handshake"] {
        let line = format!("flatline_admission_unanswered_total{{reason=\"{reason}\"}} ");
        let count = metrics.lines().find_map(|l| l.strip_prefix(&line)).unwrap();
        assert_ne!(count, "0", "{reason}");
    }
    served.running.shutdown().await;
}

#[tokio::test]
async fn odd_reviews_are_answered() {
    let (served, mut caller) = served().await;
    // Three megabytes, and fields that nobody knows.
    let mut large = review("bare");
    large["request"]["object"]["metadata"]["annotations"] = json!({"notes": "x".repeat(3 << 20)});
    large["request"]["object"]["spec"]["newField"] = json!({"a": [1, null]});
    let answer = caller.ask(&large).await;
    let mut pod = large["request"]["object"].clone();
    json_patch::patch(&mut pod, &patch(&answer).unwrap()).unwrap();
    assert_eq!(pod["spec"]["newField"], json!({"a": [1, null]}));
    assert_eq!(
        pod["metadata"]["annotations"]["notes"]
            .as_str()
            .unwrap()
            .len(),
        3 << 20
    );
    // Nothing to be done for what is not made now.
    for (key, value) in [
        ("operation", json!("DELETE")),
        ("operation", json!("UPDATE")),
        ("subResource", json!("ephemeralcontainers")),
        (
            "kind",
            json!({"group": "apps", "version": "v1", "kind": "Deployment"}),
        ),
    ] {
        let mut other = review("bare");
        other["request"][key] = value;
        let answer = caller.ask(&other).await;
        assert_eq!(answer["response"]["allowed"], true);
        assert_eq!(patch(&answer), None, "{key}");
    }
    let mut deleted = review("bare");
    deleted["request"]["operation"] = json!("DELETE");
    deleted["request"]["object"] = json!(null);
    assert_eq!(patch(&caller.ask(&deleted).await), None);
    served.running.shutdown().await;
}

#[tokio::test]
async fn wrong_annotations_deny_where_asked_and_dry_runs_leave_no_count() {
    let strict = Settings {
        on_bad_annotation: OnBadAnnotation::Deny,
        ..Settings::default()
    };
    let served = serve(strict).await;
    let mut caller = Caller::connect(served.port, &served.trusted).await.unwrap();
    let mut bad = review("bad-overrides");
    bad["request"]["dryRun"] = json!(true);
    let line = "flatline_admission_reviews_total{outcome=\"denied\",reason=\"bad_annotation\"} ";
    let answer = caller.ask(&bad).await;
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 422);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    for part in ["flatline.dev/port", "eighty", "8500"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(patch(&answer), None);
    // The only test that denies, so that the line stands for it alone.
    // It is there before, at 0.
    let before = caller.fetch("/metrics").await.1;
    assert!(before.contains(&format!("{line}0\n")), "{before}");
    bad["request"]["dryRun"] = json!(false);
    caller.ask(&bad).await;
    assert!(
        caller
            .fetch("/metrics")
            .await
            .1
            .contains(&format!("{line}1\n"))
    );
    served.running.shutdown().await;
}

/// Seconds until the webhook ends a connection on which this alone is sent.
async fn ended_after(served: &Served, sent: &[u8]) -> f64 {
    let mut stream = tls(served.port, &served.trusted)
        .await
        .expect("as the test sets it up");
    stream
        .write_all(sent)
        .await
        .expect("as the test sets it up");
    let begun = tokio::time::Instant::now();
    // Closed without a word of TLS, it is an error.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    begun.elapsed().as_secs_f64()
}

#[tokio::test]
async fn who_asks_nothing_is_not_waited_for() {
    let (served, mut caller) = served().await;
    caller.ask(&review("bare")).await;
    tokio::time::pause();
    let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for nothing in [&b""[..], b"POST /mutate HTTP/1.1\r\nhost: a\r\n", settings] {
        let after = ended_after(&served, nothing).await;
        assert!((5.0..6.0).contains(&after), "{nothing:?}: {after} s");
    }
    // The API server keeps what it has asked over for 90 seconds.
    assert_eq!(caller.fetch("/healthz").await.0, 200);
    let after = ended_after(&served, b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!((90.0..110.0).contains(&after), "{after} s");
    tokio::time::resume();
    served.running.shutdown().await;
}
