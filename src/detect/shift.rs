//! Inputs that have moved away from those of the warm-up: slowly, or because the traffic comes
//! sorted. What the surrogate expects there is a guess, so the tests that ask it pause; repeats
//! count for less, because a narrower traffic repeats outputs more often.
//!
//! Averages over the last [`MEMORY`] scored rows, exponentially weighted. Moved: the mean square
//! shift of the columns, in units of their variance, is above [`MOVED`]; or the collision
//! probability of the bins along a main axis of the inputs is [`CROWDED`] times that of the
//! warm-up. Over once both are below half of that. Only inputs decide, so no fault of the model
//! can pause a test.

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
        }
    }

    /// Whether all parts have the sizes that are looked up.
    pub(super) fn fits(&self) -> bool {
        self.shares.len() == AXES * BINS
    }
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
        let crowd = |shares: &[f32]| shares.iter().map(|share| share * share).sum::<f32>();
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
}
