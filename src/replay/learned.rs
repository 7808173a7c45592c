//! What was learned of a model from outside the traffic, as a record of a capture.

use crate::diagnose::facts::ModelTruth;
use crate::proto::flatline::v1::{Exchange, Learned};
use std::collections::BTreeMap;

/// What the records of one file hold so far: a truth that only grew older is not written out again.
#[derive(Debug, Default)]
pub struct Truths(BTreeMap<String, ModelTruth>);

impl Truths {
    /// The record for what is known of a model now.
    #[must_use]
    pub fn record(&self, model: &str, truth: &ModelTruth) -> Exchange {
        let mut older = self.0.get(model).cloned();
        if let Some(older) = &mut older {
            older.status_nanos = truth.status_nanos;
        }
        let same = older.as_ref() == Some(truth);
        let learned = Learned {
            model: model.to_owned(),
            status_unix_nanos: truth.status_nanos,
            // A map with keys of text and numbers is always JSON.
            truth: match same {
                true => String::new(),
                false => serde_json::to_string(truth).unwrap_or_default(),
            },
        };
        Exchange {
            learned: Some(learned),
            ..Exchange::default()
        }
    }

    /// Remembers what was written.
    pub fn wrote(&mut self, model: &str, truth: &ModelTruth) {
        self.0.insert(model.to_owned(), truth.clone());
    }

    /// What a record says, if it is one of these: the model and all that is known of it. `None`
    /// as well where the record that it stands on was not read.
    pub fn read(&mut self, record: &Exchange) -> Option<(String, ModelTruth)> {
        let learned = record.learned.as_ref()?;
        let mut truth: ModelTruth = match learned.truth.as_str() {
            "" => self.0.get(&learned.model)?.clone(),
            json => serde_json::from_str(json).ok()?,
        };
        truth.status_nanos = learned.status_unix_nanos;
        self.0.insert(learned.model.clone(), truth.clone());
        Some((learned.model.clone(), truth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::facts::{ConfigEntry, Disk, Signature, TensorSpec, VersionStatus};
    use prost::Message;

    fn truth() -> ModelTruth {
        let spec = TensorSpec {
            dtype: "DT_FLOAT".to_owned(),
            dims: Some(vec![-1, 64]),
        };
        let signature = Signature {
            inputs: [("x".to_owned(), spec.clone())].into(),
            outputs: [("y".to_owned(), TensorSpec { dims: None, ..spec })].into(),
        };
        ModelTruth {
            status: Some(vec![VersionStatus {
                version: i64::MAX,
                state: "END".to_owned(),
                code: 5,
                message: "\"no\" \u{0}\n file".to_owned(),
            }]),
            status_nanos: 1_700_000_000_000_000_001,
            loaded: vec![(3, i64::MIN)],
            signatures: [(3, [("serving_default".to_owned(), signature)].into())].into(),
            disk: Some(Disk {
                base: "/models/m".to_owned(),
                versions: vec![-1, 3],
                incomplete: [(3, "variables.index is missing".to_owned())].into(),
                variables: [(3, u64::MAX)].into(),
                ..Disk::default()
            }),
            config: Some(ConfigEntry {
                labels: [("stable".to_owned(), 3)].into(),
                ..ConfigEntry::default()
            }),
        }
    }

    #[test]
    fn all_of_it_comes_back_and_is_written_once() {
        let (mut writing, mut reading) = (Truths::default(), Truths::default());
        let later = ModelTruth {
            status_nanos: truth().status_nanos + 30,
            ..truth()
        };
        let unknown = ModelTruth {
            status: None,
            ..later.clone()
        };
        let mut sizes = Vec::new();
        for known in [truth(), later, unknown, ModelTruth::default()] {
            let bytes = writing.record("m", &known).encode_to_vec();
            writing.wrote("m", &known);
            sizes.push(bytes.len());
            let record = Exchange::decode(bytes.as_slice()).unwrap();
            assert_eq!(reading.read(&record), Some(("m".to_owned(), known)));
        }
        assert!(sizes[0] > 300 && sizes[1] < 40, "{sizes:?}");
    }

    #[test]
    fn what_stands_on_a_record_that_is_gone_is_unknown() {
        let mut writing = Truths::default();
        writing.wrote("m", &truth());
        let record = writing.record("m", &truth());
        assert_eq!(Truths::default().read(&record), None);
        assert_eq!(Truths::default().read(&Exchange::default()), None);
    }
}
