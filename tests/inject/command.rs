//! `flatline inject` as a program: what stands where, and the exit code.

use super::data;
use std::fs;
use std::process::{Command, Output};

fn inject(pod: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flatline"))
        .args(["inject", "-f"])
        .arg(data(pod))
        .args(more)
        .output()
        .expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_annotation_is_a_finding_whether_the_pod_is_printed_or_not() {
    let pod = "pods/bad-overrides.json";
    let admitted = inject(pod, &["--on-bad-annotation", "admit"]);
    assert_eq!(admitted.status.code(), Some(1), "{}", stderr(&admitted));
    assert_eq!(admitted.stdout, fs::read(data(pod)).expect("recorded"));
    let denied = inject(pod, &["--on-bad-annotation", "deny"]);
    assert_eq!(denied.status.code(), Some(1), "{}", stderr(&denied));
    assert_eq!(denied.stdout, b"");
    for (output, what) in [
        (&admitted, ": not injected: "),
        (&denied, ": denied and left out: "),
    ] {
        let text = stderr(output);
        assert!(text.contains(what), "{text}");
        assert!(
            text.ends_with(": 0 injected, 0 skipped, 1 refused, 0 without a pod, 0 broken\n"),
            "{text}"
        );
    }
}

#[test]
fn a_manifest_that_is_cut_is_not_called_whole() {
    let output = Command::new(env!("CARGO_BIN_EXE_flatline"))
        .args(["inject", "-f"])
        .arg(data("pods/bare.json"))
        .stdout(
            fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .expect("a full disk"),
        )
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(70), "{}", stderr(&output));
    assert!(stderr(&output).contains("stdout: "), "{}", stderr(&output));
}

#[test]
fn a_document_of_other_bytes_is_left_out_alone() {
    let pod = "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: s, image: tensorflow/serving}]}\n";
    let strange = b"---\nkind: ConfigMap\ndata: {x: \"M\xfc\"}\n";
    let stream = |documents: &[&[u8]]| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(&file, documents.concat()).expect("a file");
        let output = Command::new(env!("CARGO_BIN_EXE_flatline"))
            .args(["inject", "-f"])
            .arg(file.path())
            .output();
        output.expect("the binary runs")
    };
    // A sign that stands for what cannot be read is read all the same.
    let other = "---\nkind: ConfigMap\ndata: {x: \u{fffd}}\n---\n";
    let broken = stream(&[pod.as_bytes(), strange, other.as_bytes(), pod.as_bytes()]);
    let text = stderr(&broken);
    assert_eq!(broken.status.code(), Some(1), "{text}");
    assert!(
        text.contains(": line 6: document 2: broken and left out: is no UTF-8\n"),
        "{text}"
    );
    let without = stream(&[pod.as_bytes(), other.as_bytes(), pod.as_bytes()]);
    assert_eq!(without.status.code(), Some(0), "{}", stderr(&without));
    assert_eq!(broken.stdout, without.stdout);
}

#[test]
fn what_is_injected_or_skipped_for_a_reason_is_none() {
    for (pod, total) in [
        ("pods/bare.json", "1 injected, 0 skipped"),
        ("pods/opt-out.json", "0 injected, 1 skipped"),
        ("pods/not-a-model-server.json", "0 injected, 1 skipped"),
    ] {
        let output = inject(pod, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains(total), "{}", stderr(&output));
    }
}
