//! The tests for output collapse: pure functions of what was seen, one file each.
//!
//! A row is *scored* when its input is new: retries, replays and hot keys carry no evidence.
//! How many equal replies in a row are damning depends on how varied the output was before.

mod constant;
mod gate;
mod input;
mod non_finite;
mod recent;
pub mod rows;
mod spread;

use crate::alert::Level;
use crate::report::Kind;
use gate::Gate;
use recent::Recent;
use rows::CallRows;

/// What the tests say of a series now.
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

    fn of(level: Level, kind: Kind, confidence: f64, onset_row: u64, evidence: String) -> Self {
        Verdict {
            level,
            kind: Some(kind),
            confidence,
            onset_row: Some(onset_row),
            evidence: vec![evidence],
        }
    }
}

/// The detector of one series: model, version, signature and output tensor.
#[derive(Debug, Default)]
pub struct Detector {
    gate: Gate,
    scored: Recent,
    constant: constant::Constant,
    spread: spread::Spread,
    non_finite: non_finite::NonFinite,
    input: input::Input,
    row: u64,
}

impl Detector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Detector::default()
    }

    /// Takes the rows of one call.
    pub fn observe(&mut self, call: &CallRows) {
        let width = call.outputs.values.len() / call.outputs.exact.len().max(1);
        for i in 0..call.outputs.exact.len().min(call.inputs.effective.len()) {
            let row = self.row;
            self.row += 1;
            let finite = call.outputs.finite[i];
            self.input.observe(call.inputs.raw[i]);
            self.non_finite.observe(row, finite);
            if !self.gate.is_new(call.inputs.effective[i]) || !finite {
                continue;
            }
            let values = &call.outputs.values[i * width..(i + 1) * width];
            self.scored.observe(row, call.outputs.exact[i], values);
            self.constant
                .observe(&self.scored, call.outputs.kind, width);
            self.spread.observe(&self.scored, values, call.outputs.kind);
        }
    }

    /// What the tests say after the last row. Changes nothing.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let verdicts = [
            self.non_finite.verdict(),
            self.constant.verdict(),
            self.spread.verdict(),
            self.input.verdict(self.row),
        ];
        // The first of the strongest: a constant is also a small spread.
        verdicts
            .into_iter()
            .rev()
            .max_by_key(|verdict| verdict.level)
            .unwrap_or_else(Verdict::quiet)
    }

    /// Distinct inputs scored so far.
    #[must_use]
    pub fn distinct_inputs(&self) -> u64 {
        self.scored.count()
    }
}
