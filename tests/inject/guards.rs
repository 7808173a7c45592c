//! What is left alone although it looks like a model server, or because of what else is in the pod.

use super::shapes::{annotated, iptables, pod, serving};
use super::{injected, skipped};
use flatline::inject::{Outcome, Settings, inject};
use serde_json::{Value, json};

fn detail(pod: &Value) -> String {
    match inject(pod, &Settings::default()) {
        Outcome::Skipped { detail, .. } => detail,
        other => panic!("not skipped: {other:?}"),
    }
}

#[test]
fn an_image_alone_makes_no_server() {
    let ports = json!([{"containerPort": 8080, "name": "http"}]);
    let asked = json!({"httpGet": {"path": "/healthz", "port": "http"}});
    for (image, fields) in [
        (
            "tensorflow/serving:2-devel",
            json!({"command": ["python3", "bench.py"], "args": ["--port=8500"]}),
        ),
        (
            "tensorflow/serving",
            json!({"command": ["ls", "-l", "/models"]}),
        ),
        (
            "tensorflow/serving",
            json!({"command": ["/bench"], "args": ["--port=8500"]}),
        ),
        ("a/tf-serving:1", json!({"command": ["java", "-jar", "a"]})),
        (
            "a/tf-serving:1",
            json!({"args": ["gunicorn", "app:app", "--port=8080"]}),
        ),
        (
            "a/tf-serving:1",
            json!({"args": ["--port=8080"], "ports": ports, "readinessProbe": asked}),
        ),
    ] {
        let mut container = json!({"name": "app", "image": image});
        for (key, value) in fields.as_object().expect("fields") {
            container[key] = value.clone();
        }
        let pod = pod(&container);
        for pod in [pod.clone(), iptables(pod.clone())] {
            let (reason, _) = skipped(&pod, &Settings::default());
            assert_eq!(reason, "unknown_entrypoint", "{container}");
            assert!(detail(&pod).contains("has an image of"), "{container}");
        }
        // Unless the owner says that it is one.
        let mut named = annotated(pod, json!({"flatline.dev/container": "app"}));
        named["metadata"]["annotations"]["flatline.dev/port"] = json!("8500");
        named["metadata"]["annotations"]["flatline.dev/redirect"] = json!("iptables");
        injected(&named, &Settings::default());
    }
}

#[test]
fn an_image_whose_command_may_run_the_server_makes_one() {
    for command in [
        json!(["/usr/bin/tf_serving_entrypoint.sh"]),
        json!(["/usr/bin/tensorflow_model_server"]),
        json!(["tini", "--", "tensorflow_model_server"]),
    ] {
        injected(&serving(&json!({"command": command})), &Settings::default());
    }
    let text = json!({"command": ["sh", "-c", "exec tensorflow_model_server"]});
    injected(&iptables(serving(&text)), &Settings::default());
    let own = json!({"command": ["/start"], "args": ["--model_base_path=/m", "--port=8500"]});
    injected(&serving(&own), &Settings::default());
}
