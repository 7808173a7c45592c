//! From the first row of a version to the tests: scales, rates, then watching.

use super::baseline::{Baseline, Rates};
use super::category::Categories;
use super::rows::{CallRows, SKETCH};
use super::scales::Scales;
use super::seen::Seen;
use super::warmup::Warmup;
use super::watch::{CallFacts, Row, Watch};

/// Scored rows that teach scales, and those after them that teach rates.
const SCALES: usize = 1024;
const RATES: usize = 2048;
/// Scored rows after which the baseline stands.
pub(super) const LEARNED: usize = SCALES + RATES;
/// Class scores sum to 1 but for this.
const SIMPLEX: f64 = 1e-3;

/// How far the detector has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// Learns scales.
    First(Warmup),
    /// Learns rates.
    Second(Box<Second>),
    /// Watches.
    Ready(Box<Ready>),
}

impl Default for Phase {
    fn default() -> Self {
        Phase::First(Warmup::default())
    }
}

/// The scales are known.
#[derive(Debug)]
pub(super) struct Second {
    warmup: Warmup,
    pub(super) scales: Scales,
    pub(super) categories: Categories,
    rates: Rates,
}

/// The baseline stands.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) scales: Scales,
    pub(super) baseline: Baseline,
    pub(super) watch: Watch,
    /// Learned by an earlier process.
    pub(super) restored: bool,
}

impl Phase {
    /// Learns from the scored rows of a call; nothing once it watches.
    pub(super) fn learn(&mut self, call: &CallRows, rows: &[Row], facts: CallFacts) {
        match self {
            Phase::First(warmup) => warm(warmup, call, rows, facts),
            Phase::Second(second) => {
                warm(&mut second.warmup, call, rows, facts);
                count(&mut second.rates, &second.scales, rows);
            }
            Phase::Ready(_) => {}
        }
    }

    /// Goes on to the next phase if `scored` rows are enough. Returns the window of outputs,
    /// filled, so that its rates are those of a full one, when the scales were learned.
    pub(super) fn advance(&mut self, call: &CallRows, scored: usize, limit: f64) -> Option<Seen> {
        match self {
            Phase::First(warmup) if scored >= SCALES => {
                let (second, seen) = Second::learn(std::mem::take(warmup), call);
                *self = Phase::Second(Box::new(second));
                Some(seen)
            }
            Phase::Second(_) if scored >= LEARNED => {
                if let Phase::Second(second) = std::mem::take(self) {
                    *self = Phase::Ready(Box::new(second.finish(limit)));
                }
                None
            }
            _ => None,
        }
    }
}

impl Second {
    fn learn(warmup: Warmup, call: &CallRows) -> (Self, Seen) {
        let kind = call.outputs.kind;
        let scales = Scales::learn(&warmup, kind);
        let error = call.outputs.simplex_error;
        let categories = Categories::learn(&warmup, kind, error.is_some_and(|e| e < SIMPLEX));
        let mut seen = Seen::default();
        for i in 0..warmup.len() {
            let sketch = scales.standard(warmup.sketch(i));
            let quantised = scales.quantised(warmup.values(i));
            seen.observe(&scales, &sketch, warmup.exact(i), quantised, u64::MAX);
        }
        let second = Second {
            warmup,
            scales,
            categories,
            rates: Rates::default(),
        };
        (second, seen)
    }

    fn finish(self, limit: f64) -> Ready {
        let baseline = Baseline::learn(&self.warmup, &self.scales, self.categories, &self.rates);
        Ready {
            watch: Watch::new(&baseline, limit),
            scales: self.scales,
            baseline,
            restored: false,
        }
    }
}

fn warm(warmup: &mut Warmup, call: &CallRows, rows: &[Row], facts: CallFacts) {
    let columns = call.outputs.values.len() / call.outputs.exact.len().max(1);
    warmup.latencies.push((rows.len() as f64, facts.latency_ms));
    for (i, row) in rows.iter().enumerate().filter(|(_, row)| row.scored) {
        let sketch = &call.inputs.sketch[i * SKETCH..(i + 1) * SKETCH];
        let values = &call.outputs.values[i * columns..(i + 1) * columns];
        warmup.push(sketch, values, row.exact, call.outputs.argmax[i]);
    }
}

fn count(rates: &mut Rates, scales: &Scales, rows: &[Row]) {
    for row in rows {
        rates.non_finite.add(!row.finite);
        if let Some(changed) = row.pass.changed {
            rates.determinism.add(changed);
        }
        if let Some(changed) = row.pass.category_changed {
            rates.determinism_category.add(changed);
        }
        if let Some(sight) = row.sight {
            rates.seen.add(sight.exact);
            rates.seen_quantised.add(sight.quantised);
            rates.usual.add(sight.usual);
            rates
                .usual_quantised
                .add(scales.usual_quantised.contains(&row.quantised));
        }
        if let Some(new_value) = row.new_value {
            rates.vocabulary.add(new_value);
            if row.exact != scales.commonest {
                rates.vocabulary_of_rare.add(new_value);
            }
        }
    }
}
