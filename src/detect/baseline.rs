//! What health looks like, learned from the first rows of a version and frozen then.

use super::category::Categories;
use super::ecusum::{Rate, grow};
use super::scales::{Scales, Sketch};
use super::surrogate::{FITTED, Surrogate};
use super::warmup::Warmup;

/// Number of tests.
pub(super) const TESTS: usize = 11;
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

/// A category with fewer warm-up rows is rare: its sudden growth may be a new class.
const SUPPORT: usize = 20;
const COMMON_FLOOR: f64 = 0.02;
const RARE_FLOOR: f64 = 0.25;

/// Rates counted while the second part of the warm-up passes.
#[derive(Debug, Default)]
pub(super) struct Rates {
    pub(super) seen: Rate,
    pub(super) seen_quantised: Rate,
    pub(super) non_finite: Rate,
    pub(super) determinism: Rate,
    pub(super) determinism_category: Rate,
    pub(super) vocabulary: Rate,
    /// Scored rows with a usual output, exact and quantised.
    pub(super) usual: Rate,
    pub(super) usual_quantised: Rate,
}

/// A frozen baseline.
#[derive(Debug)]
pub(super) struct Baseline {
    pub(super) categories: Categories,
    pub(super) surrogate: Surrogate,
    /// Whether a category had enough rows to be believed.
    pub(super) supported: Vec<bool>,
    pub(super) floors: Vec<f64>,
    /// Null mean of each test.
    pub(super) mu: [f64; TESTS],
    /// Whether a test can be trusted on this model.
    pub(super) on: [bool; TESTS],
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
                (
                    scales.standard(warmup.sketch(i)),
                    categories.of(warmup.values(i), warmup.argmax(i)),
                )
            })
            .collect();
        let count = categories.count();
        let surrogate = Surrogate::learn(&rows, count);
        let mut counts = vec![0; count];
        for (_, category) in &rows {
            counts[*category] += 1;
        }
        let supported: Vec<bool> = counts.iter().map(|n| *n >= SUPPORT).collect();
        let floors = supported
            .iter()
            .map(|s| if *s { COMMON_FLOOR } else { RARE_FLOOR })
            .collect();
        let (lag, decoupling) = held_out(&surrogate, &supported, &rows);
        let (mu, on) = nulls(rates, lag, decoupling);
        let (latency, fast) = latencies(&warmup.latencies);
        Baseline {
            categories,
            surrogate,
            supported,
            floors,
            mu,
            on,
            latency,
            fast,
        }
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

/// Null means, and which tests are on. Slack and floors are the measured ones of the design: a
/// population may shift its odds by these factors without anything being wrong.
fn nulls(rates: &Rates, lag: Rate, decoupling: Rate) -> ([f64; TESTS], [bool; TESTS]) {
    let mut mu = [1.0; TESTS];
    mu[SEEN] = rates.seen.bound(1.5, 0.003);
    mu[SEEN_QUANTISED] = rates.seen_quantised.bound(2.5, 0.01);
    let bad = rates.non_finite.hits / rates.non_finite.trials.max(1.0);
    mu[NON_FINITE] = grow(bad.max(1e-3), 2.0);
    mu[DETERMINISM] = rates.determinism.bound(1.3, 0.002);
    mu[DETERMINISM_CATEGORY] = rates.determinism_category.bound(1.3, 0.002);
    mu[VOCABULARY] = rates.vocabulary.bound(3.0, 0.01);
    let ratio = 1.05 * (lag.hits / lag.trials.max(1.0)).max(1.0);
    (mu[LAG], mu[LAG_CONNECTION]) = (ratio, ratio);
    mu[DECOUPLING] = decoupling.bound(1.5, 0.03);
    mu[FAST_DECOUPLING] = mu[DECOUPLING];

    let share = |rate: Rate| rate.hits / rate.trials.max(1.0);
    let mut on = mu.map(|mu| mu < 0.9);
    on[MODE] = true;
    (on[LAG], on[LAG_CONNECTION]) = (lag.trials >= 40.0, lag.trials >= 40.0);
    on[DECOUPLING] = mu[DECOUPLING] < 0.45;
    on[FAST_DECOUPLING] = on[DECOUPLING];
    // Coarse outputs: repeats are legitimate there.
    on[SEEN] &= share(rates.usual) < 0.5;
    let quantised = rates.usual_quantised.hits + rates.seen_quantised.hits;
    on[SEEN_QUANTISED] &= quantised < 0.2 * rates.usual_quantised.trials;
    // Only in a small closed vocabulary is a new value evidence.
    on[VOCABULARY] = mu[VOCABULARY] < 0.1;
    (mu, on)
}

/// On rows that the surrogate was not fitted to: the mean square-root likelihood ratio of the
/// row before, and how often a random other row explains an output better.
fn held_out(surrogate: &Surrogate, supported: &[bool], rows: &[(Sketch, usize)]) -> (Rate, Rate) {
    let rows = &rows[(rows.len() as f64 * FITTED) as usize..];
    let predicted: Vec<Vec<f64>> = rows
        .iter()
        .map(|(sketch, _)| surrogate.predict(sketch))
        .collect();
    let mut random = super::scales::Random::new(17);
    let (mut lag, mut decoupling) = (Rate::default(), Rate::default());
    for (i, (_, category)) in rows.iter().enumerate() {
        if !supported[*category] {
            continue;
        }
        let own = predicted[i][*category].ln();
        let before = predicted[i.saturating_sub(1)][*category].ln() - own;
        if before.abs() > 0.5 {
            lag.hits += (before / 2.0).exp().min(20.0);
            lag.trials += 1.0;
        }
        let other = predicted[random.below(rows.len())][*category].ln() - own;
        if other.abs() > 0.5 {
            decoupling.add(other > 0.0);
        }
    }
    (lag, decoupling)
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
