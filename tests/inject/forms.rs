//! Ways of writing a flag: TensorFlow Serving reads `--name=value`, and goes on without the others.

use super::shapes::{annotated, beside, iptables, serving, upstream};
use super::{has_arg, injected, sidecar, skipped};
use flatline::inject::{Outcome, Settings, inject};
use flatline::manifest::{Done, rewrite};
use serde_json::{Value, json};

/// The first container's args, the port that Flatline listens on, and how many warnings there are.
fn moved(pod: &Value) -> (Value, u16, usize) {
    let (after, warnings) = injected(pod, &Settings::default());
    let args = sidecar(&after)["args"].as_array().expect("args").iter();
    let mut listen = args.filter_map(|arg| arg.as_str()?.strip_prefix("--listen=[::]:"));
    let listen = listen.next_back().and_then(|port| port.parse().ok());
    let args = after["spec"]["containers"][0]["args"].clone();
    (args, listen.expect("a port"), warnings.len())
}

#[test]
fn a_port_in_a_form_that_is_not_read_moves_in_the_one_that_is() {
    for (args, moved_args, listen, warned) in [
        (
            json!(["--port", "8500"]),
            json!(["--port=8510", "--port=8510"]),
            8500,
            0,
        ),
        (json!(["-port=8500"]), json!(["--port=8510"]), 8500, 0),
        (json!(["-port=9000"]), json!(["--port=8510"]), 9000, 1),
        (
            json!(["-port", "9000", "--model_name=m"]),
            json!(["--port=8510", "--port=8510", "--model_name=m"]),
            9000,
            1,
        ),
        // The one that is read stands before it, and both go.
        (
            json!(["--port=9000", "-port=8500"]),
            json!(["--port=8510", "--port=8510"]),
            8500,
            1,
        ),
        (
            json!(["-port=1", "--port=9000"]),
            json!(["--port=8510", "--port=8510"]),
            9000,
            0,
        ),
    ] {
        let found = moved(&serving(&json!({"args": args})));
        assert_eq!(found, (moved_args, listen, warned), "{args}");
    }
}

#[test]
fn what_the_pod_names_is_the_port_that_clients_dial() {
    let args = json!(["--port", "9000"]);
    for (fields, listen) in [
        (json!({"ports": [{"containerPort": 8500}]}), 8500),
        (json!({"readinessProbe": {"grpc": {"port": 8500}}}), 8500),
        (json!({"ports": [{"containerPort": 9000}]}), 9000),
        (
            json!({"ports": [{"containerPort": 8500}, {"containerPort": 9000}]}),
            9000,
        ),
    ] {
        let mut pod = serving(&fields);
        pod["spec"]["containers"][0]["args"] = args.clone();
        let (_, found, warned) = moved(&pod);
        assert_eq!((found, warned), (listen, 1), "{fields}");
    }
    // The owner knows better, of the two.
    for port in ["8500", "9000"] {
        let pod = annotated(
            serving(&json!({"args": args})),
            json!({"flatline.dev/port": port}),
        );
        assert_eq!(moved(&pod).1.to_string(), port);
    }
    let other = annotated(
        serving(&json!({"args": args})),
        json!({"flatline.dev/port": "1"}),
    );
    let outcome = inject(&other, &Settings::default());
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
}

#[test]
fn where_the_flag_stays_the_server_listens_as_it_reads() {
    for (fields, port) in [
        (json!({"args": ["-port=9000"]}), "8500"),
        (json!({"args": ["--port=9000", "--port", "1"]}), "9000"),
        (
            json!({"command": ["sh", "-c", "tensorflow_model_server --port 9000"]}),
            "8500",
        ),
        (
            json!({"command": ["sh", "-c", "tensorflow_model_server --port=9000 -port=1"]}),
            "9000",
        ),
    ] {
        let (after, warnings) = injected(&iptables(serving(&fields)), &Settings::default());
        assert_eq!(upstream(&after), port, "{fields}");
        assert!(
            warnings[0].contains("does not read"),
            "{fields}: {warnings:?}"
        );
    }
}

