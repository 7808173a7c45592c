//! What is left alone although it looks like a model server, or because of what else is in the pod.

use super::shapes::{annotated, beside, iptables, pod, serving, upstream};
use super::{has_arg, injected, sidecar, skipped};
use flatline::inject::{Outcome, Probes, Settings, inject};
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

#[test]
fn a_privileged_port_is_not_taken_by_a_process_without_privileges() {
    let start = |port: &str| {
        let name = "net.ipv4.ip_unprivileged_port_start";
        json!({"sysctls": [{"name": name, "value": port}]})
    };
    for (port, security, fits) in [
        (443, json!({}), false),
        (1023, json!({}), false),
        (1024, json!({}), true),
        (443, start("443"), true),
        (443, start("0"), true),
        (443, start("444"), false),
    ] {
        let mut pod = serving(&json!({"args": [format!("--port={port}")]}));
        pod["spec"]["securityContext"] = security;
        if fits {
            let (after, _) = injected(&pod, &Settings::default());
            assert!(has_arg(sidecar(&after), &format!("--listen=[::]:{port}")));
        } else {
            assert_eq!(skipped(&pod, &Settings::default()).0, "privileged_port");
            assert!(detail(&pod).contains("redirect: iptables"));
        }
        // The kernel redirects it to one that is not.
        let (after, _) = injected(&iptables(pod), &Settings::default());
        assert_eq!(upstream(&after), port.to_string());
        assert!(has_arg(sidecar(&after), "--listen=[::]:8510"));
    }
}

#[test]
fn a_mesh_stands_between_the_kubelet_and_no_probe() {
    let by_command = |pod: &Value, admin: &str| {
        for (probe, check) in [
            ("startupProbe", "livez"),
            ("readinessProbe", "readyz"),
            ("livenessProbe", "livez"),
        ] {
            let probe = &sidecar(pod)[probe];
            assert_eq!(
                probe["exec"]["command"],
                json!(["/flatline", "health", admin, check])
            );
            assert_eq!(probe.get("httpGet"), None);
        }
    };
    let pod = serving(&json!({}));
    let exec = Settings {
        probes: Probes::Exec,
        admin_port: 9500,
        ..Settings::default()
    };
    by_command(&injected(&pod, &exec).0, "--admin=127.0.0.1:9500");
    let mut asked = pod.clone();
    asked["metadata"]["annotations"] = json!({"linkerd.io/inject": "enabled"});
    by_command(
        &injected(&asked, &Settings::default()).0,
        "--admin=127.0.0.1:9464",
    );
    // Istio's webhook comes behind ours, and makes the probes its own; ours is called again then.
    let (mut after, _) = injected(&pod, &Settings::default());
    let theirs = json!({"path": "/app-health/flatline/startupz", "port": 15020});
    after["spec"]["initContainers"][0]["startupProbe"]["httpGet"] = theirs;
    beside(
        &mut after,
        json!({"name": "istio-proxy", "image": "istio/proxyv2"}),
    );
    let Outcome::Skipped { patch, .. } = inject(&after, &Settings::default()) else {
        panic!("injected again");
    };
    json_patch::patch(&mut after, &patch).expect("it applies");
    by_command(&after, "--admin=127.0.0.1:9464");
    assert!(
        matches!(inject(&after, &Settings::default()), Outcome::Skipped { patch, .. } if patch.is_empty())
    );
}

#[test]
fn the_kernel_redirects_nothing_past_a_mesh() {
    let proxy = json!({"name": "istio-proxy", "image": "istio/proxyv2"});
    let mut beside_it = serving(&json!({}));
    beside(&mut beside_it, proxy.clone());
    let mut native = serving(&json!({}));
    native["spec"]["initContainers"] = json!([proxy]);
    let status = annotated(
        serving(&json!({})),
        json!({"sidecar.istio.io/status": "{}"}),
    );
    let linkerd = annotated(serving(&json!({})), json!({"linkerd.io/inject": "ingress"}));
    let with = |key: &str, value: &str| {
        let mut pod = serving(&json!({}));
        pod["metadata"]["labels"][key] = json!(value);
        pod
    };
    let asked = with("sidecar.istio.io/inject", "true");
    let revision = with("istio.io/rev", "canary");
    let ambient = with("istio.io/dataplane-mode", "ambient");
    for mut pod in [beside_it, native, status, asked, linkerd, revision, ambient] {
        injected(&pod, &Settings::default());
        pod["metadata"]["annotations"]["flatline.dev/redirect"] = json!("iptables");
        assert_eq!(skipped(&pod, &Settings::default()).0, "service_mesh");
        assert!(detail(&pod).contains("redirect: args"));
    }
    // A mesh that is not asked for is none.
    let iptables = json!({"flatline.dev/redirect": "iptables"});
    let ambient = with("istio.io/dataplane-mode", "none");
    injected(&annotated(ambient, iptables), &Settings::default());
    let none = json!({"sidecar.istio.io/inject": "false", "flatline.dev/redirect": "iptables"});
    injected(&annotated(serving(&json!({})), none), &Settings::default());
}
