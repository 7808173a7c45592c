//! From the bytes of a call to the verdict.

use super::{halves, knob, pieces};
use bytes::Bytes;
use flatline::analyzer::{Analyzer, Options, SeriesKey};
use flatline::codec::tensor::{Effective, Elements};
use flatline::codec::{frame, predict as view, tensor as tensors};
use flatline::detect::Saved;
use flatline::fingerprint::{Key, call};
use flatline::proto::flatline::v1::Exchange;
use flatline::proto::tensorflow::serving::model_spec::VersionChoice;
use flatline::proto::tensorflow::serving::{ModelSpec, PredictRequest, PredictResponse};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{TensorProto, TensorShapeProto};
use flatline::replay;
use flatline::tap::PREDICT;
use prost::Message;

const LIMIT: usize = 1 << 16;
/// Work for one input: declared shapes may make a call of few bytes a large one.
const CALLS: usize = 64;

fn chunks(data: &[u8], seed: u8) -> Vec<Bytes> {
    pieces(data, seed)
        .into_iter()
        .map(Bytes::copy_from_slice)
        .collect()
}

/// Deframing does not depend on where a body was cut, and keeps its bound.
pub(super) fn frame(data: &[u8]) {
    let (seed, body) = knob(data);
    let limit = [LIMIT, 16][usize::from(seed & 1)];
    let whole = frame::message(&[Bytes::copy_from_slice(body)], None, limit);
    assert_eq!(frame::message(&chunks(body, seed), None, limit), whole);
    if let Ok(payload) = whole {
        assert_eq!(
            payload,
            body[5..],
            "the payload is what stands behind the prefix"
        );
        assert!(payload.len() <= limit);
    }
}

/// Inflating keeps its bound, and does not depend on where a body was cut. The prefix is made
/// here, so that every input gets as far as the decompressor.
pub(super) fn inflate(data: &[u8]) {
    let (seed, packed) = knob(data);
    let encoding = Some(["gzip", "deflate"][usize::from(seed & 1)]);
    let mut body = vec![1];
    body.extend((packed.len() as u32).to_be_bytes());
    body.extend(packed);
    let whole = frame::message(&[Bytes::copy_from_slice(&body)], encoding, LIMIT);
    assert_eq!(frame::message(&chunks(&body, seed), encoding, LIMIT), whole);
    assert!(whole.map_or(0, |payload| payload.len()) <= LIMIT);
    let less = frame::message(&[Bytes::from(body)], encoding, 16);
    assert!(less.map_or(0, |payload| payload.len()) <= 16);
}

/// Views of requests and replies: names in order, and every tensor within its bounds.
pub(super) fn predict(data: &[u8]) {
    for view in [view::request(data), view::response(data)]
        .into_iter()
        .flatten()
    {
        assert!(view.tensors.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (_, tensor) in &view.tensors {
            if let Ok(effective) = tensor.effective() {
                check(&effective);
            }
        }
    }
}

/// The effective decode: never more values than the shape declares, and rows that cover them.
pub(super) fn tensor(data: &[u8]) {
    if let Ok(effective) = tensors::decode(data) {
        check(&effective);
    }
}

fn check(tensor: &Effective<'_>) {
    let product = tensor
        .dims
        .iter()
        .try_fold(1_u64, |all, size| all.checked_mul(*size));
    assert_eq!(product, Some(tensor.count));
    assert!(tensor.given() <= tensor.count);
    if let Elements::Fixed(bytes) = &tensor.elements {
        assert_eq!(
            bytes.len() as u64,
            tensor.given() * tensor.dtype.size as u64
        );
    }
    let rows = tensor.rows();
    if rows > 0 && tensor.count > 0 {
        for row in [0, rows / 2, rows - 1] {
            let _ = tensor.row(row, rows);
        }
    }
}

/// A call's fingerprints: the same each time, and no panic.
pub(super) fn exchange(data: &[u8]) {
    let (request, response) = halves(data);
    let key = Key::new([7; 32]);
    let read = || {
        format!(
            "{:?}",
            call::read(request, response, &["id".to_owned()], &key)
        )
    };
    assert_eq!(read(), read());
}

fn observe(analyzer: &mut Analyzer, records: impl Iterator<Item = Vec<u8>>) {
    for (number, record) in records.take(CALLS).enumerate() {
        if let Some(exchange) = replay::exchange(&record, number as u64) {
            let _ = analyzer.observe(&exchange);
        }
    }
    let report = analyzer.report(1_700_000_000_000_000_000);
    serde_json::to_string(&report).expect("a report is JSON");
}

/// `flatline analyze` over any records: a length in two bytes before each, so that no checksum
/// stands in the way.
pub(super) fn analyze(data: &[u8]) {
    let mut rest = data;
    let records = std::iter::from_fn(|| {
        let (record, behind) = (!rest.is_empty()).then(|| halves(rest))?;
        rest = behind;
        Some(record.to_vec())
    });
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    observe(&mut analyzer, records);
}

/// A file of `--state-dir`: as it is, and with its checksum put right; what can be read of it is
/// used by the series that it is of.
pub(super) fn state(data: &[u8]) {
    let _ = Saved::from_bytes(data);
    let mut file = b"FLATBASE\x01\0".to_vec();
    file.extend(blake3::hash(data).as_bytes());
    file.extend(data);
    let Ok((name, saved)) = Saved::from_bytes(&file) else {
        return;
    };
    let again = saved.to_bytes(&name).expect("what was read can be written");
    assert!(Saved::from_bytes(&again).is_ok(), "and read again");
    let key = SeriesKey {
        model: "m".to_owned(),
        version: 1,
        signature: "serving_default".to_owned(),
        output: "o".to_owned(),
    };
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    analyzer.restore(key, saved);
    observe(&mut analyzer, (0..8).map(record));
}

/// Two inputs and three scores, other ones for each `n`.
fn record(n: u8) -> Vec<u8> {
    let tensor = |columns: i64| TensorProto {
        dtype: 1,
        tensor_shape: Some(TensorShapeProto {
            dim: [2, columns]
                .map(|size| Dim {
                    size,
                    ..Dim::default()
                })
                .into(),
            ..TensorShapeProto::default()
        }),
        float_val: (0..2 * columns)
            .map(|at| f32::from(n) + at as f32 / 7.0)
            .collect(),
        ..TensorProto::default()
    };
    let spec = Some(ModelSpec {
        name: "m".to_owned(),
        version_choice: Some(VersionChoice::Version(1)),
        ..ModelSpec::default()
    });
    let request = PredictRequest {
        model_spec: spec.clone(),
        inputs: [("x".to_owned(), tensor(2))].into(),
        ..PredictRequest::default()
    };
    let response = PredictResponse {
        model_spec: spec,
        outputs: [("o".to_owned(), tensor(3))].into(),
    };
    let exchange = Exchange {
        start_unix_nanos: 1_700_000_000_000_000_000 + i64::from(n) * 1_000_000,
        method: PREDICT.to_owned(),
        request: request.encode_to_vec().into(),
        response: response.encode_to_vec().into(),
        ..Exchange::default()
    };
    exchange.encode_to_vec()
}
