//! Live and offline agree bit for bit, whatever order concurrent replies come in.

use super::parts::*;
use bytes::Bytes;
use flatline::analyzer::{Analyzer, Options};
use flatline::app::{self, Running};
use flatline::config::Capture;
use flatline::proto::tensorflow::serving::{
    GetModelMetadataResponse, GetModelStatusResponse, ModelSpec, ModelVersionStatus,
    PredictRequest, PredictResponse, SignatureDefMap, StatusProto, model_spec,
};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{SignatureDef, TensorInfo, TensorProto, TensorShapeProto};
use flatline::replay::{Recorded, Records, Truths, recorded};
use http::HeaderValue;
use prost::Message;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

const CONNECTIONS: u64 = 8;
const CALLS: u64 = 260;
/// Calls of each connection before every reply is the same.
const HEALTHY: u64 = 220;

pub(super) fn framed(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    let mut body = vec![0];
    body.extend((message.len() as u32).to_be_bytes());
    body.extend(message);
    body.into()
}

fn floats(values: Vec<f32>, width: i64) -> TensorProto {
    let rows = values.len() as i64 / width;
    let dim = [rows, width].map(|size| Dim {
        size,
        name: String::new(),
    });
    TensorProto {
        dtype: 1,
        tensor_shape: Some(TensorShapeProto {
            dim: dim.into(),
            unknown_rank: false,
        }),
        float_val: values,
        ..TensorProto::default()
    }
}

fn spec(version: Option<i64>) -> Option<ModelSpec> {
    Some(ModelSpec {
        name: "m".to_owned(),
        version_choice: version.map(model_spec::VersionChoice::Version),
        ..ModelSpec::default()
    })
}

/// Call `n` of connection `c`: three rows of four numbers.
pub(super) fn request(c: u64, n: u64) -> Bytes {
    let at = |i: u64| ((c * 7919 + n * 31 + i) as f32 * 12.9898).sin() * 4375.85;
    framed(&PredictRequest {
        model_spec: spec(None),
        inputs: [("x".to_owned(), floats((0..12).map(at).collect(), 4))].into(),
        output_filter: vec![],
    })
}

fn reply(request: &[u8]) -> Bytes {
    let request = PredictRequest::decode(&request[5..]).expect("a request");
    let x = &request.inputs["x"].float_val;
    let flat = request.inputs.contains_key("flat");
    let row = |x: &[f32]| match flat {
        true => [0.5, 0.5],
        false => [x[0] * 0.1 + x[1], x[2] - x[3]],
    };
    let y: Vec<f32> = x.chunks(4).flat_map(row).collect();
    framed(&PredictResponse {
        model_spec: spec(Some(2)),
        outputs: [("y".to_owned(), floats(y, 2))].into(),
    })
}

/// What is asked for: a reply, or the server's word of a newer version that did not load and of an
/// input that no call sends.
pub(super) fn answered(path: &str, request: &[u8]) -> Bytes {
    if path.ends_with("/Predict") {
        return reply(request);
    }
    if path.ends_with("/GetModelStatus") {
        let status = |version, state, error_code| ModelVersionStatus {
            version,
            state,
            status: Some(StatusProto {
                error_code,
                error_message: String::new(),
            }),
        };
        return framed(&GetModelStatusResponse {
            model_version_status: vec![status(3, 50, 13), status(2, 30, 0)],
        });
    }
    let inputs = ["threshold", "x"].map(|name| (name.to_owned(), TensorInfo::default()));
    let signature = SignatureDef {
        inputs: inputs.into(),
        ..SignatureDef::default()
    };
    let map = SignatureDefMap {
        signature_def: [("serving_default".to_owned(), signature)].into(),
    };
    let any = prost_types::Any {
        type_url: "type.googleapis.com/tensorflow.serving.SignatureDefMap".to_owned(),
        value: map.encode_to_vec(),
    };
    framed(&GetModelMetadataResponse {
        model_spec: spec(Some(2)),
        metadata: [("signature_def".to_owned(), any)].into(),
    })
}