#[test]
fn no_flag_counts_behind_two_bare_dashes() {
    let args = json!(["--model_name=m", "--", "--port=9000"]);
    let found = moved(&serving(&json!({"args": args})));
    let wanted = json!(["--model_name=m", "--port=8510", "--", "--port=9000"]);
    assert_eq!(found, (wanted, 8500, 0));
    let tls = json!(["--port=8500", "--", "--ssl_config_file=/tls"]);
    injected(&serving(&json!({"args": tls})), &Settings::default());
    let command = json!(["tensorflow_model_server", "--"]);
    let (after, _) = injected(&serving(&json!({"command": command})), &Settings::default());
    let command = &after["spec"]["containers"][0]["command"];
    assert_eq!(
        *command,
        json!(["tensorflow_model_server", "--port=8510", "--"])
    );
    let text = "tensorflow_model_server -- --port=9000";
    let pod = iptables(serving(&json!({"command": ["sh", "-c", text]})));
    assert_eq!(upstream(&injected(&pod, &Settings::default()).0), "8500");
    // Before the server they are another program's.
    let command = json!(["tini", "--", "tensorflow_model_server", "--port=9000"]);
    let (after, _) = injected(&serving(&json!({"command": command})), &Settings::default());
    assert!(has_arg(sidecar(&after), "--listen=[::]:9000"));
}

#[test]
fn a_flag_in_front_of_others_goes_into_any_layout() {
    for args in [
        "\n    - --model_name=m # m\n    # end\n    - --\n    - x\n",
        " [--model_name=m, --, x]\n",
        " [\n      --model_name=m,\n      \"--\",\n      x\n      ]\n",
    ] {
        let text = format!(
            "kind: Pod\nspec:\n  containers:\n  - image: tensorflow/serving\n    args:{args}    name: a\n"
        );
        // What is printed was compared with what the patch makes.
        let after = rewrite(&text, &Settings::default());
        assert!(
            matches!(after.notes[0].done, Done::Injected(_)),
            "{text}{:?}",
            after.notes
        );
        assert!(after.text.contains("--port=8510"), "{}", after.text);
    }
}

#[test]
fn a_check_may_not_take_the_port_in_any_form() {
    for words in [
        json!(["tensorflow_model_server", "--port", "8500"]),
        json!(["tensorflow_model_server", "-port=7"]),
        // The image's own entrypoint.
        json!([]),
    ] {
        let mut pod = serving(&json!({}));
        let check = json!({"name": "check", "image": "tensorflow/serving", "command": words});
        pod["spec"]["initContainers"] = json!([check]);
        assert_eq!(
            skipped(&pod, &Settings::default()).0,
            "port_clash",
            "{words}"
        );
    }
}

#[test]
fn a_switch_is_off_as_the_server_reads_it() {
    for (value, off) in [
        ("false", true),
        ("False", true),
        ("0", true),
        ("true", false),
        ("1", false),
    ] {
        let flag = format!("--use_alts_credentials={value}");
        let pod = serving(&json!({"args": ["--port=8500", flag]}));
        match off {
            true => drop(injected(&pod, &Settings::default())),
            false => assert_eq!(skipped(&pod, &Settings::default()).0, "tls_in_server"),
        }
    }
}

#[test]
fn a_second_server_in_the_pod_is_told_from_a_client_beside_it() {
    let mut pod = serving(&json!({}));
    let client = json!({
        "name": "bench",
        "image": "tensorflow/serving:2.19.0-devel",
        "command": ["python3", "bench.py"]
    });
    beside(&mut pod, client.clone());
    let (after, _) = injected(&pod, &Settings::default());
    assert_eq!(after["spec"]["containers"][1], client);
}
