//! What the sidecar may use, and what a pod may use that has it.

use super::shapes::{annotated, iptables, serving};
use super::{injected, sidecar};
use flatline::inject::{Outcome, Settings, inject};
use serde_json::json;

#[test]
fn a_guaranteed_pod_stays_guaranteed() {
    let resources = json!({
        "requests": {"cpu": "1000m", "memory": "1Gi"},
        "limits": {"cpu": 1, "memory": "1024Mi"}
    });
    let pod = serving(&json!({"resources": resources}));
    for pod in [pod.clone(), iptables(pod)] {
        let (after, warnings) = injected(&pod, &Settings::default());
        assert!(warnings[0].contains("Guaranteed"), "{warnings:?}");
        for container in after["spec"]["initContainers"].as_array().expect("a list") {
            assert_eq!(
                container["resources"]["requests"],
                container["resources"]["limits"]
            );
        }
    }
}

#[test]
fn what_the_pod_may_use_as_a_whole_grows_by_the_sidecar() {
    let mut pod = serving(&json!({}));
    pod["spec"]["resources"] = json!({
        "requests": {"cpu": "1500m", "memory": "1Gi", "hugepages-2Mi": "4Mi"},
        "limits": {"memory": "2Gi"}
    });
    let (after, warnings) = injected(&pod, &Settings::default());
    assert_eq!(
        after["spec"]["resources"],
        json!({
            "requests": {
                "cpu": "1550m",
                "memory": format!("{}", (1024_u64 + 64) << 20),
                "hugepages-2Mi": "4Mi"
            },
            "limits": {"memory": format!("{}", (2048_u64 + 256) << 20)}
        })
    );
    assert!(warnings[0].contains("spec.resources"), "{warnings:?}");
    // Guaranteed as a whole, whatever its containers say.
    pod["spec"]["resources"] = json!({"limits": {"cpu": "2", "memory": "1Gi"}});
    let (after, _) = injected(&pod, &Settings::default());
    let own = &sidecar(&after)["resources"];
    assert_eq!(own["requests"], own["limits"]);
    assert_eq!(after["spec"]["resources"]["limits"]["cpu"], "3000m");
}

#[test]
fn bounds_that_nothing_runs_with_are_refused() {
    for (key, value) in [
        ("memory-limit", json!("128m")),
        ("memory-limit", json!("1Mi")),
        ("memory-limit", json!("31Mi")),
        ("memory-request", json!("64")),
        ("cpu-limit", json!("1u")),
        ("image", json!("Flatline:1")),
        ("port", json!(8500)),
        ("action", json!(true)),
    ] {
        let annotations = json!({(format!("flatline.dev/{key}")): value});
        let outcome = inject(
            &annotated(serving(&json!({})), annotations),
            &Settings::default(),
        );
        let Outcome::Refused { mistakes, .. } = outcome else {
            panic!("{key}: {outcome:?}");
        };
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert_eq!(mistakes[0].reason.contains("in quotes"), !value.is_string());
        // Which may be what stands there.
        assert_eq!(mistakes[0].reason.contains("`y`"), value.is_boolean());
    }
    for fits in [
        json!({"flatline.dev/memory-limit": "1e9"}),
        json!({"flatline.dev/memory-limit": "32Mi"}),
        json!({"flatline.dev/memory-request": "1Mi"}),
    ] {
        injected(&annotated(serving(&json!({})), fits), &Settings::default());
    }
}

#[test]
fn a_pod_as_a_whole_keeps_what_it_requests() {
    let mut pod = serving(&json!({}));
    pod["spec"]["resources"] = json!({"limits": {"cpu": "2", "memory": "1Gi"}});
    let (after, _) = injected(&pod, &Settings::default());
    let whole = &after["spec"]["resources"];
    assert_eq!(whole["requests"], whole["limits"]);
    // The sum of what its containers request, and what would be Guaranteed is not.
    let requests = json!({"requests": {"cpu": "500m", "memory": "512Mi"}});
    let mut pod = serving(&json!({"resources": requests}));
    pod["spec"]["resources"] = json!({"limits": {"cpu": "2", "memory": "1Gi"}});
    let (after, _) = injected(&pod, &Settings::default());
    assert_eq!(after["spec"]["resources"]["requests"]["cpu"], "550m");
    assert_eq!(sidecar(&after)["resources"]["requests"]["cpu"], "50m");
    // At once, what an init container requests counts too.
    let init = json!({"name": "i", "image": "x", "resources": {"requests": {"cpu": "1500m"}}});
    pod["spec"]["initContainers"] = json!([init]);
    let (after, _) = injected(&pod, &Settings::default());
    assert_eq!(after["spec"]["resources"]["requests"]["cpu"], "1550m");
    // Nothing said is nothing said.
    let bounds = json!({"limits": {"cpu": "1.9", "memory": "1Gi"}, "requests": {"cpu": "1900m"}});
    let mut pod = serving(&json!({"resources": bounds}));
    pod["spec"]["resources"] = json!({});
    let (after, _) = injected(&pod, &Settings::default());
    let own = &sidecar(&after)["resources"];
    assert_eq!(own["requests"], own["limits"]);
    assert_eq!(after["spec"]["resources"], json!({}));
}

#[test]
fn the_sidecar_is_told_its_memory_limit_also_beside_a_config() {
    let told = json!([{"name": "FLATLINE_MEMORY_LIMIT", "valueFrom": {"resourceFieldRef":
        {"containerName": "flatline", "resource": "limits.memory"}}}]);
    for pod in [
        serving(&json!({})),
        annotated(
            serving(&json!({})),
            json!({"flatline.dev/config": "c", "flatline.dev/memory-limit": "64Mi"}),
        ),
    ] {
        let (after, _) = injected(&pod, &Settings::default());
        assert_eq!(sidecar(&after)["env"], told);
        let args = sidecar(&after)["args"].to_string();
        assert!(
            !args.contains("tap-bytes"),
            "would win over the file: {args}"
        );
    }
}
