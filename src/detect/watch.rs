//! The tests on every row once the baseline stands, and the incident that they raise.

use super::apart::Apart;
use super::baseline::{
    Baseline, DECOUPLING, DETERMINISM, DETERMINISM_CATEGORY, FAST_DECOUPLING, LAG, LAG_CONNECTION,
    MODE, NON_FINITE, SEEN, SEEN_QUANTISED, SEGMENT, TESTS, VOCABULARY,
};
use super::cause::{self, Named, Scene, Seat};
use super::decoupling::{self, Pool};
use super::ecusum::ECusum;
use super::gate::Pass;
use super::lag::Lag;
use super::mode::Mode;
use super::rows::InputRows;
use super::scales::{Scales, Sketch};
use super::seen::Sight;
use super::segment::Segment;
use super::shift::Shift;
use super::unit::Unit;
use crate::report::Kind;
use std::collections::VecDeque;

/// A call is cut into at most this many units: its rows are independent only given their inputs.
/// One whose inputs resemble each other is one unit.
const BLOCKS: usize = 8;
/// Rows kept to name the cause from.
const HISTORY: usize = 1024;
/// Scored rows whose inputs are kept to find the segment with.
const INPUTS: usize = 384;
/// Scored rows after an alarm at which it is named again, and from then on at each doubling.
const RENAME: u64 = 32;
/// Scored rows that an alarm waits at the most for a second reply to be named from.
const WAIT: u64 = 40;
/// Scored rows without evidence after which an incident is over, at the least; twice as many for
/// one that came back soon, up to the most.
const OVER: u64 = 160;
const OVER_MOST: u64 = 1280;
/// An incident within this many times that comes back.
const SOON: u64 = 8;
/// Evidence that keeps an incident alive.
const ALIVE: f64 = 100.0;

/// One row on its way through the tests.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) row: u64,
    /// Fingerprint of the input.
    pub(super) input: u64,
    pub(super) finite: bool,
    pub(super) scored: bool,
    pub(super) pass: Pass,
    pub(super) sight: Option<Sight>,
    /// The output's value was never seen before; `None` for rows that are not scored.
    pub(super) new_value: Option<bool>,
    pub(super) exact: u64,
    pub(super) quantised: u64,
    /// The output as one number.
    pub(super) along: f64,
    pub(super) category: Option<usize>,
    pub(super) sketch: Sketch,
}

/// What a call shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallFacts {
    pub(super) call: u64,
    pub(super) connection: u64,
    pub(super) latency_ms: f64,
}

/// Something is wrong.
#[derive(Debug, Clone)]
pub(super) struct Incident {
    pub(super) test: usize,
    pub(super) onset_row: u64,
    pub(super) named: Named,
    clock: u64,
    delay: u64,
    last_bad: u64,
    rename_at: u64,
    /// Waits for a name.
    early: bool,
}

/// The tests of one series.
#[derive(Debug)]
pub(super) struct Watch {
    tests: Vec<ECusum>,
    limit: f64,
    mode: Mode,
    segment: Segment,
    shift: Shift,
    pool: Pool,
    lag: Lag,
    history: VecDeque<Seat>,
    /// The inputs of the scored rows among them, and their columns, as long as all calls have the same.
    inputs: VecDeque<(u64, Sketch)>,
    columns: Option<Vec<(String, u64)>>,
    /// Rows that count as evidence: scored, or not finite.
    clock: u64,
    clock_at_start: Vec<u64>,
    incident: Option<Incident>,
    apart: Apart,
    /// Scored rows without evidence that end an incident now, and when the last one ended.
    over: u64,
    ended: Option<u64>,
}

impl Watch {
    /// Alarms when the evidence of a test reaches `limit`.
    pub(super) fn new(baseline: &Baseline, limit: f64) -> Self {
        let categories = baseline.categories.count();
        let nulls = baseline.nulls.iter();
        Watch {
            tests: nulls.map(|null| ECusum::new(null.mu)).collect(),
            limit,
            mode: Mode::new(categories),
            segment: Segment::new(&baseline.regions, categories),
            shift: Shift::new(&baseline.inputs),
            pool: Pool::new(),
            lag: Lag::default(),
            history: VecDeque::new(),
            // What grows by itself doubles.
            inputs: VecDeque::with_capacity(INPUTS),
            columns: None,
            clock: 0,
            clock_at_start: vec![0; TESTS],
            incident: None,
            apart: Apart::default(),
            over: OVER,
            ended: None,
        }
    }

    /// What is wrong, once it has a name.
    pub(super) fn incident(&self) -> Option<&Incident> {
        self.incident.as_ref().filter(|incident| !incident.early)
    }

