//! One series: a model's version, signature and output tensor.

use super::columns::Columns;
use super::findings::Newest;
use super::history::{CallFact, History, RowFact};
use super::pairs::{Pairs, Tally};
use super::recent::Recent;
use super::seen::Seen;
use super::tied::Tied;
use super::turns::Said;
use super::wire;
use crate::alert::{Alert, Level, Step};
use crate::detect::rows::{CallRows, ValueKind};
use crate::detect::{Detector, Learned, Masks, Prior, Saved, Verdict};
use crate::diagnose::Judgement;
use crate::fingerprint::call::Output;
use crate::report::{Baseline, Kind, State, Test};
use crate::window::{Row, Window};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// What a series is told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Whether the output has a row for each row of the request.
    pub(super) followed: bool,
    /// Counts that add up over replicas.
    pub(super) pairs: Pairs,
    /// What it was fed with while it was well.
    pub(super) seen: Seen,
    /// Whether it has lines of its own in the metrics.
    pub(super) own_line: bool,
    /// What was counted while it had none.
    pub(super) hidden: Tally,
    pub(super) recent: Recent,
    /// When its first and its last row were answered.
    pub(super) first_nanos: i64,
    pub(super) last_nanos: i64,
    /// Since when rows have come without a pause.
    pub(super) steady_nanos: i64,
    pub(super) judged: Said<Judgement>,
    pub(super) newest: Said<Newest>,
    pub(super) masks: Masks,
    pub(super) tied: Tied,
    pub(super) columns: Columns,
    /// The row at which the alert began to fire, while it does.
    pub(super) fired_row: Option<u64>,
    /// The newest calls from before the trouble, while the alert fires.
    pub(super) calls_before: Vec<CallFact>,
    detector: Detector,
    /// When every so many rows were answered, oldest first.
    times: VecDeque<(u64, i64)>,
}

/// What calls said is over once there were none for this long, as the alerts have it.
const OVER_NANOS: i64 = 300_000_000_000;
/// So long without a row is a pause.
const PAUSE_NANOS: i64 = 5_000_000_000;
/// Rows between two times that are kept, and how many times.
const TIME_EVERY: u64 = 64;
const TIMES: usize = 256;

impl Series {
    pub(super) fn new(span: Duration, capacity: usize, detector: Detector) -> Self {
        Series {
            window: Window::new(span, capacity),
            history: History::default(),
            alert: Alert::default(),
            verdict: Verdict::quiet(),
            rows: 0,
            last_call: 0,
            followed: true,
            pairs: Pairs::default(),
            seen: Seen::default(),
            own_line: false,
            hidden: Tally::default(),
            recent: Recent::default(),
            first_nanos: 0,
            last_nanos: 0,
            steady_nanos: 0,
            judged: Said::default(),
            newest: Said::default(),
            masks: Masks::default(),
            tied: Tied::default(),
            columns: Columns::default(),
            fired_row: None,
            calls_before: Vec::new(),
            detector,
            times: VecDeque::new(),
        }
    }

    /// Whether rows came in the last five minutes.
    pub(super) fn is_used(&self, now_nanos: i64) -> bool {
        now_nanos.saturating_sub(self.last_nanos) <= OVER_NANOS
    }

    /// When a row was answered, to 64 rows; `None` if that is too long ago.
    pub(super) fn time_of(&self, row: u64) -> Option<i64> {
        let after = self.times.partition_point(|(at, _)| *at <= row);
        self.times
            .get(after.checked_sub(1)?)
            .map(|(_, nanos)| *nanos)
    }

    /// What the tests stand on.
    pub(super) fn baseline(&self) -> Baseline {
        let tests = self.detector.tests().into_iter().map(|(name, off)| Test {
            test: name.to_owned(),
            on: off.is_none(),
            why: off.map(|off| off.as_str().to_owned()),
        });
        Baseline {
            state: match self.detector.baseline() {
                Learned::Learning => "learning",
                Learned::Ready => "ready",
                Learned::Restored => "restored",
            }
            .to_owned(),
            rows: self.detector.distinct_inputs(),
            tests: tests.collect(),
        }
    }

