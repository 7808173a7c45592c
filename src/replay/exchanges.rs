//! What a record holds: an exchange of our own, or TensorFlow Serving's `PredictionLog`.

use crate::codec::wire::Fields;
use crate::proto::flatline::v1::Exchange;
use bytes::Bytes;
use prost::Message;

/// Time between two calls of a `PredictionLog`, which has no times: 10 ms.
const STEP_NANOS: i64 = 10_000_000;

const PREDICT: &str = "/tensorflow.serving.PredictionService/Predict";

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
