//! How servers are started: words, shells, wrappers, variables.

use super::shapes::{annotated, beside, iptables, serving, upstream};
use super::{has_arg, injected, sidecar, skipped};
use flatline::inject::{Outcome, Settings, inject};
use serde_json::{Value, json};

#[test]
fn no_shell_is_taken_for_words() {
    let text = "tensorflow_model_server --port=8500";
    for command in [
        json!(["sh", "-ce", text]),
        json!(["/bin/bash", "-e", "-o", "pipefail", "-c", text]),
        json!(["/bin/sh", "/models/start.sh", "--port=8500"]),
        json!(["/usr/bin/env", "bash", "-lc", text]),
    ] {
        let pod = serving(&json!({"command": command}));
        let (reason, _) = skipped(&pod, &Settings::default());
        assert_eq!(reason, "shell_command", "{command}");
        let (after, _) = injected(&iptables(pod), &Settings::default());
        assert_eq!(upstream(&after), "8500", "{command}");
    }
    let entrypoint =
        json!({"command": ["bash", "/usr/bin/tf_serving_entrypoint.sh", "--port=9000"]});
    let (after, _) = injected(&serving(&entrypoint), &Settings::default());
    assert_eq!(after["spec"]["containers"][0]["command"][2], "--port=8510");
}

#[test]
fn of_a_shells_text_the_servers_port_counts() {
    for (text, port) in [
        (
            "tensorflow_model_server --port=9000 & nginx --port 8080",
            "9000",
        ),
        (
            "warm --port=1 && exec tensorflow_model_server --port=9000\nprobe --port=2",
            "9000",
        ),
        (
            "tensorflow_model_server --model_name=m; metrics --port=9100",
            "8500",
        ),
        (
            "exec \"$BIN\" \\\n  --model_base_path=/m \\\n  --port=9000 # not --port=1\n",
            "9000",
        ),
        ("tensorflow_model_server --port=1 --port=9000", "9000"),
    ] {
        let pod = iptables(serving(&json!({"command": ["sh", "-c", text]})));
        assert_eq!(
            upstream(&injected(&pod, &Settings::default()).0),
            port,
            "{text}"
        );
    }
    // Two servers, and a port that only the shell knows.
    for text in [
        "tensorflow_model_server --port=1 & tensorflow_model_server --port=2",
        "tensorflow_model_server --port=${PORT:-8500}",
    ] {
        let mut pod = iptables(serving(&json!({"command": ["sh", "-c", text]})));
        assert_eq!(
            skipped(&pod, &Settings::default()).0,
            "shell_command",
            "{text}"
        );
        pod["metadata"]["annotations"]["flatline.dev/port"] = json!("2");
        assert_eq!(
            upstream(&injected(&pod, &Settings::default()).0),
            "2",
            "{text}"
        );
    }
}

#[test]
fn flags_that_variables_or_the_shell_bring_are_seen_or_leave_the_pod_alone() {
    let env = json!([{"name": "EXTRA", "value": "--port=9000"}]);
    let pod = serving(&json!({"args": ["$(EXTRA)"], "env": env}));
    assert_eq!(skipped(&pod, &Settings::default()).0, "shell_command");
    let last = serving(&json!({"args": ["--port=8500", "$(EXTRA)"], "env": env}));
    assert_eq!(skipped(&last, &Settings::default()).0, "shell_command");
    // With the port named, the last flag is the one that counts.
    let named = annotated(pod, json!({"flatline.dev/port": "9000"}));
    let (after, _) = injected(&named, &Settings::default());
    assert!(has_arg(&after["spec"]["containers"][0], "--port=8510"));
    assert!(has_arg(sidecar(&after), "--listen=[::]:9000"));
    let value = json!({"args": ["--model_name", "$(NAME)"]});
    injected(&serving(&value), &Settings::default());
    let text = "exec tensorflow_model_server $(EXTRA)";
    let pod = iptables(serving(&json!({"command": ["sh", "-c", text], "env": env})));
    assert_eq!(upstream(&injected(&pod, &Settings::default()).0), "9000");
    let passing = |args: Value| {
        let text = "ulimit -n 9; exec tensorflow_model_server \"$@\"";
        let command = json!(["/bin/bash", "-c", text, "--"]);
        iptables(serving(&json!({"command": command, "args": args})))
    };
    let pod = passing(json!(["--port=9000"]));
    assert_eq!(upstream(&injected(&pod, &Settings::default()).0), "9000");
    let pod = passing(json!(["--ssl_config_file=/tls"]));
    assert_eq!(skipped(&pod, &Settings::default()).0, "tls_in_server");
    // Text is no path of the server's.
    let pod = serving(&json!({"args": ["exec /usr/bin/tensorflow_model_server"], "image": "own"}));
    assert_eq!(skipped(&pod, &Settings::default()).0, "no_model_server");
}

