//! What the API server sends, and what becomes of it.

use super::{data, has_arg, injected, recorded, sidecar, skipped};
use flatline::inject::{Outcome, Settings, inject};
use serde_json::{Value, json};
use std::fs;

/// Name, server's container, listening port, and the word that moves the server.
const INJECTED: [(&str, &str, u16, &str); 8] = [
    ("bare", "serving", 8500, "--port=8510"),
    ("batch-job", "serving", 8500, "--port=8510"),
    ("from-replicaset", "serving", 8500, "--port=8510"),
    ("grpc-probe", "serving", 8500, "--port=8510"),
    ("istio-native", "serving", 8500, "--port=8510"),
    ("kserve-runtime", "kserve-container", 9000, "--port=8510"),
    ("named-ports-probes-gpu", "serving", 8500, "--port=8510"),
    ("restricted", "serving", 8500, "--port=8510"),
];

const SKIPPED: [(&str, &str); 5] = [
    ("custom-image", "unknown_entrypoint"),
    ("host-network", "host_network"),
    ("not-a-model-server", "no_model_server"),
    ("opt-out", "opted_out"),
    ("unix-socket", "unix_only"),
];

#[test]
fn every_recorded_review_has_the_expected_outcome() {
    let mut seen = 2; // `overrides` and `bad-overrides` have tests of their own.
    for (name, server, port, moved) in INJECTED {
        let (pod, warnings) = injected(&recorded(name), &Settings::default());
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
        let first = &pod["spec"]["initContainers"][0];
        assert_eq!(first["name"], "flatline", "{name}");
        assert_eq!(first["restartPolicy"], "Always", "{name}");
        assert!(
            has_arg(first, &format!("--listen=[::]:{port}")),
            "{name}: {first}"
        );
        assert!(
            has_arg(first, "--upstream=127.0.0.1:8510"),
            "{name}: {first}"
        );
        assert!(has_arg(first, "--admin=[::]:9464"), "{name}: {first}");
        let containers = pod["spec"]["containers"].as_array().unwrap();
        let server = containers.iter().find(|c| c["name"] == server).unwrap();
        assert!(has_arg(server, moved), "{name}: {server}");
        seen += 1;
    }
    for (name, reason) in SKIPPED {
        let (label, pod) = skipped(&recorded(name), &Settings::default());
        assert_eq!(label, reason, "{name}");
        assert_eq!(
            pod["metadata"]["annotations"]["flatline.dev/skipped"],
            reason
        );
        assert_eq!(pod["spec"], recorded(name)["spec"], "{name}");
        seen += 1;
    }
    assert_eq!(seen, fs::read_dir(data("reviews")).unwrap().count());
}

#[test]
fn a_pod_that_has_a_name_the_sidecar_needs_is_left_as_it_is() {
    // Name, where it stands, and the annotation without which the sidecar has no need of it.
    let own = [
        ("flatline-no-token", "volumes", None),
        (
            "flatline-config",
            "volumes",
            Some(("flatline.dev/config", "fleet")),
        ),
        (
            "flatline-redirect",
            "initContainers",
            Some(("flatline.dev/redirect", "iptables")),
        ),
    ];
    for (name, list, needed_with) in own {
        let mut pod = recorded("bare");
        pod["spec"][list] = json!([{"name": name, "image": "own"}]);
        if let Some((annotation, value)) = needed_with {
            injected(&pod, &Settings::default());
            pod["metadata"]["annotations"][annotation] = json!(value);
        }
        let (label, after) = skipped(&pod, &Settings::default());
        assert_eq!(label, "name_taken", "{name}");
        assert_eq!(after["spec"], pod["spec"], "{name}");
    }
}

#[test]
fn named_ports_lead_to_flatline_and_probes_keep_asking_the_server() {
    let (pod, _) = injected(&recorded("named-ports-probes-gpu"), &Settings::default());
    let server = &pod["spec"]["containers"][0];
    assert_eq!(
        server["ports"][0],
        json!({"name": "grpc", "containerPort": 8500, "protocol": "TCP"})
    );
    assert_eq!(server["ports"][1]["name"], "http");
    assert_eq!(server["readinessProbe"]["tcpSocket"]["port"], 8510);
    assert_eq!(server["readinessProbe"]["periodSeconds"], 5);
    assert_eq!(server["livenessProbe"]["httpGet"]["port"], 8501);
    let named = &sidecar(&pod)["ports"][0];
    assert_eq!(
        named,
        &json!({"name": "grpc", "containerPort": 8500, "protocol": "TCP"})
    );

    let (pod, _) = injected(&recorded("grpc-probe"), &Settings::default());
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(pod["spec"]["containers"][0][probe]["grpc"]["port"], 8510);
    }
}

