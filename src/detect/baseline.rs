//! What health looks like, learned from the first rows of a version and frozen then.

use super::bounds::Bounds;
use super::category::Categories;
use super::decoupling;
use super::determinism;
use super::ecusum::{Null, Off, Rate, grow};
use super::familiar::Familiar;
use super::lag;
use super::mode;
use super::scales::{Random, Scales, Sketch};
use super::segment::Regions;
use super::shift::Usual;
use super::surrogate::{FITTED, Surrogate};
use super::vocabulary;
use super::warmup::Warmup;
use serde::{Deserialize, Serialize};

/// Number of tests.
pub(super) const TESTS: usize = 12;
/// Names of the tests, in order.
pub(super) const NAMES: [&str; TESTS] = [
    "seen",
    "seen_quantised",
    "mode",
    "non_finite",
    "determinism",
    "determinism_category",
    "lag",
    "lag_connection",
    "decoupling",
    "fast_decoupling",
    "vocabulary",
    "segment",
];
pub(super) const SEEN: usize = 0;
pub(super) const SEEN_QUANTISED: usize = 1;
pub(super) const MODE: usize = 2;
pub(super) const NON_FINITE: usize = 3;
pub(super) const DETERMINISM: usize = 4;
pub(super) const DETERMINISM_CATEGORY: usize = 5;
pub(super) const LAG: usize = 6;
pub(super) const LAG_CONNECTION: usize = 7;
pub(super) const DECOUPLING: usize = 8;
pub(super) const FAST_DECOUPLING: usize = 9;
pub(super) const VOCABULARY: usize = 10;
pub(super) const SEGMENT: usize = 11;

/// Rates counted while the second part of the warm-up passes.
#[derive(Debug, Default)]
pub(super) struct Rates {
    pub(super) seen: Rate,
    pub(super) seen_quantised: Rate,
    pub(super) non_finite: Rate,
    pub(super) determinism: Rate,
    pub(super) determinism_category: Rate,
    pub(super) vocabulary: Rate,
    /// The same without the commonest output.
    pub(super) vocabulary_of_rare: Rate,
    /// Scored rows with a usual output, exact and quantised.
    pub(super) usual: Rate,
    pub(super) usual_quantised: Rate,
}

/// A frozen baseline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) categories: Categories,
    pub(super) surrogate: Surrogate,
    pub(super) familiar: Familiar,
    pub(super) regions: Regions,
    pub(super) inputs: Usual,
    /// Of an output that is one float.
    pub(super) bounds: Option<Bounds>,
    /// Whether a category had enough rows to be believed.
    pub(super) supported: Vec<bool>,
    /// Least probability that a category is tested with.
    pub(super) floors: Vec<f64>,
    /// What each test expects.
    pub(super) nulls: [Null; TESTS],
    /// Share of scored rows with an output that came before.
    pub(super) usual: f64,
    latency: (f64, f64),
    fast: f64,
}

impl Baseline {
    pub(super) fn learn(
        warmup: &Warmup,
        scales: &Scales,
        categories: Categories,
        rates: &Rates,
    ) -> Self {
        let rows: Vec<(Sketch, usize)> = (0..warmup.len())
            .map(|i| {
                let category = categories.of(warmup.values(i), warmup.argmax(i));
                (scales.standard(warmup.sketch(i)), category)
            })
            .collect();
        let count = categories.count();
        let surrogate = Surrogate::learn(&rows, count);
        let mut counts = vec![0; count];
        for (_, category) in &rows {
            counts[*category] += 1;
        }
        let supported: Vec<bool> = counts.iter().copied().map(mode::is_supported).collect();
        let floors = counts.iter().map(|n| mode::floor(*n, rows.len())).collect();
        let nulls = nulls(rates, &HeldOut::of(&surrogate, &supported, &rows));
        let (latency, fast) = latencies(&warmup.latencies);
        let sketches: Vec<Sketch> = rows.iter().map(|(sketch, _)| *sketch).collect();
        let regions = Regions::learn(&rows, count);
        Baseline {
            familiar: Familiar::learn(&sketches),
            inputs: Usual::learn(&rows, &regions),
            bounds: Bounds::learn(warmup, scales),
            regions,
            categories,
            surrogate,
            supported,
            floors,
            nulls,
            usual: rates.usual.share(),
            latency,
            fast,
        }
    }

    /// Whether all parts have the sizes that are looked up.
    pub(super) fn fits(&self) -> bool {
        let categories = self.categories.count();
        self.supported.len() == categories
            && self.floors.len() == categories
            && self.categories.fits()
            && self.surrogate.fits(categories)
            && self.familiar.fits()
            && self.regions.fits(categories)
            && self.inputs.fits()
    }

    /// Whether a test can be trusted on this model.
    pub(super) fn is_on(&self, test: usize) -> bool {
        self.nulls[test].off.is_none()
    }

