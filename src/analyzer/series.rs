//! One series: a model's version, signature and output tensor.

use super::history::{CallFact, History, RowFact};
use crate::alert::{Alert, Step};
use crate::detect::rows::CallRows;
use crate::detect::{Detector, Prior, Settings, Verdict};
use crate::fingerprint::call::Output;
use crate::window::{Row, Window};
use std::time::Duration;

/// What a series is told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// `model_spec.name`.
    pub model: String,
    /// The version that answered.
    pub version: i64,
    /// Signature name.
    pub signature: String,
    /// Output tensor.
    pub output: String,
}

/// The state of one series.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) window: Window,
    pub(super) history: History,
    pub(super) alert: Alert,
    pub(super) verdict: Verdict,
    /// Rows observed.
    pub(super) rows: u64,
    /// Number of the call that last touched it, for eviction.
    pub(super) last_call: u64,
    detector: Detector,
}

impl Series {
    pub(super) fn new(
        span: Duration,
        capacity: usize,
        settings: Settings,
        prior: Option<Prior>,
    ) -> Self {
        Series {
            window: Window::new(span, capacity),
            history: History::default(),
            alert: Alert::default(),
            verdict: Verdict::quiet(),
            rows: 0,
            last_call: 0,
            detector: Detector::new(settings, prior),
        }
    }

    /// Takes one call and returns the alert's steps.
    pub(super) fn observe(
        &mut self,
        call: &CallRows,
        output: &Output,
        fact: CallFact,
    ) -> Vec<Step> {
        let columns = call.outputs.values.len() / call.outputs.exact.len().max(1);
        self.history.begin(fact);
        for i in 0..call.outputs.exact.len() {
            let row = Row {
                raw: call.inputs.raw[i],
                effective: call.inputs.effective[i],
                output: call.outputs.exact[i],
            };
            self.window.record(call.at_nanos, row);
            let values = &call.outputs.values[i * columns..(i + 1) * columns];
            let scores = output.rows.simplex_error.is_some_and(|e| e < 1e-3);
            self.history
                .push(RowFact::new(self.rows, call, i, values, scores));
            self.rows += 1;
        }
        self.detector.observe(call);
        self.last_call = call.call;
        self.verdict = self.detector.verdict();
        self.alert.step(
            self.verdict.level,
            self.verdict.kind,
            self.rows,
            call.at_nanos,
        )
    }

    /// What this version says of its output, for the version that comes after.
    pub(super) fn prior(&self) -> Option<Prior> {
        self.detector.prior()
    }

    /// Distinct inputs that counted as evidence, for the version that comes after.
    pub(super) fn distinct_inputs(&self) -> u64 {
        self.detector.distinct_inputs()
    }
}
