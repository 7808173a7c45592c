//! Inputs that have moved away from those of the warm-up: slowly, or because the traffic comes
//! sorted. What the surrogate expects there is a guess, so the tests that ask it pause; repeats
//! count for less, because a narrower traffic repeats outputs more often.
//!
//! Averages over the last [`MEMORY`] scored rows, exponentially weighted. Moved: the mean square
//! shift of the columns, in units of their variance, is above [`MOVED`]; or the collision
//! probability of the bins along a main axis of the inputs is [`CROWDED`] times that of the
//! warm-up. Over once both are below half of that. Only inputs decide, so no fault of the model
//! can pause a test.
//!
//! The same measures of fewer inputs: those of one call, and those that an alarm rests on.

use super::ecusum::grow;
use super::rows::SKETCH;
use super::scales::Sketch;
use super::segment::{AXES, BINS, Regions};
use serde::{Deserialize, Serialize};

const MEMORY: f32 = 256.0;
/// Rows from one look to the next: averages over so many hardly change in between.
const EVERY: u64 = 8;
const MOVED: f32 = 0.022;
const CROWDED: f32 = 3.0;
/// Columns are cut here, in standard deviations: one wild row moves nothing.
const CUT: f32 = 3.0;
/// Rows of a call whose mean square distance from their middle is below this part of the warm-up's
/// resemble each other; fewer rows than these do not tell.
const ALIKE: f32 = 0.3;
const FEWEST: f32 = 4.0;
/// Odds by which outputs may come again more often while the inputs have moved, and the null mean
/// above which that is anybody's guess.
const ODDS: f64 = 3.0;
const RARE: f64 = 0.05;

/// Where the warm-up's inputs were along the main axes: share of each bin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Usual {
    shares: Vec<f32>,
    /// Columns that vary at all.
    columns: f32,
    /// Mean square distance of the inputs from their middle.
    spread: f32,
}

impl Usual {
    pub(super) fn learn(rows: &[(Sketch, usize)], regions: &Regions) -> Self {
        let mut shares = vec![0.0; AXES * BINS];
        let mut varies = [false; SKETCH];
        for (row, _) in rows {
            for bin in regions.of(row).take(AXES) {
                shares[bin] += 1.0 / rows.len() as f32;
            }
            for (varies, x) in varies.iter_mut().zip(row) {
                *varies |= *x != 0.0;
            }
        }
        Usual {
            shares,
            columns: varies.iter().filter(|varies| **varies).count().max(1) as f32,
            spread: spread(rows.iter().map(|(row, _)| row)).1,
        }
    }

    /// Whether all parts have the sizes that are looked up.
    pub(super) fn fits(&self) -> bool {
        self.shares.len() == AXES * BINS
    }

    /// Whether the inputs of a call resemble each other more than those of the warm-up did: what
    /// the model says of one of them it says of all.
    pub(super) fn are_alike<'a>(&self, rows: impl Iterator<Item = &'a Sketch>) -> bool {
        let (count, spread) = spread(rows);
        count >= FEWEST && spread < ALIKE * self.spread
    }

    /// Whether inputs are crowded as the average of the traffic must not be: too few rows to have
    /// moved that average may be crowded themselves. Pairs are counted, so that it is unbiased
    /// however few they are.
    pub(super) fn are_crowded<'a>(
        &self,
        regions: &Regions,
        rows: impl Iterator<Item = &'a Sketch>,
    ) -> bool {
        let (mut counts, mut n) = ([0.0_f32; AXES * BINS], 0.0_f32);
        for row in rows {
            n += 1.0;
            regions
                .of(row)
                .take(AXES)
                .for_each(|bin| counts[bin] += 1.0);
        }
        let pairs = |count: &f32| count * (count - 1.0);
        let mut axes = counts
            .chunks_exact(BINS)
            .zip(self.shares.chunks_exact(BINS));
        axes.any(|(now, then)| {
            let now = now.iter().map(pairs).sum::<f32>() / pairs(&n).max(1.0);
            now > CROWDED * crowd(then).max(1e-6)
        })
    }
}

/// Collision probability: the chance that two rows fall into one bin.
fn crowd(shares: &[f32]) -> f32 {
    shares.iter().map(|share| share * share).sum()
}

/// Number of rows, and their mean square distance from their middle; 0 for fewer than two.
fn spread<'a>(rows: impl Iterator<Item = &'a Sketch>) -> (f32, f32) {
    let (mut n, mut sums, mut squares) = (0.0_f32, [0.0_f32; SKETCH], 0.0_f32);
    for row in rows {
        n += 1.0;
        for (sum, x) in sums.iter_mut().zip(row) {
            let x = x.clamp(-CUT, CUT);
            *sum += x;
            squares += x * x;
        }
    }
    let middle = sums.iter().map(|sum| sum * sum).sum::<f32>() / n.max(1.0);
    (n, (squares - middle).max(0.0) / (n - 1.0).max(1.0))
}

