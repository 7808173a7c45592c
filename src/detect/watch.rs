//! The tests on every row once the baseline stands, and the incident that they raise.

use super::baseline::{
    Baseline, DECOUPLING, DETERMINISM, DETERMINISM_CATEGORY, FAST_DECOUPLING, LAG, LAG_CONNECTION,
    MODE, NON_FINITE, SEEN, SEEN_QUANTISED, TESTS, VOCABULARY,
};
use super::cause::{self, Seat};
use super::ecusum::{ECusum, grow};
use super::gate::Pass;
use super::scales::{Random, Sketch};
use super::seen::Sight;
use crate::report::Kind;
use std::collections::{HashMap, VecDeque};

/// A call is cut into at most this many units: its rows are independent only given their inputs.
const BLOCKS: usize = 4;
/// Rows over which the excess of a category is averaged.
const EXCESS: f64 = 96.0;
/// Odds by which a category may outgrow its prediction.
const MODE_ODDS: f64 = 3.0;
/// Scored rows among which a random other input is drawn.
const POOL: usize = 256;
/// Log ratios below this say nothing.
const CLEAR: f64 = 0.5;
/// Rows kept to name the cause from.
const HISTORY: usize = 1500;
/// Connections whose last row is kept.
const CONNECTIONS: usize = 256;
/// Scored rows after an alarm at which it is named again.
const RENAME: u64 = 256;
/// Scored rows without evidence after which an incident is over, at the least.
const OVER: u64 = 160;
/// Evidence that keeps an incident alive.
const ALIVE: f64 = 100.0;

/// One row on its way through the tests.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) row: u64,
    pub(super) finite: bool,
    pub(super) scored: bool,
    pub(super) pass: Pass,
    pub(super) sight: Option<Sight>,
    /// The output's value was never seen before; `None` for rows that are not scored.
    pub(super) new_value: Option<bool>,
    pub(super) exact: u64,
    pub(super) quantised: u64,
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
    pub(super) kind: Kind,
    /// The tests differ on what it is.
    pub(super) vague: bool,
    pub(super) evidence: Vec<String>,
    clock: u64,
    delay: u64,
    last_bad: u64,
    renamed: bool,
}

/// The tests of one series.
#[derive(Debug)]
pub(super) struct Watch {
    tests: Vec<ECusum>,
    limit: f64,
    excess: Vec<f64>,
    pool: VecDeque<Vec<f64>>,
    last: Option<(Vec<f64>, bool)>,
    by_connection: HashMap<u64, (Vec<f64>, bool)>,
    random: Random,
    history: VecDeque<Seat>,
    /// Rows that count as evidence: scored, or not finite.
    clock: u64,
    clock_at_start: Vec<u64>,
    pub(super) incident: Option<Incident>,
}

impl Watch {
    /// Alarms when the evidence of a test reaches `limit`.
    pub(super) fn new(baseline: &Baseline, limit: f64) -> Self {
        Watch {
            tests: baseline.mu.iter().map(|mu| ECusum::new(*mu)).collect(),
            limit,
            excess: vec![0.0; baseline.categories.count()],
            pool: VecDeque::new(),
            last: None,
            by_connection: HashMap::new(),
            random: Random::new(19),
            history: VecDeque::new(),
            clock: 0,
            clock_at_start: vec![0; TESTS],
            incident: None,
        }
    }

    /// The strongest evidence over the tests that are on.
    pub(super) fn evidence(&self, baseline: &Baseline) -> f64 {
        let on = self.tests.iter().zip(baseline.on).filter(|(_, on)| *on);
        on.map(|(test, _)| test.evidence()).fold(0.0, f64::max)
    }

    /// Takes one call.
    pub(super) fn observe(&mut self, baseline: &Baseline, rows: &[Row], call: CallFacts) {
        let fast = baseline.is_fast(call.latency_ms, rows.len() as f64);
        let blocks = rows.len().min(BLOCKS);
        for block in 0..blocks {
            let rows = &rows[block * rows.len() / blocks..(block + 1) * rows.len() / blocks];
            let mut unit = Unit::default();
            // Chosen before the unit is looked at, so that the choice is no evidence.
            let suspect = largest(&self.excess);
            let mut difference = vec![0.0; self.excess.len()];
            let mut counted = 0.0;
            for row in rows {
                let predicted = baseline.surrogate.predict(&row.sketch);
                self.look(baseline, row, &predicted, call, fast, &mut unit);
                if let (true, Some(category)) = (row.scored, row.category) {
                    let p = grow(predicted[suspect].max(baseline.floors[suspect]), MODE_ODDS);
                    unit.add(MODE, f64::from(u8::from(category == suspect)) / p);
                    for (c, (d, p)) in difference.iter_mut().zip(&predicted).enumerate() {
                        *d += f64::from(u8::from(c == category)) - p;
                    }
                    counted += 1.0;
                }
                self.remember(row, predicted, call);
            }
            let weight = f64::min(counted / EXCESS, 1.0);
            for (excess, difference) in self.excess.iter_mut().zip(&difference) {
                *excess = *excess * (1.0 - weight) + weight * difference / f64::max(counted, 1.0);
            }
            self.judge(baseline, &unit, rows);
        }
    }

