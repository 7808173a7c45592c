//! What the tests say of a series.

use crate::alert::Level;
use crate::report::Kind;

/// The strongest that any test has to say now.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// How strong the evidence is.
    pub level: Level,
    /// What kind of trouble; `None` when quiet.
    pub kind: Option<Kind>,
    /// How sure, 0 to 1.
    pub confidence: f64,
    /// Row of the series, from 0, at which the trouble began, as far as can be told.
    pub onset_row: Option<u64>,
    /// Sentences with numbers.
    pub evidence: Vec<String>,
    /// How far the trouble reaches; empty where nothing more is known.
    pub extent: Extent,
}

/// How far the trouble reaches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extent {
    /// Share of the rows with new inputs that are affected, 0 to 1.
    pub share: Option<f64>,
    /// The inputs that explain which rows are affected, in words.
    pub segment: Option<String>,
    /// Where in a batch the affected rows stand, in words.
    pub batch_position: Option<String>,
    /// Median latency in milliseconds of the affected rows and of the others.
    pub latency_ms: Option<(f64, f64)>,
}

impl Verdict {
    /// Nothing to say.
    #[must_use]
    pub fn quiet() -> Self {
        Verdict {
            level: Level::Quiet,
            kind: None,
            confidence: 0.0,
            onset_row: None,
            evidence: Vec::new(),
            extent: Extent::default(),
        }
    }

    /// Begins where `before` began, if that is the same trouble: a test that looks back on so many
    /// rows does not know how long it lasts.
    pub(crate) fn keep_onset(&mut self, before: &Verdict) {
        if self.kind.is_some() && self.kind == before.kind {
            self.onset_row = before.onset_row.min(self.onset_row).or(self.onset_row);
        }
    }

    pub(super) fn of(
        level: Level,
        kind: Kind,
        confidence: f64,
        onset_row: u64,
        evidence: String,
    ) -> Self {
        Verdict {
            level,
            kind: Some(kind),
            confidence,
            onset_row: Some(onset_row),
            evidence: vec![evidence],
            extent: Extent::default(),
        }
    }
}