    /// Whether a test asks the surrogate, which knows only the inputs that it was fitted to.
    pub(super) fn asks_surrogate(test: usize) -> bool {
        let others = [
            SEEN,
            SEEN_QUANTISED,
            NON_FINITE,
            DETERMINISM,
            DETERMINISM_CATEGORY,
        ];
        !others.contains(&test)
    }

    /// Whether a call of `rows` rows was quicker than health ever is.
    pub(super) fn is_fast(&self, latency: f64, rows: f64) -> bool {
        self.relative(latency, rows) < self.fast
    }

    /// Latency over what a call of so many rows takes.
    fn relative(&self, latency: f64, rows: f64) -> f64 {
        latency / (self.latency.0 + self.latency.1 * rows).max(1e-9)
    }
}

/// Slack and floors are the measured ones of the design: a population may shift its odds by
/// these factors without anything being wrong.
fn nulls(rates: &Rates, held_out: &HeldOut) -> [Null; TESTS] {
    let on = |mu: f64| Null { mu, off: None };
    let mut nulls = [on(1.0); TESTS];
    nulls[SEEN] = Null {
        mu: rates.seen.bound(1.5, 0.003),
        // Coarse outputs: repeats are legitimate there.
        off: (rates.usual.share() >= 0.5).then_some(Off::Coarse),
    };
    let quantised = rates.usual_quantised.hits + rates.seen_quantised.hits;
    nulls[SEEN_QUANTISED] = Null {
        mu: rates.seen_quantised.bound(2.5, 0.01),
        off: (quantised >= 0.2 * rates.usual_quantised.trials).then_some(Off::Coarse),
    };
    nulls[NON_FINITE] = on(grow(rates.non_finite.share().max(1e-3), 2.0));
    nulls[DETERMINISM] = determinism::null(rates.determinism);
    nulls[DETERMINISM_CATEGORY] = determinism::null(rates.determinism_category);
    nulls[VOCABULARY] = vocabulary::null(rates.vocabulary, rates.vocabulary_of_rare);
    nulls[LAG] = lag::null(held_out.lag);
    nulls[LAG_CONNECTION] = nulls[LAG];
    nulls[DECOUPLING] = decoupling::null(held_out.decoupled, held_out.decoupling);
    nulls[FAST_DECOUPLING] = nulls[DECOUPLING];
    for test in [SEEN, SEEN_QUANTISED] {
        if nulls[test].mu >= 0.9 {
            nulls[test].off = Some(Off::Coarse);
        }
    }
    nulls
}

/// What the tests that ask the surrogate say of rows that it was not fitted to.
#[derive(Default)]
struct HeldOut {
    lag: Rate,
    decoupled: Rate,
    decoupling: Rate,
}

impl HeldOut {
    fn of(surrogate: &Surrogate, supported: &[bool], rows: &[(Sketch, usize)]) -> Self {
        let rows = &rows[(rows.len() as f64 * FITTED) as usize..];
        let predicted: Vec<Vec<f64>> = rows
            .iter()
            .map(|(sketch, _)| surrogate.predict(sketch))
            .collect();
        let mut random = Random::new(17);
        let mut found = HeldOut::default();
        for (i, (_, category)) in rows.iter().enumerate() {
            if !supported[*category] {
                continue;
            }
            let before = &predicted[i.saturating_sub(1)];
            if let Some(ratio) = lag::ratio(before, &predicted[i], *category) {
                found.lag.hits += ratio;
                found.lag.trials += 1.0;
            }
            let other = &predicted[random.below(rows.len())];
            if let Some((decoupled, expected)) =
                decoupling::compare(&predicted[i], other, *category, supported)
            {
                found.decoupled.add(decoupled);
                found.decoupling.hits += f64::from(u8::from(decoupled)) / expected;
                found.decoupling.trials += 1.0;
            }
        }
        found
    }
}

/// Latency as a line over the rows of a call, and the relative latency that health hardly beats.
fn latencies(calls: &[(f64, f64)]) -> ((f64, f64), f64) {
    let n = calls.len() as f64;
    if calls.len() <= 2 {
        return ((1.0, 0.0), 0.0);
    }
    let mean = |of: fn(&(f64, f64)) -> f64| calls.iter().map(of).sum::<f64>() / n;
    let (rows, latency) = (mean(|c| c.0), mean(|c| c.1));
    let spread: f64 = calls.iter().map(|c| (c.0 - rows).powi(2)).sum();
    let together: f64 = calls.iter().map(|c| (c.0 - rows) * (c.1 - latency)).sum();
    let slope = if spread > 0.0 { together / spread } else { 0.0 };
    let line = (latency - slope * rows, slope);
    let mut relative: Vec<f64> = calls
        .iter()
        .map(|c| c.1 / (line.0 + line.1 * c.0).max(1e-9))
        .collect();
    relative.sort_by(f64::total_cmp);
    let at = |share: f64| relative[((relative.len() - 1) as f64 * share) as usize];
    (line, at(0.02).min(0.5 * at(0.5)))
}
