//! What replies carry about the series that they belong to, with `--action annotate`.

use super::record::Half;
use crate::codec::frame::message;
use crate::codec::predict::{Asked, spec};
use http::{HeaderName, HeaderValue};
use metrics::Counter;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The metadata that a reply carries.
pub(super) const VERDICT: HeaderName = HeaderName::from_static("flatline-verdict");
/// Requests larger than this are not inflated for it.
const LONGEST: usize = 16 << 20;

/// One firing series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its version.
    pub version: i64,
    /// Whether that version gave the model's last reply: what a request for the newest gets.
    pub newest: bool,
    /// Its signature.
    pub signature: String,
    /// What is said.
    pub value: HeaderValue,
}

/// The series that fire, by model. While none does, a reply costs one load.
#[derive(Clone)]
pub struct Notes {
    some: Arc<AtomicBool>,
    by_model: Arc<RwLock<HashMap<String, Vec<Note>>>>,
    said: Counter,
}

impl Notes {
    /// Nothing to say yet; `said` counts replies that carry something.
    #[must_use]
    pub fn new(said: Counter) -> Self {
        Notes {
            some: Arc::default(),
            by_model: Arc::default(),
            said,
        }
    }

    /// Replaces all of them.
    pub fn publish(&self, notes: HashMap<String, Vec<Note>>) {
        self.some.store(!notes.is_empty(), Ordering::Relaxed);
        *self
            .by_model
            .write()
            .unwrap_or_else(PoisonError::into_inner) = notes;
    }

    /// What to say in the reply to this request, as far as the request shows which series answers.
    pub(super) fn of(&self, request: &Half) -> Vec<HeaderValue> {
        if !self.some.load(Ordering::Relaxed) || request.skip.is_some() {
            return Vec::new();
        }
        let found = self.find(request).unwrap_or_default();
        self.said.increment(u64::from(!found.is_empty()));
        found
    }

    fn find(&self, request: &Half) -> Option<Vec<HeaderValue>> {
        let request = message(&request.chunks, request.encoding.as_deref(), LONGEST).ok()?;
        let spec = spec(&request).ok()?;
        let notes = self.by_model.read().unwrap_or_else(PoisonError::into_inner);
        let notes = notes.get(spec.name)?.iter();
        let answers = notes.filter(|note| {
            note.signature == spec.signature
                && match spec.version {
                    Asked::Version(version) => note.version == version,
                    // Only the server knows what a label stands for.
                    Asked::Latest | Asked::Label(_) => note.newest,
                }
        });
        Some(answers.map(|note| note.value.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::*;
    use crate::proto::tensorflow::serving::model_spec::VersionChoice;
    use crate::proto::tensorflow::serving::{ModelSpec, PredictRequest};
    use bytes::{BufMut, Bytes, BytesMut};
    use prost::Message;

    fn half(version: Option<i64>) -> Half {
        let request = PredictRequest {
            model_spec: Some(ModelSpec {
                name: "m".to_owned(),
                version_choice: version.map(VersionChoice::Version),
                ..ModelSpec::default()
            }),
            ..PredictRequest::default()
        };
        let payload = request.encode_to_vec();
        let mut body = BytesMut::new();
        body.put_u8(0);
        body.put_u32(payload.len() as u32);
        body.extend_from_slice(&payload);
        let mut half = Half::new(None, 1 << 20, &Budget::new(1 << 20));
        half.push(&body.freeze());
        half
    }

    #[test]
    fn only_the_series_that_answers_is_named() {
        let notes = Notes::new(Counter::noop());
        assert!(notes.of(&half(None)).is_empty());
        let note = |version, newest| Note {
            version,
            newest,
            signature: "serving_default".to_owned(),
            value: HeaderValue::from(version),
        };
        notes.publish([("m".to_owned(), vec![note(1, false), note(2, true)])].into());
        assert_eq!(notes.of(&half(None)), [HeaderValue::from(2)]);
        assert_eq!(notes.of(&half(Some(1))), [HeaderValue::from(1)]);
        assert!(notes.of(&half(Some(3))).is_empty());
        let mut broken = Half::new(None, 100, &Budget::new(1 << 20));
        broken.push(&Bytes::from_static(b"\0\0\0\0\x01x"));
        assert!(notes.of(&broken).is_empty());
        notes.publish(HashMap::new());
        assert!(notes.of(&half(None)).is_empty());
    }
}
