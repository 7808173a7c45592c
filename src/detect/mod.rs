//! Detection: which evidence counts, what health looks like, and the tests against it.
//!
//! A row is *scored* when its input is new and not near to recent ones: retries, replays, hot
//! keys and clients that repeat themselves carry no evidence. The first 1,024 scored rows teach
//! scales, the next 2,048 rates and a small model of the model; from then on every test bounds
//! its own false alarms (`ecusum`). Before that, simple tests with hard thresholds stand in
//! (`constant`, `spread`, `non_finite`).
//!
//! What a series holds at the most: docs/detection.md, held against `tests/memory.rs`.

mod apart;
mod baseline;
mod bounds;
mod category;
mod cause;
mod cold;
mod constant;
mod decoupling;
mod determinism;
mod ecusum;
mod familiar;
mod gate;
mod input;
mod lag;
mod masks;
mod mode;
mod non_finite;
mod phase;
mod recent;
pub mod rows;
mod saved;
mod scales;
mod seen;
mod segment;
mod shift;
mod spread;
mod surrogate;
mod unit;
mod verdict;
mod vocabulary;
mod warmup;
mod watch;

pub use constant::{Capacity, Prior, is_bound};
pub use ecusum::Off;
pub use masks::Masks;
pub use saved::{Damaged, Saved};
pub use verdict::{Extent, Verdict};

use crate::alert::Level;
use crate::fingerprint::print_map::PrintSet;
use crate::report::Kind;
use baseline::{Baseline, NAMES};
use cold::Cold;
use ecusum::Null;
use gate::Gate;
use phase::{Phase, Ready};
use rows::{CallRows, SKETCH};
use scales::along;
use seen::Seen;
use watch::{CallFacts, Row, Watch};

/// Distinct outputs remembered as the vocabulary: as many as fit a table of 8,192.
const VOCABULARY: usize = 7168;

/// What the user sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// False alarms that are accepted in a million rows of one series, by each test.
    pub false_alarms_per_million_rows: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            false_alarms_per_million_rows: 0.1,
        }
    }
}

impl Settings {
    /// Evidence that raises an alarm: `1 / alpha`. A unit is at least one row, so an average run
    /// length of `1 / alpha` units without an alarm keeps `alpha` rows a false alarm.
    fn limit(self) -> f64 {
        1e6 / self.false_alarms_per_million_rows.clamp(1e-6, 1e5)
    }
}

/// How far a detector has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// Not all of the rows that a baseline needs were seen.
    Learning,
    /// The tests run.
    Ready,
    /// The tests run on what an earlier process learned.
    Restored,
}

/// The detector of one series: model, version, signature and output tensor.
#[derive(Debug)]
pub struct Detector {
    limit: f64,
    row: u64,
    scored: usize,
    gate: Gate,
    input: input::Input,
    seen: Seen,
    vocabulary: PrintSet,
    cold: Cold,
    phase: Phase,
    /// Numbers of an output row; a change of it begins anew.
    columns: usize,
    /// In trouble while learning: nothing is learned from such rows.
    sick: bool,
}

impl Detector {
    /// A detector that has seen nothing of this version. `prior` is what the version before says
    /// of this output.
    #[must_use]
    pub fn new(settings: Settings, prior: Option<Prior>) -> Self {
        Detector {
            limit: settings.limit(),
            row: 0,
            scored: 0,
            gate: Gate::default(),
            input: input::Input::default(),
            seen: Seen::default(),
            vocabulary: PrintSet::default(),
            cold: Cold::new(prior),
            phase: Phase::default(),
            columns: usize::MAX,
            sick: false,
        }
    }

    /// The same, told what the output can take before it was seen.
    #[must_use]
    pub fn expecting(mut self, capacity: Option<Capacity>) -> Self {
        self.cold.expect(capacity);
        self
    }

