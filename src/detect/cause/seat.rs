//! What is kept of a row to name an incident from.

use crate::detect::watch::{CallFacts, Row};

/// One row as far as naming goes.
#[derive(Debug, Clone)]
pub(in crate::detect) struct Seat {
    pub(in crate::detect) row: u64,
    pub(in crate::detect) call: u64,
    pub(in crate::detect) connection: u64,
    pub(in crate::detect) scored: bool,
    pub(in crate::detect) finite: bool,
    /// Its output came before, for another input.
    pub(in crate::detect) repeats: bool,
    /// In the same reply.
    pub(in crate::detect) in_call: bool,
    /// Its output came twice in the warm-up.
    pub(in crate::detect) usual: bool,
    pub(in crate::detect) exact: u64,
    pub(in crate::detect) quantised: u64,
    /// The output as one number.
    pub(in crate::detect) along: f32,
    pub(in crate::detect) category: Option<usize>,
    pub(in crate::detect) latency_ms: f32,
    pub(in crate::detect) fast: bool,
    /// The first reply to this input and this one, as one number each, where they differ.
    pub(in crate::detect) changed: Option<(f32, f32)>,
    pub(in crate::detect) lag: Option<f64>,
    pub(in crate::detect) decoupled: Option<bool>,
    /// What the surrogate expected, by category; empty where it was not asked.
    pub(in crate::detect) predicted: Vec<f32>,
    pub(in crate::detect) in_segment: bool,
}

impl Seat {
    pub(in crate::detect) fn new(row: &Row, call: CallFacts, fast: bool) -> Self {
        Seat {
            row: row.row,
            call: call.call,
            connection: call.connection,
            scored: row.scored,
            finite: row.finite,
            repeats: row.sight.is_some_and(|sight| sight.exact),
            in_call: row.sight.is_some_and(|sight| sight.in_call),
            usual: row.sight.is_some_and(|sight| sight.usual),
            exact: row.exact,
            quantised: row.quantised,
            along: row.along as f32,
            category: row.category,
            latency_ms: call.latency_ms as f32,
            fast,
            changed: row.pass.change,
            lag: None,
            decoupled: None,
            predicted: Vec::new(),
            in_segment: false,
        }
    }
}