    /// Whether the inputs have moved away from those of the warm-up.
    pub(super) fn inputs_moved(&self) -> bool {
        self.shift.has_moved()
    }

    /// The strongest evidence over the tests that are on.
    pub(super) fn evidence(&self, baseline: &Baseline) -> f64 {
        let tests = self.tests.iter().enumerate();
        let on = tests.filter(|(test, _)| baseline.is_on(*test));
        on.map(|(_, test)| test.evidence()).fold(0.0, f64::max)
    }

    /// Takes one call.
    pub(super) fn observe(
        &mut self,
        scales: &Scales,
        baseline: &Baseline,
        rows: &[Row],
        inputs: &InputRows,
        call: CallFacts,
    ) {
        let known = self.columns.get_or_insert_with(|| inputs.columns.clone());
        if *known != inputs.columns {
            known.clear();
        }
        let fast = baseline.is_fast(call.latency_ms, rows.len() as f64);
        let inputs = rows.iter().filter(|row| row.scored).map(|row| &row.sketch);
        let blocks = match baseline.inputs.are_alike(inputs) {
            true => 1,
            false => rows.len().min(BLOCKS),
        };
        for block in 0..blocks {
            let rows = &rows[block * rows.len() / blocks..(block + 1) * rows.len() / blocks];
            let mut unit = Unit::default();
            for row in rows {
                self.look(baseline, row, call, fast, &mut unit);
            }
            self.mode.end_unit();
            self.judge(scales, baseline, &unit, rows);
        }
    }

    /// Adds what one row says to the unit and to the history.
    fn look(
        &mut self,
        baseline: &Baseline,
        row: &Row,
        call: CallFacts,
        fast: bool,
        unit: &mut Unit,
    ) {
        unit.flag(NON_FINITE, Some(!row.finite));
        unit.flag(DETERMINISM, row.pass.changed);
        unit.flag(DETERMINISM_CATEGORY, row.pass.category_changed);
        if row.scored {
            let (usual, regions) = (&baseline.inputs, &baseline.regions);
            self.shift.observe(usual, regions, &row.sketch);
        }
        // Of numbers, any row tells whether they are back.
        let any = |incident: &Incident| incident.test == NON_FINITE;
        let counts = row.scored || !row.finite || self.incident.as_ref().is_some_and(any);
        self.clock += u64::from(counts);
        let kind = self.incident.as_ref().map(|incident| incident.named.kind);
        let output = match kind {
            Some(Kind::NearConstant) => row.quantised,
            _ => row.exact,
        };
        self.apart.observe(row.input, row.finite.then_some(output));
        let mut seat = Seat::new(row, call, fast);
        if row.scored {
            if self.inputs.len() == INPUTS {
                self.inputs.pop_front();
            }
            self.inputs.push_back((row.row, row.sketch));
            let predicted = baseline.surrogate.predict(&row.sketch);
            self.ask_window(baseline, row, &predicted, unit);
            if !self.shift.has_moved() && baseline.familiar.knows(&row.sketch) {
                unit.flag(VOCABULARY, row.new_value);
                self.ask_surrogate(baseline, row, &predicted, &mut seat, unit);
            }
            seat.predicted = predicted.iter().map(|p| *p as f32).collect();
            self.lag.remember(Some(&predicted), call.connection);
            self.pool.push(predicted);
        } else {
            self.lag.remember(None, call.connection);
        }
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(seat);
    }

    /// The tests that ask whether the output came before.
    fn ask_window(&self, baseline: &Baseline, row: &Row, predicted: &[f64], unit: &mut Unit) {
        let Some(sight) = row.sight else {
            return;
        };
        let explained = baseline.bounds.zip(row.category);
        let explained = explained.is_some_and(|(b, c)| b.explain(row.along, c, predicted));
        // Only repeats are left out: the mean over the others is no larger for it.
        if explained && (sight.exact || sight.quantised) {
            return;
        }
        for (test, seen) in [(SEEN, sight.exact), (SEEN_QUANTISED, sight.quantised)] {
            let worth = self.shift.worth(baseline.nulls[test].mu);
            unit.value(test, worth.map(|worth| worth * f64::from(u8::from(seen))));
        }
    }

