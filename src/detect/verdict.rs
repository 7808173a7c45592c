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
        }
    }
}
