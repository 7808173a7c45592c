//! Streams of manifests: what holds a pod gets the sidecar, and every other byte stays.

use super::data;
use flatline::inject::{OnBadAnnotation, Outcome, Settings, inject};
use flatline::manifest::{Done, rewrite};
use serde_json::{Value, json};
use std::fs;

pub(super) const CONFIG_MAP: &str =
    "# Kept as it is.\nkind: ConfigMap\nmetadata: {name: &n  odd,   other: *n}\n";
pub(super) const DEPLOYMENT: &str = r#"---
apiVersion: apps/v1
kind: Deployment
metadata: {name: digits}
spec:
  template:
    metadata:
      labels: {app: digits}   # seen by the service
    spec:
      containers:
        - name: serving
          image: "tensorflow/serving:2.19.0"
          args:
            # where clients look
            - --port=8500   # grpc
            - '--rest_api_port=8501'
          ports:
            - {containerPort: 8500, name: grpc}
      # volumes of the model
      volumes:
        - name: models
          emptyDir: {}
"#;

pub(super) fn stream(parts: &[&str]) -> String {
    parts.concat()
}

#[test]
fn only_the_lines_of_the_sidecar_change() {
    let before = stream(&[CONFIG_MAP, DEPLOYMENT]);
    let after = rewrite(&before, &Settings::default()).text;
    assert!(after.starts_with(CONFIG_MAP), "{after}");
    let kept = |line: &&str| after.lines().any(|other| other == *line);
    let changed: Vec<&str> = before.lines().filter(|line| !kept(line)).collect();
    assert_eq!(changed, ["            - --port=8500   # grpc"]);
    assert!(
        after.contains("            - --port=8510   # grpc\n"),
        "{after}"
    );
    assert!(
        after.contains("      initContainers:\n      - name: flatline\n"),
        "{after}"
    );
    // A second pass finds the sidecar and changes nothing.
    let again = rewrite(&after, &Settings::default());
    assert_eq!(again.text, after);
    assert!(
        matches!(again.notes[1].done, Done::Skipped("already_injected", _)),
        "{:?}",
        again.notes
    );
}

