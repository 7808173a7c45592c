//! Shapes of pods beside the recorded ones: how servers are started, what ports and resources they
//! have, and what only looks like them.

use super::{has_arg, injected, recorded, sidecar, skipped};
use flatline::inject::{Outcome, Settings, inject};
use serde_json::{Value, json};

pub(super) fn pod(container: &Value) -> Value {
    let mut pod = recorded("bare");
    pod["spec"]["containers"] = json!([container]);
    pod
}

pub(super) fn annotated(mut pod: Value, annotations: Value) -> Value {
    pod["metadata"]["annotations"] = annotations;
    pod
}

/// A pod of one container of the official image.
pub(super) fn serving(fields: &Value) -> Value {
    let mut container = json!({"name": "serving", "image": "tensorflow/serving:2.19.0"});
    for (key, value) in fields.as_object().expect("fields") {
        container[key] = value.clone();
    }
    pod(&container)
}

pub(super) fn beside(pod: &mut Value, container: Value) {
    let containers = pod["spec"]["containers"].as_array_mut();
    containers.expect("containers").push(container);
}

pub(super) fn iptables(pod: Value) -> Value {
    annotated(pod, json!({"flatline.dev/redirect": "iptables"}))
}

pub(super) fn upstream(pod: &Value) -> String {
    let args = sidecar(pod)["args"].as_array().expect("args");
    let found = args.iter().filter_map(Value::as_str);
    let mut found = found.filter_map(|arg| arg.strip_prefix("--upstream=127.0.0.1:"));
    found.next().expect("an upstream").to_owned()
}

#[test]
fn what_only_has_the_name_of_the_server_is_left_alone() {
    for image in [
        "example.org/tensorflow-serving-client:1",
        "tensorflow-serving-exporter",
        "tf-serving-proxy",
    ] {
        let client = json!({"name": "c", "image": image, "args": ["--port=8500"]});
        let (reason, _) = skipped(&pod(&client), &Settings::default());
        assert_eq!(reason, "no_model_server", "{image}");
        // Beside a server it is no second one, and keeps its words.
        let mut both = serving(&json!({}));
        beside(&mut both, client.clone());
        let (after, _) = injected(&both, &Settings::default());
        assert_eq!(after["spec"]["containers"][1], client, "{image}");
    }
    for image in [
        "bitnami/tensorflow-serving:2",
        "tensorflow-serving-gpu",
        "a/tf_serving",
    ] {
        let server = json!({"name": "c", "image": image, "args": ["--port=8500"]});
        injected(&pod(&server), &Settings::default());
    }
}

#[test]
fn another_program_with_a_flag_of_the_servers_is_left_alone() {
    let flags = json!(["--model_base_path=/m", "--port=5000"]);
    let ports = json!([{"containerPort": 5000, "name": "http"}]);
    for fields in [
        json!({"command": ["python3.11", "server.py"], "args": flags}),
        json!({"command": ["/ovms/bin/ovms"], "args": flags}),
        json!({"args": flags, "ports": ports, "readinessProbe": {"httpGet": {"path": "/", "port": "http"}}}),
        json!({"args": flags, "livenessProbe": {"httpGet": {"path": "/", "port": 5000}}}),
        json!({"image": "a/gateway-for-tensorflow-serving", "args": ["--port=5000"]}),
    ] {
        let mut server = json!({"name": "s", "image": "example.org/api:1"});
        for (key, value) in fields.as_object().expect("fields") {
            server[key] = value.clone();
        }
        let (reason, _) = skipped(&pod(&server), &Settings::default());
        assert_eq!(reason, "no_model_server", "{fields}");
    }
    let own = json!({"name": "s", "image": "example.org/api:1", "args": flags});
    injected(&pod(&own), &Settings::default());
}

#[test]
fn who_probes_in_the_kubelets_place_follows_the_server() {
    let knative = r#"{"tcpSocket":{"port":8500,"host":"127.0.0.1"},"successThreshold":1}"#;
    let istio = r#"{"/app-health/serving/readyz":{"tcpSocket":{"port":8500}},"/x":{"httpGet":{"port":80}}}"#;
    let mut pod = serving(&json!({}));
    let env = json!([
        {"name": "USER_PORT", "value": "8500"},
        {"name": "SERVING_READINESS_PROBE", "value": knative},
        {"name": "ISTIO_KUBE_APP_PROBERS", "value": istio}
    ]);
    beside(&mut pod, json!({"name": "proxy", "image": "x", "env": env}));
    let (after, warnings) = injected(&pod, &Settings::default());
    assert!(warnings.is_empty(), "{warnings:?}");
    let env = &after["spec"]["containers"][1]["env"];
    assert_eq!(env[0]["value"], "8500");
    for (at, before) in [(1, knative), (2, istio)] {
        let moved = env[at]["value"].as_str().expect("text");
        let moved: Value = serde_json::from_str(moved).expect("JSON");
        let wanted = before.replace("8500", "8510");
        assert_eq!(moved, serde_json::from_str::<Value>(&wanted).expect("JSON"));
    }
    let (_, warnings) = injected(&iptables(pod), &Settings::default());
    assert!(
        warnings
            .iter()
            .any(|w| w.starts_with("SERVING_READINESS_PROBE of container `proxy`"))
    );
}