#[test]
fn a_flag_without_a_value_takes_no_flag_for_it() {
    let pod = serving(&json!({"args": ["--port", "--port=8500"]}));
    let (after, _) = injected(&pod, &Settings::default());
    let args = &after["spec"]["containers"][0]["args"];
    assert_eq!(*args, json!(["--port", "--port=8510"]));
    // Numbers are none of a command's words.
    let pod = serving(&json!({"args": ["--port", 8500]}));
    let pod = annotated(pod, json!({"flatline.dev/port": "8500"}));
    let outcome = inject(&pod, &Settings::default());
    assert!(
        matches!(&outcome, Outcome::Skipped { detail, .. } if detail.contains("in quotes")),
        "{outcome:?}"
    );
}

#[test]
fn what_starts_the_server_keeps_its_own_flags() {
    let command = json!(["/wait-for", "--host=db", "--port=5432", "--"]);
    let args = json!(["tensorflow_model_server", "--model_name=x"]);
    let pod = serving(&json!({"command": command, "args": args}));
    let (after, _) = injected(&pod, &Settings::default());
    let server = &after["spec"]["containers"][0];
    assert_eq!(server["command"], command);
    assert!(has_arg(server, "--port=8510"));
    assert!(has_arg(sidecar(&after), "--listen=[::]:8500"));
}

#[test]
fn no_port_is_guessed_where_only_the_shell_knows() {
    for text in [
        "exec tensorflow_model_server $TFS_ARGS",
        "set -- --port=9000; exec tensorflow_model_server \"$@\"",
        "tensorflow_model_server \"${ARGS[@]}\"",
        "eval \"$CMD\"",
    ] {
        let pod = iptables(serving(&json!({"command": ["sh", "-c", text]})));
        assert_eq!(
            skipped(&pod, &Settings::default()).0,
            "shell_command",
            "{text}"
        );
    }
    for text in [
        "TFS=/usr/bin/tensorflow_model_server; exec $TFS --port=9000",
        "ln -s /usr/bin/tensorflow_model_server /tmp/tfs; exec /tmp/tfs --port=9000",
    ] {
        let pod = iptables(serving(&json!({"command": ["sh", "-c", text]})));
        assert_eq!(
            upstream(&injected(&pod, &Settings::default()).0),
            "9000",
            "{text}"
        );
    }
}

/// The text that a shell runs behind a redirection by the kernel: the port that is seen, or why the
/// pod is left alone.
fn of_text(text: &str) -> String {
    let pod = iptables(serving(&json!({"command": ["sh", "-c", text]})));
    match inject(&pod, &Settings::default()) {
        Outcome::Skipped { reason, .. } => reason.as_label().to_owned(),
        _ => upstream(&injected(&pod, &Settings::default()).0),
    }
}

#[test]
fn what_the_shell_puts_into_words_ends_no_command() {
    for (text, found) in [
        (
            "tensorflow_model_server --model_base_path=/m/$(hostname) --port=9000",
            "9000",
        ),
        (
            "tensorflow_model_server --model_base_path=/m/`hostname; date` --port=9000",
            "9000",
        ),
        (
            "tensorflow_model_server --num_load_threads=$((2*(1+3))) --port=9000",
            "9000",
        ),
        (
            "tensorflow_model_server --model_config_file=<(envsubst < /t) --port=9000",
            "9000",
        ),
        ("tensorflow_model_server >>/log 2>&1 --port=9000", "9000"),
        ("tensorflow_model_server &>/log --port=9000", "9000"),
        ("tensorflow_model_server --port=9000>/dev/stdout", "9000"),
        (
            "BIN=$(which tensorflow_model_server); exec $BIN --port=9000",
            "9000",
        ),
        (
            "tensorflow_model_server --model_base_path=/m/$(hostname) --ssl_config_file=/t",
            "tls_in_server",
        ),
    ] {
        assert_eq!(of_text(text), found, "{text}");
    }
}