#[test]
fn the_sidecar_asks_about_itself_and_holds_no_secret() {
    for (name, ..) in INJECTED {
        let (pod, _) = injected(&recorded(name), &Settings::default());
        let sidecar = sidecar(&pod);
        for (probe, path) in [
            ("startupProbe", "/livez"),
            ("livenessProbe", "/livez"),
            ("readinessProbe", "/readyz"),
        ] {
            // Where a mesh may stand in between, by a command.
            let (way, expected) = match name {
                "istio-native" => (
                    "exec",
                    json!({"command": ["/flatline", "health", "--admin=127.0.0.1:9464", &path[1..]]}),
                ),
                _ => ("httpGet", json!({"path": path, "port": 9464})),
            };
            assert_eq!(sidecar[probe][way], expected, "{name}");
        }
        for mount in sidecar["volumeMounts"].as_array().unwrap() {
            let volumes = pod["spec"]["volumes"].as_array().unwrap();
            let volume = volumes.iter().find(|v| v["name"] == mount["name"]).unwrap();
            assert!(
                volume.get("emptyDir").is_some() || volume.get("configMap").is_some(),
                "{volume}"
            );
        }
        let security = &sidecar["securityContext"];
        assert_eq!(security["runAsUser"], 2102);
        assert_eq!(security["runAsNonRoot"], true);
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}));
        assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
        let annotations = &pod["metadata"]["annotations"];
        assert_eq!(annotations["prometheus.io/port"], "9464");
    }
}

#[test]
fn overrides_are_taken() {
    let (pod, _) = injected(&recorded("overrides"), &Settings::default());
    let sidecar = sidecar(&pod);
    assert_eq!(sidecar["image"], "registry.example.org/flatline:test");
    assert_eq!(sidecar["resources"]["requests"]["cpu"], "200m");
    assert_eq!(sidecar["resources"]["limits"]["memory"], "256Mi");
    assert!(has_arg(sidecar, "--config=/etc/flatline/flatline.toml"));
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let config: Vec<&Value> = volumes
        .iter()
        .filter(|v| v.get("configMap").is_some())
        .collect();
    assert_eq!(config[0]["configMap"], json!({"name": "flatline-digits"}));
}

#[test]
fn bad_overrides_are_refused_all_at_once() {
    let mut pod = recorded("bad-overrides");
    let Outcome::Refused { mistakes, patch } = inject(&pod, &Settings::default()) else {
        panic!("expected a refusal");
    };
    assert!(patch.0.is_empty(), "{patch:?}");
    let text: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    for (annotation, value) in [
        ("flatline.dev/inject", "yes please"),
        ("flatline.dev/port", "eighty"),
        ("flatline.dev/memory-limit", "256 megs"),
        ("flatline.dev/container", "nope"),
    ] {
        assert!(
            text.iter()
                .any(|t| t.contains(annotation) && t.contains(value) && t.contains("example")),
            "{annotation}: {text:?}"
        );
    }
    assert_eq!(mistakes.len(), 4);
    // What is said of a pod that this one was copied from is not so; and no value fills the log.
    let before = pod.clone();
    pod["metadata"]["annotations"]["flatline.dev/injected"] = json!("0.1.0");
    pod["metadata"]["annotations"]["flatline.dev/skipped"] = json!("opted_out");
    let Outcome::Refused { patch, .. } = inject(&pod, &Settings::default()) else {
        panic!("expected a refusal");
    };
    json_patch::patch(&mut pod, &patch).expect("it applies");
    assert_eq!(pod, before);
    pod["metadata"]["annotations"]["flatline.dev/port"] = json!("é".repeat(9_000));
    let Outcome::Refused { mistakes, .. } = inject(&pod, &Settings::default()) else {
        panic!("expected a refusal");
    };
    assert!(
        mistakes
            .iter()
            .all(|mistake| mistake.to_string().len() < 500)
    );
}

#[test]
fn ejecting_needs_the_configuration_that_it_starts_with() {
    let mut pod = recorded("bare");
    pod["metadata"]["annotations"] = json!({
        "flatline.dev/inject": "enabled",
        "flatline.dev/action": "eject"
    });
    let Outcome::Refused { mistakes, .. } = inject(&pod, &Settings::default()) else {
        panic!("expected a refusal");
    };
    assert!(
        mistakes[0].to_string().contains("eject-peers"),
        "{mistakes:?}"
    );
    pod["metadata"]["annotations"]["flatline.dev/config"] = json!("fleet");
    let (pod, _) = injected(&pod, &Settings::default());
    assert!(has_arg(sidecar(&pod), "--action=eject"));
}

#[test]
fn a_label_that_says_nothing_is_told() {
    let mut pod = recorded("bare");
    pod["metadata"]["labels"]["flatline.dev/inject"] = json!("Disabled");
    let (_, warnings) = injected(&pod, &Settings::default());
    assert!(
        warnings.iter().any(|w| w.contains("`Disabled`")),
        "{warnings:?}"
    );
}