#[test]
fn bitnamis_image_says_its_port_by_a_variable() {
    let env = json!([{"name": "TENSORFLOW_SERVING_PORT_NUMBER", "value": "9000"}]);
    let server = pod(&json!({"name": "s", "image": "bitnami/tensorflow-serving:2", "env": env}));
    let (after, _) = injected(&iptables(server.clone()), &Settings::default());
    assert_eq!(upstream(&after), "9000");
    // Args would take the place of the image's own.
    let args = annotated(server, json!({"flatline.dev/redirect": "args"}));
    assert_eq!(skipped(&args, &Settings::default()).0, "unknown_entrypoint");
}

#[test]
fn windows_is_seen_by_its_nodes_too() {
    let mut pod = serving(&json!({}));
    pod["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "windows"});
    assert_eq!(skipped(&pod, &Settings::default()).0, "windows");
    pod["spec"]["nodeSelector"] = json!({});
    pod["spec"]["securityContext"] = json!({"windowsOptions": {"hostProcess": true}});
    assert_eq!(skipped(&pod, &Settings::default()).0, "windows");
}

#[test]
fn of_two_variables_of_one_name_the_last_counts() {
    let env = json!([
        {"name": "PORT", "value": "1"},
        {"name": "BASE", "value": "90"},
        {"name": "PORT", "value": "$(BASE)00"}
    ]);
    let pod = serving(&json!({"args": ["--port=$(PORT)"], "env": env}));
    let (after, _) = injected(&pod, &Settings::default());
    assert!(has_arg(sidecar(&after), "--listen=[::]:9000"));
    let elsewhere = json!([
        {"name": "PORT", "value": "1"},
        {"name": "PORT", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}
    ]);
    let pod = serving(&json!({"args": ["--port=$(PORT)"], "env": elsewhere}));
    assert_eq!(skipped(&pod, &Settings::default()).0, "shell_command");
}

#[test]
fn a_port_of_an_unknown_program_may_be_another() {
    let custom = json!({"name": "own", "image": "example.org/server", "args": ["--port=8080"]});
    let annotations = json!({
        "flatline.dev/container": "own",
        "flatline.dev/port": "8500",
        "flatline.dev/redirect": "iptables"
    });
    let mut pod = annotated(pod(&custom), annotations);
    assert_eq!(upstream(&injected(&pod, &Settings::default()).0), "8500");
    // To move it by that flag, it has to be the one.
    pod["metadata"]["annotations"]["flatline.dev/redirect"] = json!("args");
    let outcome = inject(&pod, &Settings::default());
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
}

#[test]
fn declared_ports_stay_on_the_server_and_stand_once_where_they_may() {
    let own = json!([
        {"name": "grpc", "containerPort": 8500, "hostPort": 30500, "protocol": "TCP"},
        {"name": "flatline-admin", "containerPort": 8501}
    ]);
    let (after, _) = injected(&serving(&json!({"ports": own})), &Settings::default());
    assert_eq!(after["spec"]["containers"][0]["ports"], own);
    let declared = &sidecar(&after)["ports"];
    assert_eq!(
        declared[0],
        json!({"name": "grpc", "containerPort": 8500, "protocol": "TCP"})
    );
    // Two of one name in one container are refused by the API server.
    let own = json!([{"name": "flatline-admin", "containerPort": 8500}]);
    let (after, _) = injected(&serving(&json!({"ports": own})), &Settings::default());
    assert_eq!(sidecar(&after)["ports"][0].get("name"), None);
}

#[test]
fn probes_of_every_container_keep_asking_the_server() {
    let mut pod = serving(&json!({}));
    beside(
        &mut pod,
        json!({
            "name": "watcher",
            "image": "watcher",
            "ports": [{"name": "grpc", "containerPort": 1}],
            "livenessProbe": {"tcpSocket": {"port": 8500}},
            "readinessProbe": {"tcpSocket": {"port": "grpc"}},
            "startupProbe": {"exec": {"command": ["nc", "-z", "localhost:8500"]}}
        }),
    );
    let (after, warnings) = injected(&pod, &Settings::default());
    let watcher = &after["spec"]["containers"][1];
    assert_eq!(watcher["livenessProbe"]["tcpSocket"]["port"], 8510);
    assert_eq!(watcher["readinessProbe"]["tcpSocket"]["port"], "grpc");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("startupProbe of container `watcher`"),
        "{warnings:?}"
    );
    let (_, warnings) = injected(&iptables(pod), &Settings::default());
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn a_container_of_the_sidecars_name_is_not_the_sidecar() {
    let mut pod = serving(&json!({}));
    beside(&mut pod, json!({"name": "flatline", "image": "monitor"}));
    for legacy_sidecar in [false, true] {
        let settings = Settings {
            legacy_sidecar,
            ..Settings::default()
        };
        assert_eq!(skipped(&pod, &settings).0, "name_taken");
    }
}

#[test]
fn a_label_that_says_no_counts_as_an_annotation_does() {
    let mut pod = annotated(
        serving(&json!({})),
        json!({"flatline.dev/inject": "enabled"}),
    );
    pod["metadata"]["labels"]["flatline.dev/inject"] = json!("disabled");
    assert_eq!(skipped(&pod, &Settings::default()).0, "opted_out");
}

#[test]
fn the_admin_port_evades_what_any_container_names() {
    let mut pod = serving(&json!({}));
    beside(
        &mut pod,
        json!({"name": "node", "image": "exporter", "args": ["--web.listen-address=:9464"]}),
    );
    let (after, warnings) = injected(&pod, &Settings::default());
    assert!(has_arg(sidecar(&after), "--admin=[::]:9465"));
    assert!(warnings[0].contains("9465"), "{warnings:?}");
    // The image's entrypoint opens the REST port without a word.
    let rest = Settings {
        admin_port: 8501,
        ..Settings::default()
    };
    let (after, _) = injected(&serving(&json!({})), &rest);
    assert!(has_arg(sidecar(&after), "--admin=[::]:8502"));
}

#[test]
fn a_port_is_not_guessed_against_what_is_declared_or_known() {
    let own = json!({
        "name": "own",
        "image": "example.org/models",
        "args": ["--model_base_path=/m"],
        "ports": [{"containerPort": 9000}]
    });
    let mut own = pod(&own);
    assert_eq!(skipped(&own, &Settings::default()).0, "unknown_entrypoint");
    own["metadata"]["annotations"] = json!({"flatline.dev/port": "9000"});
    let (after, _) = injected(&own, &Settings::default());
    assert!(has_arg(sidecar(&after), "--listen=[::]:9000"));
    let rest = annotated(serving(&json!({})), json!({"flatline.dev/port": "8501"}));
    let outcome = inject(&rest, &Settings::default());
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
}

#[test]
fn a_probe_of_another_machine_stays() {
    let asked = json!({"host": "10.1.2.3", "port": 8500});
    let mut pod = serving(&json!({"lifecycle": {"postStart": {"httpGet": asked}}}));
    beside(
        &mut pod,
        json!({"name": "x", "image": "x", "livenessProbe": {"tcpSocket": {"port": 8510}}}),
    );
    let (after, _) = injected(&pod, &Settings::default());
    let server = &after["spec"]["containers"][0];
    assert_eq!(server["lifecycle"]["postStart"]["httpGet"], asked);
    // And what a probe asks is taken.
    assert_eq!(upstream(&after), "8511");
}

#[test]
fn an_init_container_that_listens_there_comes_later() {
    let mut pod = serving(&json!({}));
    let init = json!({"name": "check", "image": "x", "ports": [{"containerPort": 8500}]});
    pod["spec"]["initContainers"] = json!([init]);
    assert_eq!(skipped(&pod, &Settings::default()).0, "port_clash");
    injected(&iptables(pod), &Settings::default());
}

#[test]
fn a_pod_that_wants_none_may_say_anything_else() {
    let annotations = json!({"flatline.dev/inject": "disabled", "flatline.dev/port": "x"});
    let pod = annotated(serving(&json!({})), annotations);
    assert_eq!(skipped(&pod, &Settings::default()).0, "opted_out");
}

#[test]
fn a_check_that_runs_the_server_comes_later() {
    let mut pod = serving(&json!({}));
    let check = "timeout 20 tensorflow_model_server --port=8500";
    pod["spec"]["initContainers"] =
        json!([{"name": "check", "image": "x", "command": ["sh", "-c", check]}]);
    assert_eq!(skipped(&pod, &Settings::default()).0, "port_clash");
    pod["spec"]["initContainers"][0]["command"] = json!(["tensorflow_model_server", "--port=7"]);
    injected(&pod, &Settings::default());
}

#[test]
fn commands_of_hooks_and_variables_that_name_the_port_are_told() {
    let pod = serving(&json!({
        "env": [{"name": "GRPC_PORT", "value": "8500"}],
        "livenessProbe": {"exec": {"command": ["sh", "-c", "nc -z localhost $GRPC_PORT"]}},
        "lifecycle": {"postStart": {"exec": {"command": ["nc", "-z", "localhost", "8500"]}}}
    }));
    let (_, warnings) = injected(&pod, &Settings::default());
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}
