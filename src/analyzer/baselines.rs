//! Baselines between processes and versions: restored, saved, reset; and what a report says of an
//! incident.

use super::series::{Series, SeriesKey};
use super::{Analyzer, rfc3339};
use crate::detect::{Detector, Saved};
use crate::report::Incident;

/// Which series are meant; what is `None` is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Of this model.
    pub model: Option<String>,
    /// Of this version.
    pub version: Option<i64>,
    /// Of this signature.
    pub signature: Option<String>,
    /// Of this output.
    pub output: Option<String>,
}

impl Chosen {
    fn holds(&self, key: &SeriesKey) -> bool {
        self.model.as_ref().is_none_or(|model| *model == key.model)
            && self.version.is_none_or(|version| version == key.version)
            && self.signature.as_ref().is_none_or(|s| *s == key.signature)
            && self.output.as_ref().is_none_or(|o| *o == key.output)
    }
}

impl Analyzer {
    /// Keeps what an earlier process learned until its series comes. More than `max_series` are
    /// not kept.
    pub fn restore(&mut self, key: SeriesKey, saved: Saved) {
        if self.saved.len() < self.options.max_series {
            self.saved.insert(key, saved);
        }
    }

    /// What a later process needs of one series; `None` before its baseline stands.
    #[must_use]
    pub fn save(&self, key: &SeriesKey) -> Option<Saved> {
        self.series.get(key)?.save()
    }

    /// The series there are.
    pub fn keys(&self) -> impl Iterator<Item = &SeriesKey> {
        self.series.keys()
    }

    /// Forgets all that was learned of the chosen series, and returns which they were: they begin
    /// anew, without what the version before says.
    pub fn reset(&mut self, chosen: &Chosen) -> Vec<SeriesKey> {
        let all = self.series.keys().chain(self.saved.keys());
        let mut found: Vec<SeriesKey> = all.filter(|key| chosen.holds(key)).cloned().collect();
        found.sort();
        found.dedup();
        self.probes.forget(&found);
        for key in &found {
            self.remove(key);
            self.saved.remove(key);
        }
        found
    }

    /// A detector for a series that comes for the first time: as an earlier process left it, or
    /// new, with what the version before says.
    pub(super) fn detector(&mut self, key: &SeriesKey) -> Detector {
        let settings = self.options.detect;
        let capacity = super::expect::of(&self.options.expect, key);
        if let Some(saved) = self.saved.remove(key) {
            return Detector::restore(settings, saved);
        }
        let older = self.older_version(key).map(|(_, series)| series.prior());
        let prior = older.unwrap_or_else(|| {
            let same = |other: &&SeriesKey| key.follows(other);
            let older = self.saved.keys().filter(same).max_by_key(|k| k.version)?;
            self.saved[older].prior()
        });
        Detector::new(settings, prior).expecting(capacity)
    }
}

impl SeriesKey {
    /// Whether this is a later version of the same output.
    pub(super) fn follows(&self, other: &SeriesKey) -> bool {
        other.model == self.model
            && other.signature == self.signature
            && other.output == self.output
            && other.version < self.version
    }
}

/// What a report says of the trouble of a series.
pub(super) fn incident(series: &Series) -> Incident {
    let verdict = &series.verdict;
    let extent = &verdict.extent;
    Incident {
        onset_row: verdict.onset_row,
        onset: verdict
            .onset_row
            .and_then(|row| series.time_of(row))
            .map(rfc3339),
        share: extent.share,
        segment: extent.segment.clone(),
        batch_position: extent.batch_position.clone(),
        latency_affected_ms: extent.latency_ms.map(|(affected, _)| affected),
        latency_others_ms: extent.latency_ms.map(|(_, others)| others),
        confidence: words(verdict.confidence).to_owned(),
    }
}

fn words(confidence: f64) -> &'static str {
    match confidence {
        c if c >= 0.999 => "practically certain",
        c if c >= 0.9 => "very likely",
        c if c > 0.0 => "likely",
        _ => "gone",
    }
}