    /// A detector that goes on where an earlier process ended, as far as it had learned.
    #[must_use]
    pub fn restore(settings: Settings, saved: Saved) -> Self {
        let mut detector = Detector::new(settings, saved.prior);
        detector.columns = saved.columns;
        detector.vocabulary = saved.vocabulary.into_iter().collect();
        detector.scored = phase::LEARNED;
        let watch = Watch::new(&saved.baseline, detector.limit);
        detector.phase = Phase::Ready(Box::new(Ready {
            watch,
            scales: saved.scales,
            baseline: saved.baseline,
            restored: true,
        }));
        detector
    }

    /// What a later process needs to go on; `None` before the baseline stands.
    #[must_use]
    pub fn save(&self) -> Option<Saved> {
        let Phase::Ready(ready) = &self.phase else {
            return None;
        };
        Some(Saved {
            columns: self.columns,
            scales: ready.scales.clone(),
            baseline: ready.baseline.clone(),
            vocabulary: self.vocabulary.iter().copied().collect(),
            prior: self.cold.prior(),
        })
    }

    /// Whether the baseline stands, and whether an earlier process learned it.
    #[must_use]
    pub fn baseline(&self) -> Learned {
        match &self.phase {
            Phase::First(_) | Phase::Second(_) => Learned::Learning,
            Phase::Ready(ready) if ready.restored => Learned::Restored,
            Phase::Ready(_) => Learned::Ready,
        }
    }

    /// Takes the rows of one call.
    pub fn observe(&mut self, call: &CallRows) {
        let n = call.outputs.exact.len().min(call.inputs.effective.len());
        let columns = call.outputs.values.len() / call.outputs.exact.len().max(1);
        if columns != self.columns {
            self.begin_anew(columns);
        }
        let facts = CallFacts {
            call: call.call,
            connection: call.connection,
            latency_ms: call.latency_nanos as f64 / 1e6,
        };
        let rows: Vec<Row> = (0..n).map(|i| self.look(call, i)).collect();
        self.gate.end_call();
        self.input.observe_call(&call.inputs.raw[..n]);
        self.learn_or_watch(call, &rows, facts);
    }

    /// A row of another width is another thing: what was learned does not fit it.
    fn begin_anew(&mut self, columns: usize) {
        self.columns = columns;
        self.phase = Phase::default();
        self.seen = Seen::default();
        self.scored = 0;
    }

    /// What can be said of one row on its own.
    fn look(&mut self, call: &CallRows, i: usize) -> Row {
        let row = self.row;
        self.row += 1;
        let (exact, finite) = (call.outputs.exact[i], call.outputs.numbers[i].are_finite());
        let values = &call.outputs.values[i * self.columns..(i + 1) * self.columns];
        let raw_sketch = &call.inputs.sketch[i * SKETCH..(i + 1) * SKETCH];
        let (scales, categories) = match &self.phase {
            Phase::First(_) => (None, None),
            Phase::Second(state) => (Some(&state.scales), Some(&state.categories)),
            Phase::Ready(state) => (Some(&state.scales), Some(&state.baseline.categories)),
        };
        let category = categories
            .filter(|_| finite)
            .map(|c| c.of(values, call.outputs.argmax[i]));
        let along = along(values);
        let reply = finite.then_some(exact);
        let pass = self
            .gate
            .pass(call.inputs.effective[i], reply, along as f32, category);
        let mut sketch = [0.0; SKETCH];
        let mut scored = pass.novel && finite;
        let (mut quantised, mut sight) = (exact, None);
        if let Some(scales) = scales {
            sketch = scales.standard(raw_sketch);
            quantised = scales.quantised(values);
            if pass.novel {
                let near = self.gate.is_near(scales, &sketch);
                scored &= !self.gate.is_near_in_call(scales, &sketch) && !near;
            }
            if scored {
                sight = Some(
                    self.seen
                        .observe(scales, &sketch, exact, quantised, call.call),
                );
            }
        }
        let mut new_value = None;
        if scored {
            self.scored += 1;
            new_value = Some(!self.vocabulary.contains(&exact));
            if self.vocabulary.len() < VOCABULARY {
                self.vocabulary.insert(exact);
            }
        }
        let learning = !matches!(self.phase, Phase::Ready(_));
        // Before there are scales: one column alone goes on, as a clock does beside a sensor at rest.
        let rests = self.gate.rests(raw_sketch);
        self.cold
            .observe(row, call, i, scored && !(learning && rests), learning);
        Row {
            row,
            input: call.inputs.effective[i],
            finite,
            scored,
            pass,
            sight,
            new_value,
            exact,
            quantised,
            along,
            category,
            sketch,
        }
    }

