//! The doctor tells a healthy server from a flat one, and says what the five accounts say.

mod odd;

use crate::exchanges::{floats, request};
use flatline::app;
use flatline::config::{Address, Capture, Config, Raw};
use flatline::demo::server::{Fault, ModelServer};
use flatline::doctor::{Examination, Questions, examine, text};
use flatline::proto::tensorflow::serving::prediction_service_client::PredictionServiceClient;
use flatline::truth::volume::Volume;
use std::fs::{create_dir_all, write};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

fn questions(upstream: Address, model: &str) -> Questions {
    Questions {
        probe: true,
        ..Questions::about(upstream, model)
    }
}

async fn examined(fault: Fault, model: &str) -> Examination {
    let server = ModelServer::spawn().await.expect("a server");
    server.set(fault);
    examine(&questions(server.address(), model))
        .await
        .expect("answers")
}

fn rules(found: &Examination) -> Vec<&str> {
    found.findings.iter().map(|f| f.rule.as_str()).collect()
}

#[tokio::test]
async fn a_healthy_model_has_no_findings() {
    let found = examined(Fault::None, "digits").await;
    let text = text(&found);
    assert!(found.findings.is_empty(), "{text}");
    for part in [
        "version 1 AVAILABLE",
        "input   pixels: DT_FLOAT [?, 64]",
        "output probabilities: 8 distinct for 8 inputs, repeats",
        "disk          unknown: no --model-dir",
        "models.config unknown: no --models-config",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    let probe = found.probe.expect("a probe");
    assert_eq!(probe.calls, 10, "nine inputs and a batch");
    assert_eq!(probe.outputs[0].follows_batch, Some(true));
}

#[tokio::test]
async fn a_flat_model_and_a_missing_one_are_found() {
    let flat = examined(Fault::Constant, "digits").await;
    assert_eq!(rules(&flat), ["D20"]);
    assert!(flat.findings[0].evidence[0].contains("is the same for 8 distinct inputs"));
    assert_eq!(rules(&examined(Fault::Nan, "digits").await), ["D21"]);
    let missing = examined(Fault::None, "nobody").await;
    assert_eq!(rules(&missing), ["D14"]);
    assert!(missing.findings[0].evidence[0].contains("does not know this model"));
}

#[tokio::test]
async fn the_accounts_are_held_against_each_other() {
    let volume = tempfile::tempdir().expect("a folder");
    for version in ["1", "2", "v3"] {
        create_dir_all(volume.path().join("digits").join(version)).expect("a folder");
        let model = volume
            .path()
            .join("digits")
            .join(version)
            .join("saved_model.pb");
        write(&model, b"x").expect("a file");
        // Long ago: nothing is still on its way.
        let folder = std::fs::File::open(model.parent().expect("a folder")).expect("a folder");
        let hour = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        folder.set_modified(hour).expect("a time");
    }
    let config = volume.path().join("models.config");
    let text = "model_config_list { config { name: 'digits' base_path: '/models/digits' model_platform: 'tensorflow' model_version_policy { specific { versions: 1 } } } }";
    write(&config, text).expect("a file");
    let server = ModelServer::spawn().await.expect("a server");
    let mut questions = questions(server.address(), "digits");
    questions.volume = Volume {
        model_dir: Some(volume.path().to_path_buf()),
        models_config: Some(config.clone()),
    };
    let found = examine(&questions).await.expect("answers");
    assert_eq!(rules(&found), ["D16", "D17"]);
    assert!(found.findings[1].evidence[0].contains("pins the versions [1]"));
    assert!(found.accounts.iter().all(|account| account.known));
    let json = serde_json::to_value(&found).expect("JSON");
    assert_eq!(
        json["signatures"]["serving_default"]["inputs"]["pixels"]["shape"][1],
        64
    );

    write(
        &config,
        "model_config_list {\n  config { version_policy {} } }",
    )
    .expect("a file");
    let error = examine(&questions).await.expect_err("no models.config");
    assert!(error.to_string().contains("models.config:2:"), "{error}");
    assert_eq!(
        format!("{:?}", error.exit_code()),
        format!("{:?}", std::process::ExitCode::from(78))
    );
}

#[tokio::test]
async fn a_server_that_is_away_is_said_to_be() {
    let nobody = "127.0.0.1:1".parse().expect("an address");
    let error = examine(&questions(nobody, "m"))
        .await
        .expect_err("nobody there");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

/// What `flatline serve --capture` writes of one call.
async fn capture(dir: &Path, upstream: Address) {
    let mut config = Config::check(&Raw::default()).expect("defaults are right");
    config.listen = Address::Tcp("127.0.0.1".to_owned(), 0);
    config.admin = Address::Tcp("127.0.0.1".to_owned(), 0);
    config.upstream = upstream;
    config.capture = Some(Capture {
        dir: dir.to_owned(),
        max_bytes: 1 << 20,
        max_age: Duration::from_secs(3600),
    });
    let running = app::start(config).await.expect("it starts");
    let address = format!("http://{}", running.listen);
    let client = PredictionServiceClient::connect(address).await;
    client
        .expect("it listens")
        .predict(request(
            "digits",
            "pixels",
            floats(&[1, 64], vec![0.25; 64]),
        ))
        .await
        .expect("a reply");
    assert!(running.shutdown().await);
}

async fn doctor(upstream: Address, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatline"));
    command.args(["doctor", "--probe", "--format", "json", "--upstream"]);
    command.arg(upstream.to_string()).args(arguments);
    // The server runs in this process.
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.expect("ends").expect("runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_request_is_sent_twice_and_judged() {
    let server = ModelServer::spawn().await.expect("a server");
    let dir = tempfile::tempdir().expect("a folder");
    capture(dir.path(), server.address()).await;
    let file = dir.path().join("exchanges-00000000.tfrecord");
    let file = file.to_str().expect("utf-8");
    let json = |output: &Output| -> serde_json::Value {
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let without = doctor(server.address(), &["--model", "digits"]).await;
    assert_eq!(without.status.code(), Some(0), "{}", json(&without));
    assert_eq!(json(&without)["probe"]["calls"], 10);
    let with = doctor(server.address(), &["--model", "digits", "--recorded", file]).await;
    let found = json(&with);
    assert_eq!(with.status.code(), Some(0), "{found}");
    assert_eq!(found["probe"]["calls"], 12);
    assert_eq!(found["probe"]["outputs"][0]["repeats"], true);
    assert_eq!(
        found["accounts"][0]["says"],
        "the newest version (as recorded)"
    );
    let other = doctor(server.address(), &["--model", "other", "--recorded", file]).await;
    assert_eq!(other.status.code(), Some(78));
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(
        said.contains("no request for the model `other` in it"),
        "{said}"
    );
}
