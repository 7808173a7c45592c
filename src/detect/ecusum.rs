//! e-CUSUM: evidence that a rate is above its null, in a form that may be looked at after every
//! unit without paying for it.
//!
//! `S <- max(S, 1) * (1 + c * (X / mu - 1))` for several bets `c`; the mean over the bets is the
//! evidence. If the conditional mean of `X` is at most `mu`, the expected number of units before
//! the evidence reaches `1 / alpha` by chance is at least `1 / alpha`. Source: Shin, Ramdas,
//! Rinaldo, "E-detectors" (New England Journal of Statistics in Data Science, 2023).

use serde::{Deserialize, Serialize};

/// Bets: small ones for small shares, large ones for quick collapses.
const BETS: [f64; 5] = [0.03, 0.1, 0.3, 0.6, 0.9];

/// The evidence of one test.
#[derive(Debug, Clone)]
pub(super) struct ECusum {
    sums: [f64; 5],
    /// Upper bound of the mean of `X` in health; values above are evidence.
    mu: f64,
    /// Row at which the evidence last began to grow: the estimate of the onset.
    start: u64,
}

impl ECusum {
    pub(super) fn new(mu: f64) -> Self {
        ECusum {
            sums: [0.0; 5],
            mu,
            start: 0,
        }
    }

    /// Takes the mean of `X` over one unit that began at `row`.
    pub(super) fn add(&mut self, x: f64, row: u64) {
        if self.sums.iter().all(|sum| *sum <= 1.0) {
            self.start = row;
        }
        for (sum, bet) in self.sums.iter_mut().zip(BETS) {
            // Capped where it can still fall back: a night of evidence is no more than enough.
            *sum = (sum.max(1.0) * (1.0 + bet * (x / self.mu - 1.0))).min(1e30);
        }
    }

    /// The evidence: 1 or less says nothing.
    pub(super) fn evidence(&self) -> f64 {
        self.sums.iter().sum::<f64>() / BETS.len() as f64
    }

    /// Row at which the evidence began to grow.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Begins anew.
    pub(super) fn reset(&mut self) {
        self.sums = [0.0; 5];
    }
}

/// What a test expects in health.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Null {
    /// Upper bound of the mean of `X`.
    pub(super) mu: f64,
    /// Why the test cannot be trusted on this model, if it cannot.
    pub(super) off: Option<Off>,
}

/// Why a test switched itself off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Off {
    /// Half of the outputs, or a fifth of their cells, come again in health.
    Coarse,
    /// Hardly any input came again while learning.
    FewRepeats,
    /// The model draws at random.
    Stochastic,
    /// New values are usual.
    OpenVocabulary,
    /// The inputs say too little of the outputs.
    Unpredictable,
    /// The inputs have moved away from those it was learned on.
    Moved,
}

impl Off {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Off::Coarse => "outputs repeat in health",
            Off::FewRepeats => "hardly any input came again while learning",
            Off::Stochastic => "the model draws at random",
            Off::OpenVocabulary => "new values are usual",
            Off::Unpredictable => "the inputs say too little of the outputs",
            Off::Moved => "the inputs have moved away from those it was learned on",
        }
    }
}

/// A learned rate: hits among trials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rate {
    pub(super) hits: f64,
    pub(super) trials: f64,
}

impl Rate {
    pub(super) fn add(&mut self, hit: bool) {
        self.hits += f64::from(u8::from(hit));
        self.trials += 1.0;
    }

    /// Whether there were enough trials to say anything.
    pub(super) fn is_learned(self) -> bool {
        self.trials >= 40.0
    }

    pub(super) fn share(self) -> f64 {
        self.hits / self.trials.max(1.0)
    }

    /// Upper bound of the rate, floored, its odds allowed to grow by `odds`. 1 with fewer than
    /// 40 trials: nothing was learned.
    pub(super) fn bound(self, odds: f64, floor: f64) -> f64 {
        if !self.is_learned() {
            return 1.0;
        }
        let p = self.hits / self.trials;
        let upper = p + 2.0 * (p * (1.0 - p) / self.trials).sqrt() + 2.0 / self.trials;
        grow(upper.max(floor), odds)
    }
}

/// `g p / (1 + (g - 1) p)`: the probability `p` after its odds grew `g`-fold.
pub(super) fn grow(p: f64, g: f64) -> f64 {
    g * p / (1.0 + (g - 1.0) * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collapse_is_found_in_tens_of_units_and_its_onset_is_kept() {
        let mut test = ECusum::new(0.01);
        for row in 0..1000 {
            test.add(f64::from(u8::from(row % 200 == 0)), row);
        }
        assert!(test.evidence() < 1e3);
        let mut units = 0;
        while test.evidence() < 1e7 {
            test.add(1.0, 1000 + units);
            units += 1;
        }
        assert!(units <= 8, "{units}");
        assert!(test.start() >= 800, "{}", test.start());
    }

    #[test]
    fn under_the_null_it_stays_small() {
        // Bernoulli(mu) by a fixed generator: 100,000 units, and never near 1e7.
        let (mut test, mut state, mut worst) = (ECusum::new(0.05), 1_u64, 0.0_f64);
        for row in 0..100_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            test.add(
                f64::from(u8::from(
                    (state >> 33) as f64 / f64::from(1_u32 << 31) < 0.05,
                )),
                row,
            );
            worst = worst.max(test.evidence());
        }
        assert!(worst < 1e6, "{worst}");
    }

    #[test]
    fn bounds() {
        assert_eq!(
            Rate {
                hits: 0.0,
                trials: 39.0
            }
            .bound(1.5, 0.003),
            1.0
        );
        let rate = Rate {
            hits: 0.0,
            trials: 2000.0,
        }
        .bound(1.0, 0.003);
        assert!((rate - 0.003).abs() < 1e-12);
        assert!((grow(0.5, 3.0) - 0.75).abs() < 1e-12);
    }
}
