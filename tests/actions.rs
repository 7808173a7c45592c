//! What Flatline does beside watching, where it is asked to: annotate replies, eject a replica.

use flatline::admin;
use flatline::app::{self, Running};
use flatline::config::{Config, Raw};
use flatline::demo::digits::PIXELS;
use flatline::demo::server::{Fault, ModelServer};
use flatline::proto::tensorflow::serving::prediction_service_client::PredictionServiceClient;
use flatline::proto::tensorflow::serving::{ModelSpec, PredictRequest, model_spec};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use flatline::report::State;
use http::{Method, StatusCode};
use std::time::{Duration, Instant};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

type Stub = PredictionServiceClient<Channel>;

async fn start(server: &ModelServer, toml: &str) -> Running {
    let raw = format!(
        "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nupstream = \"{}\"\n{toml}",
        server.address()
    );
    let config = Config::check(&Raw::from_toml(&raw).expect("TOML")).expect("a configuration");
    app::start(config).await.expect("a proxy")
}

async fn connect(running: &Running) -> Stub {
    PredictionServiceClient::connect(format!("http://{}", running.listen))
        .await
        .expect("a connection")
}

/// One call with an image that nobody sent before; what its reply carries.
async fn call(stub: &mut Stub, number: u32, version: Option<i64>) -> MetadataMap {
    let dim = |size| Dim {
        size,
        name: String::new(),
    };
    let pixels = (0..PIXELS).map(|p| ((number as usize * 31 + p * p) % 97) as f32 / 6.0);
    let tensor = TensorProto {
        dtype: DataType::DtFloat as i32,
        tensor_shape: Some(TensorShapeProto {
            dim: vec![dim(1), dim(PIXELS as i64)],
            unknown_rank: false,
        }),
        float_val: pixels.collect(),
        ..TensorProto::default()
    };
    let request = PredictRequest {
        model_spec: Some(ModelSpec {
            name: "digits".to_owned(),
            version_choice: version.map(model_spec::VersionChoice::Version),
            ..ModelSpec::default()
        }),
        inputs: [("pixels".to_owned(), tensor)].into(),
        output_filter: vec![],
    };
    let reply = stub.predict(request).await.expect("a reply");
    reply.metadata().clone()
}

/// Calls until `enough` says so, two minutes at most.
async fn call_until<F: AsyncFnMut(&MetadataMap) -> bool>(stub: &mut Stub, mut enough: F) {
    let end = Instant::now() + Duration::from_secs(120);
    for number in 0.. {
        let metadata = call(stub, number, None).await;
        if enough(&metadata).await {
            return;
        }
        assert!(Instant::now() < end, "it never came");
    }
}

async fn readyz(running: &Running) -> (StatusCode, String) {
    let (status, body) = admin::ask(&running.admin, Method::GET, "/readyz", None)
        .await
        .expect("an answer");
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn fires(running: &Running) -> bool {
    let report = running.report().await.expect("a report");
    report.series.iter().any(|s| s.state == State::Firing)
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_of_a_firing_series_say_so_and_no_others() {
    let server = ModelServer::spawn().await.expect("a model server");
    let (plain, telling) = (
        start(&server, "").await,
        start(&server, "action = \"annotate\"").await,
    );
    let (mut quiet, mut stub) = (connect(&plain).await, connect(&telling).await);
    for number in 0..20 {
        assert!(
            call(&mut stub, number, None)
                .await
                .get("flatline-verdict")
                .is_none()
        );
    }
    server.set(Fault::Constant);
    let mut found = String::new();
    call_until(&mut stub, async |metadata| {
        let value = metadata.get("flatline-verdict");
        found = value.map_or("", |v| v.to_str().expect("text")).to_owned();
        !found.is_empty()
    })
    .await;
    assert!(
        found.starts_with(
            "state=firing; kind=constant; version=1; output=probabilities; confidence="
        ),
        "{found}"
    );
    let own = call(&mut stub, 1, Some(1)).await;
    assert!(own.get("flatline-verdict").is_some(), "asked for by number");
    // The same fault behind a proxy that only watches changes no reply.
    call_until(&mut quiet, async |metadata| {
        assert!(metadata.get("flatline-verdict").is_none());
        fires(&plain).await
    })
    .await;
    assert!(
        call(&mut quiet, 7, None)
            .await
            .get("flatline-verdict")
            .is_none()
    );
    plain.shutdown().await;
    telling.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_goes_while_the_evidence_is_certain_and_comes_back() {
    let server = ModelServer::spawn().await.expect("a model server");
    let toml = "action = \"eject\"\neject-budget = 1\neject-jitter = \"1ms\"";
    let running = start(&server, toml).await;
    let mut stub = connect(&running).await;
    assert_eq!(readyz(&running).await, (StatusCode::OK, "ok\n".to_owned()));
    // NaN on the wire is certain.
    server.set(Fault::Nan);
    call_until(&mut stub, async |_| {
        readyz(&running).await.0 == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert!(fires(&running).await);
    let (_, text) = readyz(&running).await;
    assert!(text.starts_with("out:"), "{text}");
    server.set(Fault::None);
    call_until(&mut stub, async |_| {
        readyz(&running).await.0 == StatusCode::OK
    })
    .await;
    running.shutdown().await;
}

#[test]
fn ejecting_without_the_others_says_which_flag_is_missing() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_flatline"))
        .args(["serve", "--action", "eject"])
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(
        text.contains("--eject-peers flatline.models:9464"),
        "{text}"
    );
}

#[test]
fn numbers_below_zero_are_told_with_their_flag() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_flatline"))
        .args(["serve", "--eject-budget", "-0.1", "--queue", "-1"])
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{text}");
    for part in ["eject-budget: `-0.1`", "queue: `-1`"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_never_goes_as_a_whole() {
    let server = ModelServer::spawn().await.expect("a model server");
    // Ports are known only once bound, so each replica's peers come by a socket of its own.
    let dir = tempfile::tempdir().expect("a folder");
    let sockets: Vec<String> = (0..3)
        .map(|i| format!("unix:{}/{i}", dir.path().display()))
        .collect();
    let mut fleet = Vec::new();
    for admin in &sockets {
        let raw = format!(
            "listen = \"127.0.0.1:0\"\nadmin = \"{admin}\"\nupstream = \"{}\"\naction = \"eject\"\neject-budget = 0.4\neject-jitter = \"300ms\"\neject-peers = [\"{}\"]",
            server.address(),
            sockets.join("\", \"")
        );
        let config = Config::check(&Raw::from_toml(&raw).expect("TOML")).expect("a configuration");
        fleet.push(app::start(config).await.expect("a proxy"));
    }
    server.set(Fault::Nan);
    let mut stubs = Vec::new();
    for running in &fleet {
        stubs.push(connect(running).await);
    }
    let end = Instant::now() + Duration::from_secs(120);
    let (mut most, mut after) = (0, 0);
    for number in 0.. {
        let mut out = 0;
        for (stub, running) in stubs.iter_mut().zip(&fleet) {
            call(stub, number, None).await;
            out += usize::from(readyz(running).await.0 != StatusCode::OK);
        }
        most = most.max(out);
        assert!(out <= 1, "a budget of 0.4 of three lets one go");
        let mut firing = 0;
        for running in &fleet {
            firing += usize::from(fires(running).await);
        }
        // All fire and one is out: the others had many chances.
        after += usize::from(firing == 3 && out == 1);
        if after > 200 {
            break;
        }
        assert!(
            Instant::now() < end,
            "most out at once: {most}, firing: {firing}"
        );
    }
    for running in fleet {
        running.shutdown().await;
    }
}