#[test]
fn text_says_what_the_patch_says() {
    let mut seen = 0;
    for file in fs::read_dir(data("pods")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let is_pod = value["kind"] == "Pod";
        let mut pod = if is_pod {
            value.clone()
        } else {
            value["spec"]["template"].clone()
        };
        let (Outcome::Patched { patch, .. } | Outcome::Skipped { patch, .. }) =
            inject(&pod, &Settings::default())
        else {
            continue;
        };
        json_patch::patch(&mut pod, &patch).unwrap();
        let after: Value =
            serde_json::from_str(&rewrite(&text, &Settings::default()).text).unwrap();
        assert_eq!(
            if is_pod {
                &after
            } else {
                &after["spec"]["template"]
            },
            &pod
        );
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn other_groups_lists_and_line_ends_are_respected() {
    let job = "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nspec: {template: {spec: {containers: [{name: a, image: tensorflow/serving}]}}}\n";
    assert_eq!(rewrite(job, &Settings::default()).text, job);
    let list = "apiVersion: v1\r\nkind: List\r\nitems:\r\n- apiVersion: batch/v1\r\n  kind: CronJob\r\n  spec:\r\n    jobTemplate:\r\n      spec:\r\n        template:\r\n          metadata:\r\n            annotations:\r\n          spec:\r\n            containers:\r\n            - name: a\r\n              image: tensorflow/serving";
    let after = rewrite(list, &Settings::default());
    assert_eq!(after.notes.len(), 1);
    assert_eq!(
        after.notes[0].done,
        Done::Injected(Vec::new()),
        "{:?}",
        after.notes
    );
    assert!(
        after
            .text
            .split_inclusive('\n')
            .rev()
            .skip(1)
            .all(|line| line.ends_with("\r\n"))
    );
    assert!(!after.text.ends_with('\n'));
}

#[test]
fn empty_and_missing_collections_take_what_is_added() {
    for (annotations, init) in [
        ("annotations: {}", "initContainers: []"),
        ("annotations:", "initContainers:"),
        ("annotations: # none\n    # at all", "volumes: []  # none"),
        (
            "annotations: {a: b, c: d,}",
            "volumes: [{name: v, emptyDir: {}}]",
        ),
        ("labels: {a: b}", "restartPolicy: |\n    Always"),
        (
            "labels: {\n    a: b\n  }",
            "nodeSelector:\n    # last\n    a: b",
        ),
    ] {
        for ports in [
            "[{containerPort: 8500, name: grpc}]",
            "\n    - name: grpc\n      containerPort: 8500\n    - containerPort: 1",
        ] {
            let text = format!(
                "apiVersion: v1\nkind: Pod\nmetadata:\n  {annotations}\nspec:\n  containers:\n  - image: tensorflow/serving\n    name: a\n    ports: {ports}\n  {init}\n"
            );
            let after = rewrite(&text, &Settings::default());
            assert_eq!(
                after.notes[0].done,
                Done::Injected(Vec::new()),
                "{text}{:?}",
                after.notes
            );
            assert_eq!(rewrite(&after.text, &Settings::default()).text, after.text);
        }
    }
}

#[test]
fn a_block_scalar_ends_before_the_next_line() {
    for scalar in [
        "|\n      {\"a\": 1}\n",
        ">-\n      a\n\n      b\n\n",
        "|+ # a | b\n\n      a\n\n",
    ] {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    last: {scalar}  name: a\nspec:\n  containers:\n  - image: tensorflow/serving\n    args:\n    - {scalar}    name: a\n"
        );
        let after = rewrite(&text, &Settings::default());
        let done = &after.notes[0].done;
        assert_eq!(*done, Done::Injected(Vec::new()), "{text}");
        let lost = text.lines().find(|line| !after.text.contains(line));
        assert_eq!(lost, None);
    }
}

#[test]
fn values_mean_what_they_mean_to_kubernetes() {
    let pod = |more: &str, port: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  {more}\n  containers:\n  - image: tensorflow/serving\n    name: a\n    readinessProbe: {{grpc: {{port: {port}}}}}\n"
        )
    };
    let host = rewrite(&pod("hostNetwork: y", "8500"), &Settings::default());
    assert!(matches!(
        host.notes[0].done,
        Done::Skipped("host_network", _)
    ));
    for port in ["8500", "8_500", "8.5e3", "!!int \"8500\""] {
        let after = rewrite(&pod("hostNetwork: n", port), &Settings::default());
        assert!(
            after.text.contains("{grpc: {port: 8510}}") || after.text.contains("port: !!int 8510"),
            "{}",
            after.text
        );
    }
    for more in ["<<: {hostNetwork: true}", "hostname: !!binary YQ=="] {
        let after = rewrite(&pod(more, "8500"), &Settings::default());
        assert!(matches!(after.notes[0].done, Done::Broken(_)), "{more}");
        assert!(
            after.notes[0].to_string().starts_with("line 5: "),
            "{}",
            after.notes[0]
        );
    }
}

#[test]
fn the_reason_of_an_earlier_skip_goes_from_any_layout() {
    for annotations in [
        "{flatline.dev/skipped: no_model_server}",
        "{\"flatline.dev/skipped\": \"a\" }",
        "{a: b, flatline.dev/skipped: a}",
        "{flatline.dev/skipped: a, a: b}",
        "\n    flatline.dev/skipped: a",
    ] {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations: {annotations}\nspec:\n  containers:\n  - image: tensorflow/serving\n    name: a\n"
        );
        let after = rewrite(&text, &Settings::default());
        let done = &after.notes[0].done;
        assert_eq!(*done, Done::Injected(Vec::new()), "{text}");
        assert!(!after.text.contains("skipped"), "{}", after.text);
        // And the other way: a copy of a pod that had the sidecar.
        let other = text
            .replace("skipped", "injected")
            .replace("tensorflow", "other");
        let after = rewrite(&other, &Settings::default());
        let done = &after.notes[0].done;
        assert!(
            matches!(done, Done::Skipped("no_model_server", _)),
            "{done:?}"
        );
        assert!(!after.text.contains("injected"), "{}", after.text);
        assert!(after.text.contains("no_model_server"), "{}", after.text);
    }
}

