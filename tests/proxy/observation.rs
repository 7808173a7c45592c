//! What the observing side makes of odd calls, and that no call notices.

use super::parts::*;
use bytes::Bytes;
use flatline::app;
use flatline::proto::tensorflow::serving::{
    ModelSpec, PredictRequest, PredictResponse, model_spec,
};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{TensorProto, TensorShapeProto};
use http::HeaderValue;
use prost::Message;
use std::collections::BTreeMap;

pub(super) fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut body = vec![flag];
    body.extend((message.len() as u32).to_be_bytes());
    body.extend(message);
    body.into()
}

pub(super) fn spec(version: Option<i64>) -> Option<ModelSpec> {
    let version_choice = version.map(model_spec::VersionChoice::Version);
    Some(ModelSpec {
        name: "m".to_owned(),
        version_choice,
        ..ModelSpec::default()
    })
}

pub(super) fn floats(dims: &[i64]) -> TensorProto {
    let dim = dims
        .iter()
        .map(|&size| Dim {
            size,
            name: String::new(),
        })
        .collect();
    TensorProto {
        dtype: 1,
        tensor_shape: Some(TensorShapeProto {
            dim,
            unknown_rank: false,
        }),
        float_val: vec![0.5],
        ..TensorProto::default()
    }
}

pub(super) fn request(tensor: TensorProto) -> Vec<u8> {
    PredictRequest {
        model_spec: spec(None),
        inputs: [("x".to_owned(), tensor)].into(),
        output_filter: vec![],
    }
    .encode_to_vec()
}

pub(super) fn response() -> Bytes {
    let message = PredictResponse {
        model_spec: spec(Some(3)),
        outputs: [("y".to_owned(), floats(&[1, 1]))].into(),
    };
    framed(0, &message.encode_to_vec())
}

/// Sends each body through the tap; the upstream answers a good reply to anything, and echoes
/// what it got in a header. Returns what was skipped.
async fn skipped(bodies: &[Bytes], mut config: flatline::config::Config) -> BTreeMap<String, u64> {
    let server = Server::start(|request, mut respond| async move {
        let mut body = request.into_body();
        let got = blake(&drain(&mut body).await);
        let mut head = http::Response::new(());
        head.headers_mut()
            .insert("got", HeaderValue::from_str(&got).expect("hex"));
        let mut stream = respond.send_response(head, false).expect("headers");
        let _ = stream.send_data(response(), false);
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let _ = stream.send_trailers(trailers);
    })
    .await;
    config.upstream = format!("127.0.0.1:{}", server.port)
        .parse()
        .expect("an address");
    let running = app::start(config).await.expect("the proxy starts");
    let client = connect(&running).await;
    for body in bodies {
        let (head, reply, trailers) = call(&client, PREDICT, body.clone()).await;
        assert_eq!(
            head.headers()["got"],
            blake(body).as_str(),
            "forwarded untouched"
        );
        assert_eq!(
            (reply, &trailers["grpc-status"]),
            (response().to_vec(), &HeaderValue::from_static("0"))
        );
    }
    let report = running.report().await.expect("a report");
    assert_eq!(
        report.observed.calls + report.observed.skipped.values().sum::<u64>(),
        bodies.len() as u64
    );
    report.observed.skipped
}

fn blake(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[tokio::test]
async fn bad_calls_are_forwarded_untouched_and_counted_with_their_reason() {
    let good = request(floats(&[1, 1]));
    let mut twice = good.clone();
    twice.extend(
        PredictRequest {
            model_spec: None,
            inputs: [("x".to_owned(), floats(&[1]))].into(),
            output_filter: vec![],
        }
        .encode_to_vec(),
    );
    let cases = [
        (framed(0, b"\xff\xff\xff"), "protobuf"),
        (framed(0, &good).slice(..20), "framing"),
        (Bytes::from_static(b"\0\xff\xff\xff\xff"), "framing"),
        (Bytes::new(), "framing"),
        (framed(7, &good), "framing"),
        (framed(1, &good), "compression"),
        (framed(0, &request(floats(&[-1, 1]))), "tensor"),
        (framed(0, &request(floats(&[1 << 40, 1 << 40]))), "tensor"),
        (framed(0, &twice), "duplicate_key"),
        (
            framed(
                0,
                &request(TensorProto {
                    dtype: 20,
                    ..floats(&[1])
                }),
            ),
            "data_type",
        ),
        (framed(0, &request(floats(&[0, 4]))), "empty"),
        (
            framed(0, &PredictRequest::default().encode_to_vec()),
            "no_model",
        ),
        (framed(0, &good), "observed"),
    ];
    let bodies: Vec<_> = cases.iter().map(|(body, _)| body.clone()).collect();
    let mut expected = BTreeMap::new();
    for (_, reason) in cases.iter().filter(|(_, reason)| *reason != "observed") {
        *expected.entry((*reason).to_owned()).or_insert(0) += 1;
    }
    assert_eq!(skipped(&bodies, config(0)).await, expected);
}

#[tokio::test]
async fn a_declared_terabyte_costs_nothing() {
    let bodies = [framed(0, &request(floats(&[1, 1 << 20, 1 << 20])))];
    assert!(
        skipped(&bodies, config(0)).await.is_empty(),
        "one value, repeated, is a legal tensor"
    );
}

#[tokio::test]
async fn calls_over_the_bound_are_forwarded_and_counted() {
    let mut small = config(0);
    small.tap_bytes_per_call = 100;
    let mut large = floats(&[1, 100]);
    large.float_val = vec![0.25; 100];
    let found = skipped(
        &[
            framed(0, &request(large)),
            framed(0, &request(floats(&[1, 1]))),
        ],
        small,
    )
    .await;
    assert_eq!(found, [("too_large".to_owned(), 1)].into());
}

#[tokio::test]
async fn a_panic_in_the_analyzer_is_counted_and_no_call_notices() {
    let mut config = config(0);
    config.analyzer.panic_on_model = Some("m".to_owned());
    // Not one request again and again, which would be taken for warm-up.
    let bodies = [1, 2, 3].map(|width| framed(0, &request(floats(&[1, width]))));
    assert_eq!(
        skipped(&bodies, config).await,
        [("panic".to_owned(), 3)].into()
    );
}
