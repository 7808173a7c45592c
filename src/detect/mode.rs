//! Mode excess: a category that outgrows what the inputs predict.
//!
//! `X = 1[category = m] / G_3(max(p(m | x), floor_m))` per scored row, with mean at most 1 in
//! health: `p` is the surrogate's, `G_3` lets the odds triple, and the suspect `m` is the category
//! with the largest running excess of `1[category = m] - p(m | x)`, chosen before the unit is
//! looked at, so that the choice is no evidence. Range of `X`: 0 to `1 / G_3(floor)`.

use super::ecusum::grow;

/// Odds by which a category may outgrow its prediction.
pub(super) const ODDS: f64 = 3.0;
/// Scored rows over which the excess is averaged.
const AVERAGED: f64 = 96.0;
/// A category with fewer warm-up rows is rare: its sudden growth may be a new class.
const SUPPORT: usize = 20;
pub(super) const FLOOR: f64 = 0.02;
/// Of a category with less than this share of the warm-up, which may come to be usual.
const UNUSUAL: f64 = 0.02;
const UNUSUAL_FLOOR: f64 = 0.12;
const RARE_FLOOR: f64 = 0.25;

/// Whether a category with `rows` warm-up rows is believed.
pub(super) fn is_supported(rows: usize) -> bool {
    rows >= SUPPORT
}

/// Least probability that a category with `rows` of `all` warm-up rows is tested with.
pub(super) fn floor(rows: usize, all: usize) -> f64 {
    if !is_supported(rows) {
        RARE_FLOOR
    } else if (rows as f64) < UNUSUAL * all as f64 {
        UNUSUAL_FLOOR
    } else {
        FLOOR
    }
}

/// The running excess of each category.
#[derive(Debug)]
pub(super) struct Mode {
    excess: Vec<f64>,
    /// Of the unit that is being read.
    unit: Vec<f64>,
    rows: f64,
    suspect: usize,
}

impl Mode {
    pub(super) fn new(categories: usize) -> Self {
        Mode {
            excess: vec![0.0; categories],
            unit: vec![0.0; categories],
            rows: 0.0,
            suspect: 0,
        }
    }

    /// `X` of a row.
    pub(super) fn add(&mut self, category: usize, predicted: &[f64], floors: &[f64]) -> f64 {
        for (c, (unit, p)) in self.unit.iter_mut().zip(predicted).enumerate() {
            *unit += f64::from(u8::from(c == category)) - p;
        }
        self.rows += 1.0;
        let m = self.suspect;
        f64::from(u8::from(category == m)) / grow(predicted[m].max(floors[m]), ODDS)
    }

    /// Ends the unit and chooses the suspect of the next.
    pub(super) fn end_unit(&mut self) {
        let weight = f64::min(self.rows / AVERAGED, 1.0);
        for (excess, unit) in self.excess.iter_mut().zip(&mut self.unit) {
            *excess = *excess * (1.0 - weight) + weight * *unit / self.rows.max(1.0);
            *unit = 0.0;
        }
        self.rows = 0.0;
        let best = self.excess.iter().enumerate();
        let best = best.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        self.suspect = best.map_or(0, |(category, _)| category);
    }
}