    fn learn_or_watch(&mut self, call: &CallRows, rows: &[Row], facts: CallFacts) {
        if !matches!(self.phase, Phase::Ready(_)) {
            if self.cold.verdict().level == Level::Damning {
                self.sick = true;
                return;
            }
            if std::mem::take(&mut self.sick) {
                // What was learned before the trouble may hold some of it.
                self.begin_anew(self.columns);
            }
        }
        match &mut self.phase {
            Phase::Ready(state) => {
                state
                    .watch
                    .observe(&state.scales, &state.baseline, rows, &call.inputs, facts);
            }
            phase => {
                phase.learn(call, rows, facts);
                if let Some(filled) = phase.advance(call, self.scored, self.limit) {
                    self.seen = filled;
                }
            }
        }
    }

    /// What the tests say after the last row. Changes nothing.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let found = match &self.phase {
            Phase::Ready(state) => self.watched(&state.baseline, &state.watch),
            Phase::First(_) | Phase::Second(_) => self.cold.verdict(),
        };
        if found.level > Level::Quiet {
            found
        } else {
            self.input.verdict(self.row)
        }
    }

    fn watched(&self, baseline: &Baseline, watch: &Watch) -> Verdict {
        if let Some(incident) = watch.incident() {
            return Verdict {
                level: Level::Damning,
                kind: Some(incident.named.kind),
                confidence: if incident.named.vague {
                    0.99
                } else {
                    1.0 - 1.0 / self.limit
                },
                onset_row: Some(incident.onset_row),
                evidence: incident.named.evidence.clone(),
                extent: incident.named.extent.clone(),
            };
        }
        // An alarm from before the baseline stands until its evidence has gone.
        if let Some(cold) = self.cold.standing() {
            return cold;
        }
        let evidence = watch.evidence(baseline);
        if evidence < self.limit.powf(0.8) {
            return Verdict::quiet();
        }
        let line = format!(
            "evidence of {evidence:.1e} against an alarm at {:.0e}",
            self.limit
        );
        Verdict::of(
            Level::Suspicious,
            Kind::Partial,
            1.0 - 1.0 / evidence,
            self.row,
            line,
        )
    }

    /// Each test, and why it cannot be trusted on this model, if so; empty before the baseline
    /// stands.
    #[must_use]
    pub fn tests(&self) -> Vec<(&'static str, Option<Off>)> {
        match &self.phase {
            Phase::Ready(state) => {
                let moved = state.watch.inputs_moved();
                let off = |(test, null): (usize, &Null)| {
                    let pauses = moved && Baseline::asks_surrogate(test);
                    null.off.or(pauses.then_some(Off::Moved))
                };
                let offs = state.baseline.nulls.iter().enumerate().map(off);
                NAMES.into_iter().zip(offs).collect()
            }
            Phase::First(_) | Phase::Second(_) => Vec::new(),
        }
    }

    /// Distinct inputs scored so far.
    #[must_use]
    pub fn distinct_inputs(&self) -> u64 {
        self.scored as u64
    }

    /// What this version says of its output, for the one that comes after; `None` before enough
    /// rows were seen, or while it is in trouble itself.
    #[must_use]
    pub fn prior(&self) -> Option<Prior> {
        if self.verdict().level == Level::Damning {
            None
        } else {
            self.cold.prior()
        }
    }
}
