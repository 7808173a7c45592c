//! What a record holds: an exchange of our own, what was learned between exchanges, or TensorFlow
//! Serving's `PredictionLog`.

use super::Truths;
use crate::codec::wire::Fields;
use crate::diagnose::facts::ModelTruth;
use crate::proto::flatline::v1::Exchange;
use bytes::Bytes;
use prost::Message;

/// Time between two calls of a `PredictionLog`, which has no times: 10 ms.
const STEP_NANOS: i64 = 10_000_000;

const PREDICT: &str = "/tensorflow.serving.PredictionService/Predict";

/// A record that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// A Predict call.
    Exchange(Box<Exchange>),
    /// What was known of a model from then on.
    Learned(String, Box<ModelTruth>),
}

/// Reads record `number` of a file, of which `truths` holds what was learned so far. `None` where
/// it is no kind that is known, or another method's.
#[must_use]
pub fn recorded(record: &[u8], number: u64, truths: &mut Truths) -> Option<Recorded> {
    if let Ok(found) = Exchange::decode(record)
        && found.method.is_empty()
        && let Some((model, truth)) = truths.read(&found)
    {
        return Some(Recorded::Learned(model, Box::new(truth)));
    }
    exchange(record, number).map(|found| Recorded::Exchange(Box::new(found)))
}

/// Reads record `number` of its file. `None` where it is neither kind, or another method's.
#[must_use]
pub fn exchange(record: &[u8], number: u64) -> Option<Exchange> {
    if let Ok(exchange) = Exchange::decode(record)
        && exchange.method == PREDICT
    {
        return Some(exchange);
    }
    prediction_log(record, number)
}

/// `PredictionLog.predict_log` is field 6, its request 1 and its response 2. The bodies are taken
/// as they stand: decoding and encoding them again would lose what a fingerprint looks at.
fn prediction_log(record: &[u8], number: u64) -> Option<Exchange> {
    let log = last_bytes(record, 6)?;
    Some(Exchange {
        start_unix_nanos: i64::try_from(number).ok()?.checked_mul(STEP_NANOS)?,
        method: PREDICT.to_owned(),
        request: Bytes::copy_from_slice(last_bytes(log, 1)?),
        response: Bytes::copy_from_slice(last_bytes(log, 2)?),
        ..Exchange::default()
    })
}

fn last_bytes(message: &[u8], wanted: u32) -> Option<&[u8]> {
    let mut found = None;
    for field in Fields::new(message) {
        let (number, value) = field.ok()?;
        if number == wanted {
            found = value.bytes();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::tensorflow::serving::{
        PredictLog, PredictRequest, PredictResponse, PredictionLog, prediction_log,
    };

    #[test]
    fn what_was_learned_is_no_call_to_a_reader_of_calls() {
        let truth = ModelTruth {
            status: Some(Vec::new()),
            ..ModelTruth::default()
        };
        let record = Truths::default().record("m", &truth).encode_to_vec();
        assert_eq!(exchange(&record, 0), None);
        let found = recorded(&record, 0, &mut Truths::default());
        let learned = Recorded::Learned("m".to_owned(), Box::new(truth));
        assert_eq!(found, Some(learned));
    }

    #[test]
    fn tells_both_kinds_apart() {
        let ours = Exchange {
            method: PREDICT.to_owned(),
            connection: 7,
            ..Exchange::default()
        };
        assert_eq!(exchange(&ours.encode_to_vec(), 0), Some(ours));
        let request = PredictRequest {
            output_filter: vec!["a".to_owned()],
            ..PredictRequest::default()
        };
        let log = PredictLog {
            request: Some(request.clone()),
            response: Some(PredictResponse::default()),
        };
        let log = PredictionLog {
            log_type: Some(prediction_log::LogType::PredictLog(log)),
        };
        let found = exchange(&log.encode_to_vec(), 3).unwrap();
        assert_eq!(found.request, request.encode_to_vec());
        assert_eq!(found.start_unix_nanos, 3 * STEP_NANOS);
        assert_eq!(exchange(b"neither", 0), None);
    }
}
