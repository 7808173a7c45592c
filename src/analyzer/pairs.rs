//! Pairs of rows: counters that add up over replicas, so that a fleet is judged from sums though
//! no replica has seen enough by itself. `docs/fleet.md` says how they are read.
//!
//! Each row is paired with the `RING` rows before it of the same series. Of a pair it is asked,
//! in order, whether the inputs differ as sent, whether they differ as the model saw them, whether
//! it is evidence (the newer input is new to the sliding window, both outputs are finite), and
//! whether the outputs are equal, byte for byte.

use crate::window::Row;

/// Rows that a row is paired with.
pub const RING: usize = 32;
/// Compared pairs from which the ratio under health is learned.
const LEARN: u64 = 4096;
/// Compared pairs from which an output is seen to vary: those of about a dozen rows.
const VARIES: u64 = 64;
/// Odds of a collision may grow this much without anything being wrong.
const ODDS: f64 = 1.5;
/// Collisions are never believed to be rarer than this.
const LEAST: f64 = 0.01;
/// Nor, of a continuous output whose older versions nobody saw, commoner than this.
const MOST_CONTINUOUS: f64 = 0.25;

/// Counts since the series began; all of them only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Rows.
    pub rows: u64,
    /// Rows with NaN or infinity.
    pub non_finite_rows: u64,
    /// Pairs of rows.
    pub pairs: u64,
    /// Pairs whose inputs differ as the client sent them.
    pub distinct_input_pairs: u64,
    /// Pairs whose inputs differ as the model saw them.
    pub distinct_effective_pairs: u64,
    /// Those of the latter that are evidence.
    pub compared_pairs: u64,
    /// Compared pairs with equal outputs.
    pub colliding_pairs: u64,
    /// Compared pairs that would have equal outputs under health: a sum of probabilities.
    pub expected_colliding_pairs: f64,
}

impl Tally {
    /// Adds what came since `before`.
    pub(super) fn add_since(&mut self, before: &Tally, now: &Tally) {
        self.rows += now.rows - before.rows;
        self.non_finite_rows += now.non_finite_rows - before.non_finite_rows;
        self.pairs += now.pairs - before.pairs;
        self.distinct_input_pairs += now.distinct_input_pairs - before.distinct_input_pairs;
        self.distinct_effective_pairs +=
            now.distinct_effective_pairs - before.distinct_effective_pairs;
        self.compared_pairs += now.compared_pairs - before.compared_pairs;
        self.colliding_pairs += now.colliding_pairs - before.colliding_pairs;
        self.expected_colliding_pairs +=
            now.expected_colliding_pairs - before.expected_colliding_pairs;
    }

    /// Share of compared pairs that collided; `None` before enough were compared.
    fn ratio(&self) -> Option<f64> {
        (self.compared_pairs >= LEARN)
            .then(|| self.colliding_pairs as f64 / self.compared_pairs as f64)
    }
}

/// The pairs of one series. A row costs 32 comparisons; memory: 1 KiB.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    ring: Vec<(Row, bool)>,
    oldest: usize,
    tally: Tally,
    /// Ratio of the version before.
    prior: Option<f64>,
    /// Ratio of this version while it was healthy.
    learned: Option<f64>,
    /// Whether equal outputs are no evidence at all.
    pub(super) is_meant: bool,
}

impl Pairs {
    /// Pairs of a version that follows one with this ratio.
    pub(super) fn after(prior: Option<f64>) -> Self {
        Pairs {
            prior,
            ..Pairs::default()
        }
    }

    /// Whether all distinct inputs so far got one output.
    pub(super) fn is_one(&self) -> bool {
        self.tally.compared_pairs > 0 && self.tally.colliding_pairs == self.tally.compared_pairs
    }

    /// Whether distinct inputs mostly get distinct outputs, over a few rows at least.
    pub(super) fn varies(&self) -> bool {
        self.tally.compared_pairs >= VARIES
            && self.tally.colliding_pairs * 2 < self.tally.compared_pairs
    }

    /// What was counted.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The ratio under health, for the version that comes after.
    pub(super) fn ratio(&self) -> Option<f64> {
        self.learned.or(self.prior)
    }

    /// Takes a row. `new` says that its input is new to the window, `finite` that its output is a
    /// number, `continuous` that equal outputs are rare by nature.
    pub(super) fn record(&mut self, row: Row, new: bool, finite: bool, continuous: bool) {
        let expected = self.expected(continuous);
        let tally = &mut self.tally;
        tally.rows += 1;
        tally.non_finite_rows += u64::from(!finite);
        for (other, other_finite) in &self.ring {
            let differ = other.effective != row.effective;
            let evidence = differ && new && finite && *other_finite;
            tally.pairs += 1;
            tally.distinct_input_pairs += u64::from(other.raw != row.raw);
            tally.distinct_effective_pairs += u64::from(differ);
            tally.compared_pairs += u64::from(evidence);
            tally.colliding_pairs += u64::from(evidence && other.output == row.output);
            tally.expected_colliding_pairs += if evidence { expected } else { 0.0 };
        }
        if self.ring.len() < RING {
            self.ring.push((row, finite));
        } else {
            self.ring[self.oldest] = (row, finite);
            self.oldest = (self.oldest + 1) % RING;
        }
    }

