//! Whatever models, signatures, outputs and versions are called, and however many there are: what
//! the admin port of a live process says of them stays bounded and whole.

use super::process::Proxy;
use crate::exchanges::{floats, request};
use crate::exposition::{Sample, samples};
use flatline::proto::tensorflow::serving::prediction_service_client::PredictionServiceClient;
use flatline::proto::tensorflow::serving::prediction_service_server::{
    PredictionService, PredictionServiceServer,
};
use flatline::proto::tensorflow::serving::{
    GetModelMetadataRequest, GetModelMetadataResponse, PredictRequest, PredictResponse, model_spec,
};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

type Stub = PredictionServiceClient<Channel>;

/// Serves every model there is: replies name the output that the request filters for, and follow
/// its input.
struct Anything;

#[tonic::async_trait]
impl PredictionService for Anything {
    async fn predict(
        &self,
        request: Request<PredictRequest>,
    ) -> Result<Response<PredictResponse>, Status> {
        let mut request = request.into_inner();
        let input = request.inputs.remove("x").unwrap_or_default();
        Ok(Response::new(PredictResponse {
            model_spec: request.model_spec,
            outputs: [(request.output_filter.remove(0), input)].into(),
        }))
    }

    async fn get_model_metadata(
        &self,
        _: Request<GetModelMetadataRequest>,
    ) -> Result<Response<GetModelMetadataResponse>, Status> {
        Err(Status::unimplemented("no metadata"))
    }
}

async fn upstream() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tonic::transport::Server::builder()
        .add_service(PredictionServiceServer::new(Anything))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);
    port
}

/// Model, signature, output and version of a call.
type Names<'a> = (&'a str, &'a str, &'a str, i64);

/// One call, with an input that no other number has; its reply has to come back as the server sent it.
async fn call(stub: &mut Stub, (model, signature, output, version): Names<'_>, number: u16) {
    let input = floats(&[1, 2], vec![f32::from(number), 1.0]);
    let mut request = request(model, "x", input.clone());
    let spec = request.model_spec.as_mut().expect("a model");
    spec.signature_name = signature.to_owned();
    spec.version_choice = Some(model_spec::VersionChoice::Version(version));
    request.output_filter = vec![output.to_owned()];
    let sent = request.model_spec.clone();
    let reply = stub.predict(request).await.expect("a reply").into_inner();
    assert_eq!(reply.model_spec, sent);
    assert_eq!(reply.outputs, [(output.to_owned(), input)].into());
}

fn hostile() -> Vec<String> {
    let short = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "&lt;b&gt;",
        "a\nb",
        "a\r\nflatline_rows_total 1",
        "\",model=\"other",
        "\"} 1\n# TYPE flatline_rows_total gauge\n",
        "back\\slash\\",
        "\\\"",
        "\0\u{1}\u{7f}\u{85}",
        "\u{202e}\u{2028}\u{feff}",
        "{{ $labels.model }}%{{ . }}",
        "../../etc/passwd",
        "other",
    ];
    let long = ["x".repeat(10_000), "x".repeat(9_999) + "y"];
    short.into_iter().map(str::to_owned).chain(long).collect()
}

/// What stands on a page of the admin port.
async fn page(proxy: &Proxy, path: &str) -> String {
    let answer = proxy.admin(path).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}

fn sum(samples: &[Sample<'_>], name: &str, keep: impl Fn(&Sample<'_>) -> bool) -> f64 {
    let of = samples.iter().filter(|s| s.name == name && keep(s));
    of.map(|sample| sample.value).sum()
}

/// A scrape that comes after `calls` were observed or, if they could not be, counted.
async fn scrape(proxy: &Proxy, calls: f64) -> String {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        // The report is made behind every call that is queued.
        page(proxy, "/api/v1/verdicts").await;
        let text = page(proxy, "/metrics").await;
        let found = samples(&text);
        let seen = sum(&found, "flatline_observed_calls_total", |_| true)
            + sum(&found, "flatline_skipped_total", |_| true);
        if seen == calls {
            return text;
        }
        assert!(Instant::now() < end, "{seen} of {calls} calls");
    }
}

