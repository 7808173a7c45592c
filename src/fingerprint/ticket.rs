//! A number that hangs on a request's inputs alone, for a fraction of what a fingerprint costs.

use super::Key;
use crate::codec::predict;

/// The same for equal inputs, whatever order they were written in; spread evenly else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

impl Ticket {
    /// Whether it is among the `share` of all tickets that are read first.
    #[must_use]
    pub fn is_within(self, share: f64) -> bool {
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64 <= share
    }
}

/// The ticket of a request's inputs without those in `ignore`; `None` if it cannot be read.
///
/// A checksum goes over the bytes, and only the checksums are hashed with the key: inputs that
/// share a checksum share their fate, which is all that the ticket decides.
#[must_use]
pub fn draw(request: &[u8], ignore: &[String], key: &Key) -> Option<Ticket> {
    let view = predict::request(request).ok()?;
    let mut sums = Vec::new();
    for (name, tensor) in &view.tensors {
        if !ignore.iter().any(|ignored| ignored == name) {
            let sum = crc32c::crc32c_append(crc32c::crc32c(name.as_bytes()), tensor.message());
            sums.extend_from_slice(&sum.to_le_bytes());
        }
    }
    Some(Ticket(key.hash(&sums)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::tensorflow::serving::{ModelSpec, PredictRequest};
    use crate::proto::tensorflow::{DataType, TensorProto};
    use prost::Message;

    fn request(model: &str, x: f32, id: f32) -> Vec<u8> {
        let tensor = |value| TensorProto {
            dtype: DataType::DtFloat as i32,
            float_val: vec![value],
            ..TensorProto::default()
        };
        PredictRequest {
            model_spec: Some(ModelSpec {
                name: model.to_owned(),
                ..ModelSpec::default()
            }),
            inputs: [("x".to_owned(), tensor(x)), ("id".to_owned(), tensor(id))].into(),
            output_filter: vec![],
        }
        .encode_to_vec()
    }

    #[test]
    fn equal_inputs_draw_the_same_and_others_are_spread_evenly() {
        let key = Key::new([3; 32]);
        let ignore = ["id".to_owned()];
        let ticket = |x, id| draw(&request("m", x, id), &ignore, &key).unwrap();
        assert_eq!(ticket(1.0, 1.0), ticket(1.0, 2.0), "an ignored input");
        let within = (0..4096)
            .filter(|i| ticket(*i as f32, 0.0).is_within(0.25))
            .count();
        assert!((900..1150).contains(&within), "{within}");
        assert!((0..4096).all(|i| ticket(i as f32, 0.0).is_within(1.0)));
        assert_eq!(draw(b"\xff", &[], &key), None);
    }

    #[test]
    fn the_order_of_inputs_on_the_wire_does_not_matter() {
        let key = Key::new([3; 32]);
        let entry = |name: &str, value: f32| {
            let only = PredictRequest {
                inputs: [(
                    name.to_owned(),
                    TensorProto {
                        dtype: DataType::DtFloat as i32,
                        float_val: vec![value],
                        ..TensorProto::default()
                    },
                )]
                .into(),
                ..PredictRequest::default()
            };
            only.encode_to_vec()
        };
        let spec = PredictRequest {
            model_spec: Some(ModelSpec {
                name: "m".to_owned(),
                ..ModelSpec::default()
            }),
            ..PredictRequest::default()
        }
        .encode_to_vec();
        let (a, b) = (entry("a", 1.0), entry("b", 2.0));
        let one = [&spec[..], &a, &b].concat();
        let other = [&spec[..], &b, &a].concat();
        assert_eq!(draw(&one, &[], &key), draw(&other, &[], &key));
        assert!(draw(&one, &[], &key).is_some());
    }
}
