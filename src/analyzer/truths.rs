//! What is known of the models from outside the traffic, and what it says of one series.

use super::facts::{self, Beside};
use super::history::History;
use super::series::{Series, SeriesKey};
use super::{Analyzer, expect};
use crate::diagnose::facts::{Facts, ModelTruth, Signature, Truth};

/// Models whose truth is kept.
const MODELS: usize = 256;
/// Another model that became available this near to an onset may have to do with it: a minute,
/// and half of one for the time between two polls.
const NEAR_NANOS: i64 = 90_000_000_000;

impl Analyzer {
    /// Takes what is known of a model now, in place of what was known before, and says whether it
    /// is news, beside the time at which it was asked.
    pub fn learn(&mut self, model: &str, truth: ModelTruth) -> bool {
        let Some(known) = self.truths.get_mut(model) else {
            let room = self.truths.len() < MODELS;
            if room {
                self.truths.insert(model.to_owned(), truth);
            }
            return room;
        };
        let asked = std::mem::replace(&mut known.status_nanos, truth.status_nanos);
        for (key, series) in self.series.iter_mut().filter(|(key, _)| key.model == model) {
            if series.last_nanos > asked {
                series.newest.forget();
            }
            // Another model under the same number: what was asked and said before is not held against it.
            let before = known.signatures.get(&key.version);
            let now = truth.signatures.get(&key.version);
            let gone = known.status.as_ref().is_none_or(|status| {
                let mut all = status.iter();
                !all.any(|v| v.version == key.version && v.is_available())
            });
            let again = before.is_none() && now.is_some() && gone;
            if again || before.zip(now).is_some_and(|(before, now)| before != now) {
                series.history = History::default();
                series.newest.forget();
            }
        }
        let news = *known != truth;
        *known = truth;
        news
    }

    /// What is known of a model.
    #[must_use]
    pub fn truth(&self, model: &str) -> Option<&ModelTruth> {
        self.truths.get(model)
    }

    /// Everything the rules look at.
    pub(super) fn facts(&self, key: &SeriesKey, series: &Series) -> Facts {
        let beside = Beside {
            previous: self.previous(key),
            older: self.older_version(key).map(|(_, older)| older),
            truth: self.truth_for(key, series),
            signature: self.signature(key).cloned(),
        };
        let mut facts = facts::of(key, series, beside);
        facts.signature_changed = self.signature_changed(key);
        facts.reach.clone_from(&self.reach);
        facts.non_finite_is_meant = expect::is_non_finite(&self.options.expect, key);
        let ignored = &self.options.ignore_inputs;
        facts.ignores = ignored.iter().any(|name| facts.inputs.contains_key(name));
        facts
    }

    /// What the metadata says of the signature of a series.
    pub(super) fn signature(&self, key: &SeriesKey) -> Option<&Signature> {
        let truth = self.truths.get(&key.model)?;
        truth.signatures.get(&key.version)?.get(&key.signature)
    }

    fn signature_changed(&self, key: &SeriesKey) -> Option<String> {
        let (older, _) = self.older_version(key)?;
        self.signature(key)?.change(self.signature(older)?)
    }

    fn truth_for(&self, key: &SeriesKey, series: &Series) -> Truth {
        let Some(known) = self.truths.get(&key.model) else {
            return Truth::default();
        };
        let onset = series.verdict.onset_row.and_then(|row| series.time_of(row));
        let near = |loaded: &[(i64, i64)]| {
            let near = |at: i64| {
                onset.is_some_and(|onset| at.saturating_sub(onset).saturating_abs() < NEAR_NANOS)
            };
            loaded.iter().any(|(_, at)| near(*at))
        };
        let mut others = self.truths.iter().filter(|(model, _)| **model != key.model);
        Truth {
            status: known.status.clone(),
            disk: known.disk.clone(),
            config: known.config.clone(),
            other_load_at_onset: others
                .find(|(_, other)| near(&other.loaded))
                .map(|(model, _)| model.clone()),
            ..Truth::default()
        }
    }
}