/// What no scrape may exceed.
fn bounded(found: &[Sample<'_>]) {
    assert!((100..=2000).contains(&found.len()), "{}", found.len());
    for sample in found {
        for value in sample.labels.values() {
            // 100 characters, and a hash where some are missing.
            assert!(value.chars().count() <= 117, "{sample:?}");
            let ours = |c: char| c != '\n' && c.is_control();
            assert!(!value.contains(ours), "{sample:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_in_any_number_stay_bounded_escaped_and_counted() {
    // Nothing is asked of the upstream: what it would say of each name is not what is looked at.
    let proxy = Proxy::start_with(upstream().await, &["--truth-interval", "0"]);
    let connected = PredictionServiceClient::connect(format!("http://{}", proxy.address)).await;
    let mut stub = connected.expect("a connection");
    let names = hostile();
    let mut calls = 0;
    for _ in 0..3 {
        for name in &names {
            for named in [
                (&**name, "s", "y", 1),
                ("m", name, "y", 1),
                ("m", "s", name, 1),
            ] {
                call(&mut stub, named, calls).await;
                calls += 1;
            }
        }
    }
    for version in [i64::MIN, -1, 0, i64::MAX] {
        call(&mut stub, ("m", "s", "y", version), calls).await;
        calls += 1;
    }
    let text = scrape(&proxy, f64::from(calls)).await;
    let found = samples(&text);
    bounded(&found);
    // Three series a name and one a version, and each has its own lines.
    let rows = |found: &[Sample<'_>]| {
        found
            .iter()
            .filter(|s| s.name == "flatline_rows_total")
            .count()
    };
    assert_eq!(rows(&found), 3 * names.len() + 4);
    for label in ["model", "signature", "output"] {
        let seen: BTreeSet<&str> = found.iter().map(|sample| sample.label(label)).collect();
        for name in &names {
            if name.chars().count() <= 100 && !name.contains(flatline::visible::is_hidden) {
                assert!(seen.contains(name.as_str()), "{label} {name:?}");
            }
        }
        for name in &seen {
            assert!(!name.contains(flatline::visible::is_hidden), "{name:?}");
        }
        let cut = seen.iter().filter(|seen| seen.starts_with("xxx")).count();
        assert_eq!(cut, 2, "both long names, told apart");
    }

    let html = page(&proxy, "/").await;
    assert!(html.contains("&lt;script&gt;alert(1)"), "it is shown");
    for raw in ["<script>alert", "<img src=x", "' onmouseover='"] {
        assert!(!html.contains(raw), "{raw}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&page(&proxy, "/api/v1/verdicts").await).expect("JSON");
    let models = json["series"].as_array().expect("series");
    let models: BTreeSet<&str> = models.iter().filter_map(|s| s["model"].as_str()).collect();
    assert!(names.iter().all(|name| models.contains(name.as_str())));

    let mut crowd = JoinSet::new();
    for lane in 0..8_u16 {
        let (mut stub, names) = (stub.clone(), names.clone());
        crowd.spawn(async move {
            for number in (lane..5000).step_by(8) {
                let name = format!("{number}{}", names[usize::from(number) % names.len()]);
                call(&mut stub, (&name, &name, &name, i64::from(number)), number).await;
            }
        });
    }
    while let Some(done) = crowd.join_next().await {
        done.expect("every call came back");
    }
    let text = scrape(&proxy, f64::from(calls) + 5000.0).await;
    let found = samples(&text);
    bounded(&found);
    let skipped = sum(&found, "flatline_skipped_total", |_| true);
    let other = |s: &Sample<'_>| s.label("model") == "other" && s.label("version").is_empty();
    let hidden = sum(&found, "flatline_rows_total", other);
    // 64 series have lines of their own for an hour, most of them had them before.
    assert!(hidden + skipped >= 5000.0 - 64.0, "{hidden} of 5000 rows");
    assert!(hidden + skipped <= 5000.0, "{hidden} of 5000 rows");
    assert!(sum(&found, "flatline_series_without_lines", |_| true) > 0.0);
    assert!(sum(&found, "flatline_series_evicted_total", |_| true) > 4000.0);
    assert_eq!(sum(&found, "flatline_analyzer_panics_total", |_| true), 0.0);
    let html = page(&proxy, "/").await;
    assert!(!html.contains("<script>alert") && !html.contains("<img src=x"));
}