    /// The tests that compare with what the surrogate expects of the input.
    fn ask_surrogate(
        &mut self,
        baseline: &Baseline,
        row: &Row,
        predicted: &[f64],
        seat: &mut Seat,
        unit: &mut Unit,
    ) {
        let Some(category) = row.category else {
            return;
        };
        let floors = &baseline.floors;
        unit.add(MODE, self.mode.add(category, predicted, floors));
        let regions = &baseline.regions;
        let in_segment = self
            .segment
            .add(regions, &row.sketch, category, predicted, floors);
        unit.value(SEGMENT, in_segment);
        seat.in_segment = in_segment.is_some();
        if !baseline.supported[category] {
            return;
        }
        let (before, before_here) = self.lag.ratios(predicted, category, seat.connection);
        unit.value(LAG, before);
        unit.value(LAG_CONNECTION, before_here);
        seat.lag = before_here.or(before);
        let other = self.pool.draw();
        let compared =
            other.and_then(|o| decoupling::compare(predicted, o, category, &baseline.supported));
        if let Some((decoupled, expected)) = compared {
            let x = f64::from(u8::from(decoupled)) / expected;
            unit.add(DECOUPLING, x);
            unit.value(FAST_DECOUPLING, seat.fast.then_some(x));
            seat.decoupled = Some(decoupled);
        }
    }

    fn judge(&mut self, scales: &Scales, baseline: &Baseline, unit: &Unit, rows: &[Row]) {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return;
        };
        let mut alarm = None;
        for test in 0..TESTS {
            if !baseline.is_on(test) || unit.counts[test] == 0.0 {
                continue;
            }
            let sum = &mut self.tests[test];
            sum.add(unit.sums[test] / unit.counts[test], first.row);
            if sum.start() == first.row {
                self.clock_at_start[test] = self.clock;
            }
            if sum.evidence() >= ALIVE
                && let Some(incident) = &mut self.incident
            {
                incident.last_bad = self.clock;
            }
            if sum.evidence() >= self.limit {
                let start = sum.start();
                if !self.rests_on_a_crowd(baseline, test, start) {
                    alarm = alarm.or(Some((test, start)));
                }
            }
        }
        if let (Some((test, onset)), None) = (alarm, &self.incident) {
            let named = self.name(scales, baseline, test, onset, last.row);
            let again = |ended| self.clock - ended < SOON * self.over;
            self.over = match self.ended.is_some_and(again) {
                true => (2 * self.over).min(OVER_MOST),
                false => OVER,
            };
            self.apart = Apart::default();
            self.incident = Some(Incident {
                test,
                onset_row: onset,
                early: named.early,
                named,
                clock: self.clock,
                delay: self.clock.saturating_sub(self.clock_at_start[test]),
                last_bad: self.clock,
                rename_at: self.clock + RENAME,
            });
        }
        for test in &mut self.tests {
            if test.evidence() >= self.limit {
                test.reset();
            }
        }
        self.follow(scales, baseline, last.row);
    }

    /// Whether the evidence that began at row `start` comes of few kinds of input, before the
    /// shift of the traffic shows in its average. It is dropped then: more of it is a guess too.
    fn rests_on_a_crowd(&self, baseline: &Baseline, test: usize, start: u64) -> bool {
        let since = self.inputs.iter().filter(|(row, _)| *row >= start);
        let since = since.map(|(_, input)| input);
        Baseline::asks_surrogate(test) && baseline.inputs.are_crowded(&baseline.regions, since)
    }

    fn name(
        &self,
        scales: &Scales,
        baseline: &Baseline,
        test: usize,
        onset: u64,
        row: u64,
    ) -> Named {
        let evidence: Vec<f64> = self.tests.iter().map(ECusum::evidence).collect();
        let scene = Scene {
            scales,
            baseline,
            evidence: &evidence,
            test,
            inputs: &self.inputs,
            columns: self.columns.as_deref().unwrap_or_default(),
        };
        cause::name(&self.history, &scene, onset, row)
    }

    /// Names the incident again as more of it is seen, and ends it when its evidence has gone.
    fn follow(&mut self, scales: &Scales, baseline: &Baseline, row: u64) {
        let Some(incident) = &self.incident else {
            return;
        };
        // Inputs that come again are no evidence, but outputs that tell them apart are not flat.
        let flat = matches!(incident.named.kind, Kind::Constant | Kind::NearConstant);
        let heals = flat && self.apart.rows() >= self.over;
        if heals || self.clock - incident.last_bad >= self.over.max(incident.delay) {
            if heals {
                self.tests.iter_mut().for_each(ECusum::reset);
            }
            self.incident = None;
            self.ended = Some(self.clock);
            return;
        }
        if self.clock < incident.rename_at && !incident.early {
            return;
        }
        let named = self.name(scales, baseline, incident.test, incident.onset_row, row);
        if let Some(incident) = &mut self.incident {
            if incident.early {
                incident.early = named.early && self.clock < incident.clock + WAIT;
                incident.named = named;
                return;
            }
            incident.rename_at = self.clock + 2 * (incident.rename_at - incident.clock);
            if !named.vague || incident.named.vague {
                incident.named = named;
            }
        }
    }
}