/// Where the inputs are now.
#[derive(Debug)]
pub(super) struct Shift {
    means: Sketch,
    shares: Vec<f32>,
    moved: bool,
    rows: u64,
}

impl Shift {
    pub(super) fn new(usual: &Usual) -> Self {
        Shift {
            means: [0.0; SKETCH],
            shares: usual.shares.clone(),
            moved: false,
            rows: 0,
        }
    }

    /// Whether the inputs have moved.
    pub(super) fn has_moved(&self) -> bool {
        self.moved
    }

    /// What a repeat counts for under the null mean `mu`; `None` where it says nothing.
    pub(super) fn worth(&self, mu: f64) -> Option<f64> {
        match self.moved {
            false => Some(1.0),
            true => (mu <= RARE).then(|| mu / grow(mu, ODDS)),
        }
    }

    /// Takes a scored row.
    pub(super) fn observe(&mut self, usual: &Usual, regions: &Regions, row: &Sketch) {
        for (mean, x) in self.means.iter_mut().zip(row) {
            *mean += (x.clamp(-CUT, CUT) - *mean) / MEMORY;
        }
        self.shares
            .iter_mut()
            .for_each(|share| *share *= 1.0 - 1.0 / MEMORY);
        for bin in regions.of(row).take(AXES) {
            self.shares[bin] += 1.0 / MEMORY;
        }
        self.rows += 1;
        if self.rows.is_multiple_of(EVERY) {
            self.moved = self.judge(usual);
        }
    }

    fn judge(&self, usual: &Usual) -> bool {
        let shift = self.means.iter().map(|mean| mean * mean).sum::<f32>() / usual.columns;
        let axes = self
            .shares
            .chunks_exact(BINS)
            .zip(usual.shares.chunks_exact(BINS));
        let crowded = axes.map(|(now, then)| crowd(now) / crowd(then).max(1e-6));
        let most = (shift / MOVED).max(crowded.fold(0.0, f32::max) / CROWDED);
        most > if self.moved { 0.5 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scales::Random;
    use super::*;

    fn rows(random: &mut Random, n: usize) -> Vec<(Sketch, usize)> {
        let row = |random: &mut Random| {
            let mut row = [0.0; SKETCH];
            row[..6]
                .iter_mut()
                .for_each(|x| *x = random.normal() as f32);
            (row, 0)
        };
        (0..n).map(|_| row(random)).collect()
    }

    #[test]
    fn steady_traffic_stays_and_drifting_and_sorted_traffic_moves() {
        let mut random = Random::new(5);
        let warmup = rows(&mut random, 3000);
        let regions = Regions::learn(&warmup, 1);
        let usual = Usual::learn(&warmup, &regions);
        let mut shift = Shift::new(&usual);
        let mut later = rows(&mut random, 4000);
        for (row, _) in &later {
            shift.observe(&usual, &regions, row);
            assert!(!shift.has_moved());
        }
        let along = |row: &Sketch| regions.of(row).next().unwrap_or(0);
        later.sort_by_key(|(row, _)| along(row));
        let mut moved = 0;
        for (row, _) in &later {
            shift.observe(&usual, &regions, row);
            moved += u32::from(shift.has_moved());
        }
        assert!(moved > 3500, "{moved}");
        let mut shift = Shift::new(&usual);
        for (mut row, _) in rows(&mut random, 600) {
            row[..6].iter_mut().for_each(|x| *x += 0.4);
            shift.observe(&usual, &regions, &row);
        }
        assert!(shift.has_moved());
    }

    #[test]
    fn a_group_is_alike_and_crowded_and_random_inputs_are_neither() {
        let mut random = Random::new(7);
        let warmup = rows(&mut random, 3000);
        let regions = Regions::learn(&warmup, 1);
        let usual = Usual::learn(&warmup, &regions);
        let is_alike = |call: &[(Sketch, usize)]| usual.are_alike(call.iter().map(|(row, _)| row));
        let is_crowded =
            |call: &[(Sketch, usize)]| usual.are_crowded(&regions, call.iter().map(|(row, _)| row));
        let (mut alike, mut crowded) = (0, 0);
        for _ in 0..200 {
            let call = rows(&mut random, 24);
            assert!(!is_alike(&call));
            assert!(!is_crowded(&call));
            let mut group = rows(&mut random, 24);
            for (row, _) in &mut group {
                for (x, middle) in row.iter_mut().zip(&call[0].0) {
                    *x = middle + 0.15 * (*x - middle);
                }
            }
            assert!(!is_alike(&group[..3]), "too few to tell");
            alike += u32::from(is_alike(&group));
            crowded += u32::from(is_crowded(&group));
        }
        assert!(alike == 200 && crowded > 190, "{alike} {crowded}");
        for none in [&warmup[..0], &warmup[..1]] {
            assert!(!is_alike(none) && !is_crowded(none));
        }
    }
}