    /// Adds what one row says to the unit and to the history.
    fn look(
        &mut self,
        baseline: &Baseline,
        row: &Row,
        predicted: &[f64],
        call: CallFacts,
        fast: bool,
        unit: &mut Unit,
    ) {
        unit.flag(NON_FINITE, Some(!row.finite));
        unit.flag(DETERMINISM, row.pass.changed);
        unit.flag(DETERMINISM_CATEGORY, row.pass.category_changed);
        unit.flag(SEEN, row.sight.map(|sight| sight.exact));
        unit.flag(SEEN_QUANTISED, row.sight.map(|sight| sight.quantised));
        unit.flag(VOCABULARY, row.new_value);
        self.clock += u64::from(row.scored || !row.finite);
        let mut seat = Seat::new(row, call, fast);
        if let (true, Some(category)) = (row.scored, row.category)
            && baseline.supported[category]
        {
            let own = predicted[category].ln();
            let ratio = |other: &(Vec<f64>, bool)| {
                let ratio = other.0[category].ln() - own;
                (other.1 && ratio.abs() > CLEAR).then(|| (ratio / 2.0).exp().min(20.0))
            };
            let before = self.last.as_ref().and_then(ratio);
            let before_here = self.by_connection.get(&call.connection).and_then(ratio);
            unit.value(LAG, before);
            unit.value(LAG_CONNECTION, before_here);
            seat.lag = before_here.or(before);
            if !self.pool.is_empty() {
                let other = self.pool[self.random.below(self.pool.len())][category].ln() - own;
                if other.abs() > CLEAR {
                    unit.flag(DECOUPLING, Some(other > 0.0));
                    unit.flag(FAST_DECOUPLING, fast.then_some(other > 0.0));
                    seat.decoupled = Some(other > 0.0);
                }
            }
        }
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(seat);
    }

    fn remember(&mut self, row: &Row, predicted: Vec<f64>, call: CallFacts) {
        if row.scored {
            if self.pool.len() == POOL {
                self.pool.pop_front();
            }
            self.pool.push_back(predicted.clone());
        }
        if self.by_connection.len() >= CONNECTIONS
            && !self.by_connection.contains_key(&call.connection)
        {
            // A server of so many connections is judged by the overall order alone for a while.
            self.by_connection.clear();
        }
        self.by_connection
            .insert(call.connection, (predicted.clone(), row.scored));
        self.last = Some((predicted, row.scored));
    }

    fn judge(&mut self, baseline: &Baseline, unit: &Unit, rows: &[Row]) {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return;
        };
        for test in 0..TESTS {
            if !baseline.on[test] || unit.counts[test] == 0.0 {
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
                let onset = sum.start();
                sum.reset();
                self.alarm(baseline, test, onset, last.row);
            }
        }
        self.follow(baseline, last.row);
    }

    fn alarm(&mut self, baseline: &Baseline, test: usize, onset_row: u64, row: u64) {
        if self.incident.is_some() {
            return;
        }
        let named = cause::name(&self.history, baseline, &self.excess, test, onset_row, row);
        self.incident = Some(Incident {
            test,
            onset_row,
            kind: named.kind,
            vague: named.vague,
            evidence: named.evidence,
            clock: self.clock,
            delay: self.clock.saturating_sub(self.clock_at_start[test]),
            last_bad: self.clock,
            renamed: false,
        });
    }

    /// Names the incident again once more of it was seen, and ends it when its evidence has gone.
    fn follow(&mut self, baseline: &Baseline, row: u64) {
        let Some(incident) = &mut self.incident else {
            return;
        };
        if self.clock - incident.last_bad >= OVER.max(incident.delay) {
            self.incident = None;
            return;
        }
        if !incident.renamed && self.clock >= incident.clock + RENAME {
            incident.renamed = true;
            let named = cause::name(
                &self.history,
                baseline,
                &self.excess,
                incident.test,
                incident.onset_row,
                row,
            );
            if !named.vague || incident.vague {
                (incident.kind, incident.vague, incident.evidence) =
                    (named.kind, named.vague, named.evidence);
            }
        }
    }
}

/// Sums and numbers of `X` over one unit, by test.
#[derive(Debug, Default)]
struct Unit {
    sums: [f64; TESTS],
    counts: [f64; TESTS],
}

impl Unit {
    fn add(&mut self, test: usize, x: f64) {
        self.sums[test] += x;
        self.counts[test] += 1.0;
    }

    fn value(&mut self, test: usize, x: Option<f64>) {
        if let Some(x) = x {
            self.add(test, x);
        }
    }

    fn flag(&mut self, test: usize, x: Option<bool>) {
        self.value(test, x.map(|x| f64::from(u8::from(x))));
    }
}

fn largest(numbers: &[f64]) -> usize {
    let best = numbers
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    best.map_or(0, |(i, _)| i)
}