    /// What a later process needs to go on; `None` before the baseline stands.
    pub(super) fn save(&self) -> Option<Saved> {
        self.detector.save()
    }

    /// Whether the baseline stands.
    pub(super) fn is_ready(&self) -> bool {
        self.detector.baseline() != Learned::Learning
    }

    /// Whether next to no row was ever without NaN and infinity, as far as this series goes back.
    pub(super) fn never_finite(&self) -> bool {
        let tally = self.pairs.tally();
        !self.is_restored() && tally.non_finite_rows * 20 >= tally.rows * 19
    }

    /// Whether its baseline is that of an earlier process.
    pub(super) fn is_restored(&self) -> bool {
        self.detector.baseline() == Learned::Restored
    }

    /// Takes one call and returns the alert's steps.
    pub(super) fn observe(
        &mut self,
        call: &CallRows,
        output: &Output,
        mut fact: CallFact,
    ) -> Vec<Step> {
        let columns = call.outputs.values.len() / call.outputs.exact.len().max(1);
        self.followed = output.followed;
        if self
            .times
            .back()
            .is_none_or(|(row, _)| self.rows >= row + TIME_EVERY)
        {
            if self.times.len() == TIMES {
                self.times.pop_front();
            }
            self.times.push_back((self.rows, call.at_nanos));
        }
        // A vector of several floats hardly takes the same value twice; a scalar may saturate.
        let continuous = call.outputs.kind == ValueKind::Float && call.outputs.width >= 4;
        let rows = call.outputs.exact.len() as u64;
        let well = self.verdict.level == Level::Quiet;
        self.seen.observe(&fact.inputs, self.rows, rows, well);
        self.seen.answered(&call.outputs.exact);
        fact.grouped = self.columns.is_grouped(&call.inputs);
        self.columns.observe(&call.inputs, well);
        if well {
            self.tied.observe(call, fact.grouped);
        }
        self.history.begin(fact);
        for i in 0..call.outputs.exact.len() {
            let row = Row {
                raw: call.inputs.raw[i],
                effective: call.inputs.effective[i],
                output: call.outputs.exact[i],
            };
            let new = !self.window.holds_input(row.effective);
            self.window.record(call.at_nanos, row);
            self.pairs
                .record(row, new, call.outputs.numbers[i].are_finite(), continuous);
            let values = &call.outputs.values[i * columns..(i + 1) * columns];
            let scores = call.outputs.simplex_error.is_some_and(|e| e < 1e-3);
            self.history
                .push(RowFact::new(self.rows, call, i, values, scores));
            self.rows += 1;
        }
        self.detector.observe(call);
        self.last_call = call.call;
        if call.at_nanos.saturating_sub(self.last_nanos) > PAUSE_NANOS {
            self.steady_nanos = call.at_nanos;
            self.newest.forget();
        }
        self.last_nanos = call.at_nanos;
        self.recent.look(call.at_nanos, &self.window);
        let before = std::mem::replace(&mut self.verdict, Verdict::quiet());
        self.verdict = if self.pairs.is_meant {
            Verdict::quiet()
        } else {
            self.detector.verdict()
        };
        if self.verdict.level == Level::Quiet && self.alert.state() != State::Firing {
            // What the wire proves without any test of the outputs.
            if let Some(found) = wire::verdict(&self.history, self.rows, &before) {
                self.verdict = found;
            }
        }
        if let Some(Kind::InputCollapse | Kind::Echo) = self.verdict.kind {
            self.verdict.keep_onset(&before);
        }
        if self.verdict.level == Level::Quiet {
            self.pairs.learn();
        }
        let steps = self.alert.step(
            self.verdict.level,
            self.verdict.kind,
            self.rows,
            call.at_nanos,
        );
        if self.alert.state() != State::Firing {
            self.fired_row = None;
            self.calls_before.clear();
        } else if self.fired_row.is_none() {
            self.fired_row = Some(self.rows);
            let onset = self.verdict.onset_row.unwrap_or(0);
            self.calls_before = self.history.before(onset).cloned().collect();
        }
        steps
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