/// A proxy in front of `port` that keeps what passes.
pub(super) async fn capturing(port: u16, dir: &Path) -> Running {
    let mut config = config(port);
    config.capture = Some(Capture {
        dir: dir.to_owned(),
        max_bytes: 1 << 30,
        max_age: Duration::from_secs(3600),
    });
    app::start(config).await.expect("the proxy starts")
}

#[tokio::test]
async fn concurrent_replies_reach_the_same_verdicts_from_a_capture() {
    let server = Server::start(|request, mut respond| async move {
        let path = request.uri().path().to_owned();
        let mut body = request.into_body();
        let got = drain(&mut body).await;
        // Some replies overtake others of their connection.
        for _ in 0..got.len() % 7 {
            tokio::task::yield_now().await;
        }
        let mut stream = respond
            .send_response(http::Response::new(()), false)
            .expect("headers");
        let _ = stream.send_data(answered(&path, &got), false);
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let _ = stream.send_trailers(trailers);
    })
    .await;
    let dir = tempfile::tempdir().expect("a folder");
    let running = capturing(server.port, dir.path()).await;
    let mut clients = Vec::new();
    for c in 0..CONNECTIONS {
        let client = connect(&running).await;
        clients.push(tokio::spawn(async move {
            for n in (0..CALLS).step_by(2) {
                let two = [n, n + 1].map(|n| {
                    let mut body = request(c, n);
                    if n >= HEALTHY {
                        let mut flat = PredictRequest::decode(&body[5..]).expect("a request");
                        let mark = floats(vec![n as f32], 1);
                        flat.inputs.insert("flat".to_owned(), mark);
                        body = framed(&flat);
                    }
                    call(&client, PREDICT, body)
                });
                let [a, b] = two;
                tokio::join!(a, b);
            }
        }));
    }
    for client in clients {
        client.await.expect("all calls answered");
    }
    let heard = async {
        loop {
            // The server's word comes beside the calls, when its version first answered.
            let live = running.report().await.expect("a report");
            if live.findings.len() == 2 {
                return live;
            }
            tokio::task::yield_now().await;
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(60), heard).await;
    let live = heard.expect("two findings");
    assert_eq!(live.observed.calls, CONNECTIONS * CALLS);
    let mut offline = Analyzer::new(
        Options {
            max_transitions: usize::MAX,
            ..Options::default()
        },
        [9; 32],
    );
    let mut files: Vec<_> = std::fs::read_dir(dir.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let mut number = 0;
    for path in files {
        let mut truths = Truths::default();
        for record in Records::new(File::open(path).expect("a file")) {
            let record = record.expect("an undamaged record");
            match recorded(&record, number, &mut truths).expect("a record that is known") {
                Recorded::Exchange(exchange) => drop(offline.observe(&exchange)),
                Recorded::Learned(model, truth) => {
                    offline.learn(&model, *truth);
                }
            }
            number += 1;
        }
    }
    let offline = offline.report(0);
    assert!(!live.transitions.is_empty(), "a flat model fires");
    assert_eq!(offline.transitions, live.transitions);
    assert_eq!(offline.observed, live.observed);
    let told = |report: &flatline::report::Report| {
        let series = report.series.iter();
        let told = series.map(|s| {
            (
                s.state,
                s.kind,
                s.confidence.to_bits(),
                s.evidence.clone(),
                s.incident.clone(),
                s.baseline.clone(),
                s.causes.clone(),
                s.ruled_out.clone(),
            )
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(&offline), told(&live));
    let rules: Vec<_> = live.findings.iter().map(|f| f.rule.as_str()).collect();
    assert_eq!(rules, ["D3", "D13"]);
    assert_eq!(offline.findings, live.findings);
    let series = &live.series[0];
    let judged = (series.causes.iter().map(|cause| &cause.rule))
        .chain(series.ruled_out.iter().map(|ruled| &ruled.rule));
    assert!(judged.clone().any(|rule| rule == "D13"), "{series:?}");
}
