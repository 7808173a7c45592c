//! Injection: recorded reviews, many shapes of pods, and properties that hold for any JSON.

mod bounds;
mod broken;
mod command;
mod forms;
mod guards;
mod json;
mod launch;
mod manifest;
mod recorded;
mod shapes;

use flatline::inject::{Outcome, Settings, inject};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/kubernetes")
        .join(path)
}

/// The pod of a recorded AdmissionReview.
fn recorded(name: &str) -> Value {
    let text = fs::read_to_string(data(&format!("reviews/{name}.json")))
        .expect("recorded data and the patch are well-formed");
    let review: Value =
        serde_json::from_str(&text).expect("recorded data and the patch are well-formed");
    review["request"]["object"].clone()
}

/// `pod` with the sidecar, and the warnings; a second pass must change nothing.
fn injected(pod: &Value, settings: &Settings) -> (Value, Vec<String>) {
    match inject(pod, settings) {
        Outcome::Patched { patch, warnings } => {
            let mut after = pod.clone();
            json_patch::patch(&mut after, &patch)
                .expect("recorded data and the patch are well-formed");
            match inject(&after, settings) {
                Outcome::Skipped { reason, patch, .. } => {
                    assert_eq!(reason.as_label(), "already_injected");
                    assert!(patch.0.is_empty());
                }
                other => panic!("second pass: {other:?}"),
            }
            (after, warnings)
        }
        other => panic!("not patched: {other:?}"),
    }
}

/// The label of the reason, and the pod with the annotation that says it.
fn skipped(pod: &Value, settings: &Settings) -> (&'static str, Value) {
    match inject(pod, settings) {
        Outcome::Skipped { reason, patch, .. } => {
            let mut after = pod.clone();
            json_patch::patch(&mut after, &patch)
                .expect("recorded data and the patch are well-formed");
            match inject(&after, settings) {
                Outcome::Skipped {
                    reason: again,
                    patch,
                    ..
                } => {
                    assert_eq!(again, reason);
                    assert!(patch.0.is_empty(), "second pass: {patch:?}");
                }
                other => panic!("second pass: {other:?}"),
            }
            (reason.as_label(), after)
        }
        other => panic!("not skipped: {other:?}"),
    }
}

fn sidecar(pod: &Value) -> &Value {
    ["initContainers", "containers"]
        .iter()
        .filter_map(|list| pod["spec"][list].as_array())
        .flatten()
        .find(|container| container["name"] == "flatline")
        .expect("recorded data and the patch are well-formed")
}

fn has_arg(container: &Value, arg: &str) -> bool {
    container["args"]
        .as_array()
        .expect("recorded data and the patch are well-formed")
        .iter()
        .any(|a| a == arg)
}