    /// Learns from what was compared so far, once; not while the series is in trouble.
    pub(super) fn learn(&mut self) {
        if self.learned.is_none() {
            self.learned = self.tally.ratio();
        }
    }

    /// Probability that a compared pair collides under health; 1 where nothing is known, so that
    /// a collision says nothing there.
    fn expected(&self, continuous: bool) -> f64 {
        if self.is_meant {
            return 1.0;
        }
        let ratio = match (self.prior, self.learned) {
            (Some(prior), _) => prior,
            (None, Some(learned)) if continuous => learned.min(MOST_CONTINUOUS),
            (None, Some(learned)) => learned,
            (None, None) if continuous => 0.0,
            (None, None) => return 1.0,
        };
        (ODDS * ratio / (1.0 + (ODDS - 1.0) * ratio)).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(input: u64, output: u64) -> Row {
        Row {
            raw: input,
            effective: input,
            output,
        }
    }

    fn fed(outputs: impl Iterator<Item = u64>, continuous: bool) -> Pairs {
        let mut pairs = Pairs::default();
        for (i, output) in outputs.enumerate() {
            pairs.record(row(i as u64, output), true, true, continuous);
            pairs.learn();
        }
        pairs
    }

    #[test]
    fn counts_as_counting_by_hand_does() {
        let rows: Vec<Row> = (0..300_u64).map(|i| row(i * 7 % 41, i * i % 5)).collect();
        let mut pairs = Pairs::default();
        for row in &rows {
            pairs.record(*row, true, true, true);
        }
        let mut by_hand = (0, 0, 0);
        for i in 0..rows.len() {
            for j in i.saturating_sub(RING)..i {
                let differ = rows[i].raw != rows[j].raw;
                by_hand.0 += 1;
                by_hand.1 += u64::from(differ);
                by_hand.2 += u64::from(differ && rows[i].output == rows[j].output);
            }
        }
        let tally = pairs.tally();
        assert_eq!(
            (tally.pairs, tally.compared_pairs, tally.colliding_pairs),
            by_hand
        );
    }

    #[test]
    fn the_ratio_is_the_probability_that_two_outputs_are_equal() {
        let mut random = fastrand::Rng::with_seed(5);
        let pairs = fed((0..20_000).map(|_| random.u64(..10)), false);
        let tally = pairs.tally();
        let ratio = tally.colliding_pairs as f64 / tally.compared_pairs as f64;
        assert!((ratio - 0.1).abs() < 0.01, "{ratio}");
        let expected = tally.expected_colliding_pairs / tally.compared_pairs as f64;
        assert!(expected > ratio && expected < 0.5, "{expected}");
    }

    #[test]
    fn a_flat_class_says_nothing_and_a_flat_vector_much() {
        let coarse = *fed((0..100).map(|_| 1), false).tally();
        assert!((coarse.expected_colliding_pairs - coarse.compared_pairs as f64).abs() < 1e-9);
        let vector = *fed((0..100).map(|_| 1), true).tally();
        assert_eq!(vector.colliding_pairs, vector.compared_pairs);
        assert!(vector.expected_colliding_pairs < 0.02 * vector.compared_pairs as f64);
    }

    #[test]
    fn a_new_version_is_held_against_the_one_before() {
        let mut random = fastrand::Rng::with_seed(6);
        let old = fed((0..2000).map(|_| random.u64(..10)), false);
        let mut new = Pairs::after(old.ratio());
        for i in 0..60 {
            new.record(row(i, 1), true, true, false);
        }
        let tally = new.tally();
        assert_eq!(tally.colliding_pairs, tally.compared_pairs);
        assert!(tally.expected_colliding_pairs < 0.3 * tally.compared_pairs as f64);
    }

    #[test]
    fn repeated_inputs_and_broken_outputs_are_no_evidence() {
        let mut pairs = Pairs::default();
        pairs.record(row(1, 1), true, true, true);
        pairs.record(row(2, 1), false, true, true);
        pairs.record(row(3, 1), true, false, true);
        let tally = pairs.tally();
        assert_eq!((tally.pairs, tally.compared_pairs), (3, 0));
        assert_eq!((tally.rows, tally.non_finite_rows), (3, 1));
    }
}