#[test]
fn wrong_annotations_leave_the_document_as_it_was_or_out() {
    let text = fs::read_to_string(data("pods/bad-overrides.json")).unwrap();
    let admitted = rewrite(&text, &Settings::default());
    assert_eq!(admitted.text, text);
    assert!(matches!(&admitted.notes[0].done, Done::Refused(mistakes) if mistakes.len() == 4));
    let strict = Settings {
        on_bad_annotation: OnBadAnnotation::Deny,
        ..Settings::default()
    };
    let denied = rewrite(&text, &strict);
    assert_eq!(denied.text, "");
    assert!(denied.notes[0].done.is_left_out());
}

#[test]
fn a_list_of_pods_need_not_name_their_kind_and_goes_as_a_whole() {
    let pod = "- metadata: {name: a}\n  spec:\n    containers:\n    - {name: s, image: tensorflow/serving}\n";
    let wrong = pod.replace(
        "{name: a}",
        "{name: b, annotations: {flatline.dev/port: x}}",
    );
    let list = format!("apiVersion: v1\nkind: PodList\nitems:\n{pod}{wrong}");
    let after = rewrite(&list, &Settings::default());
    assert_eq!(after.text.matches("name: flatline\n").count(), 1);
    assert_eq!(after.notes[0].subject, "Pod a");
    let strict = Settings {
        on_bad_annotation: OnBadAnnotation::Deny,
        ..Settings::default()
    };
    let denied = rewrite(&list, &strict);
    assert_eq!(denied.text, "");
    assert!(
        denied
            .notes
            .iter()
            .all(|note| matches!(note.done, Done::Denied(_))),
        "{:?}",
        denied.notes
    );
}

#[test]
fn other_ways_of_taking_the_port_can_be_written_as_text() {
    let redirect = DEPLOYMENT.replace(
        "labels: {app: digits}",
        "annotations: {flatline.dev/redirect: iptables}",
    );
    let after = rewrite(&redirect, &Settings::default());
    assert!(
        matches!(after.notes[0].done, Done::Injected(_)),
        "{:?}",
        after.notes
    );
    assert!(
        after.text.contains("        - |\n          set -eu\n"),
        "{}",
        after.text
    );
    let legacy = Settings {
        legacy_sidecar: true,
        ..Settings::default()
    };
    let after = rewrite(DEPLOYMENT, &legacy);
    assert!(
        matches!(after.notes[0].done, Done::Injected(_)),
        "{:?}",
        after.notes
    );
    assert!(
        after.text.contains("\n        - name: flatline\n"),
        "{}",
        after.text
    );
    assert_eq!(json!(after.text.contains("restartPolicy")), json!(false));
}

#[test]
fn a_comment_between_a_dash_and_its_item_is_no_dash() {
    for comment in ["# waits-for it", "# a - b\n        # - c"] {
        let init = format!(
            "      initContainers:\n      - {comment}\n        name: w\n        image: w\n      containers:\n"
        );
        let before = DEPLOYMENT.replace("      containers:\n", &init);
        assert_ne!(before, DEPLOYMENT);
        let after = rewrite(&before, &Settings::default());
        assert!(
            matches!(after.notes[0].done, Done::Injected(_)),
            "{:?}",
            after.notes
        );
        let sidecar = after
            .text
            .find("      - name: flatline\n")
            .expect("a sidecar");
        let own = after
            .text
            .find(&format!("      - {comment}\n        name: w\n"));
        assert!(sidecar < own.expect("as it was"), "{}", after.text);
    }
}