#[test]
fn texts_within_texts_are_read() {
    for (text, found) in [
        ("eval \"tensorflow_model_server --port=9000\"", "9000"),
        (
            "su tfs -c 'exec tensorflow_model_server --port=9000'",
            "9000",
        ),
        ("env -S \"tensorflow_model_server --port=9000\"", "9000"),
        (
            "sh -c \"bash -c 'tensorflow_model_server --port=9000'\"",
            "9000",
        ),
        (
            "umask 022; bash -c \"tensorflow_model_server --ssl_config_file=/t\"",
            "tls_in_server",
        ),
        (
            "echo 'tensorflow_model_server --port=1'; tensorflow_model_server --port=9000",
            "9000",
        ),
        (
            "printf 'tensorflow_model_server is up'; tensorflow_model_server",
            "8500",
        ),
    ] {
        assert_eq!(of_text(text), found, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    for text in [
        "tensorflow_model_server --port=8500 $EXTRA",
        "tensorflow_model_server --port=8500 \"${ARGS[@]}\"",
        "tensorflow_model_server --port=8500 `cat /flags`",
        "tensorflow_model_server --enable_batching $EXTRA",
        "tensorflow_model_server --$FLAG",
        "run() { tensorflow_model_server \"$@\"; }; run --port=9000",
        "function run { tensorflow_model_server $*; }; run --port=9000",
        "xargs tensorflow_model_server < /flags",
        "cat > /s.sh <<END\ntensorflow_model_server --port=9000\nEND\nsh /s.sh",
    ] {
        assert_eq!(of_text(text), "shell_command", "{text}");
    }
    // Nor is a port guessed where nobody sees the server start.
    assert_eq!(
        of_text("python -c 'import subprocess'"),
        "unknown_entrypoint"
    );
    assert_eq!(
        of_text("tensorflow_model_server --model_name $NAME"),
        "8500"
    );
    let pod = |args: Value| serving(&json!({"args": args}));
    for args in [
        json!(["--enable_batching", "$(EXTRA)"]),
        json!(["--$(NAME)"]),
    ] {
        let (reason, _) = skipped(&pod(args.clone()), &Settings::default());
        assert_eq!(reason, "shell_command", "{args}");
    }
    for port in ["70000", "\"9000\"", "8500\n"] {
        let outcome = inject(
            &pod(json!([format!("--port={port}")])),
            &Settings::default(),
        );
        let Outcome::Skipped { detail, .. } = outcome else {
            panic!("{port}: {outcome:?}");
        };
        assert!(
            detail.contains("is no number") && !detail.contains('\n'),
            "{detail}"
        );
    }
}

#[test]
fn tls_is_seen_however_it_is_asked_for() {
    let env = json!([{"name": "TLS", "value": "--ssl_config_file=/tls"}]);
    for fields in [
        json!({"args": ["--port=8500", "--use_alts_credentials"]}),
        json!({"args": ["--port=8500", "$(TLS)"], "env": env}),
    ] {
        let pod = annotated(serving(&fields), json!({"flatline.dev/port": "8500"}));
        assert_eq!(
            skipped(&pod, &Settings::default()).0,
            "tls_in_server",
            "{fields}"
        );
    }
}

#[test]
fn who_looks_for_the_server_is_not_the_server() {
    let mut pod = serving(&json!({}));
    let looks = json!([
        "sh",
        "-c",
        "while pgrep -f tensorflow_model_server; do sleep 1; done"
    ]);
    beside(
        &mut pod,
        json!({"name": "x", "image": "x", "command": looks}),
    );
    injected(&pod, &Settings::default());
}
