//! Decoupling: an output fits the input of some other row better than its own.
//!
//! With `x_j` drawn among the last 256 scored rows, `D = 1[p(c_i | x_j) > p(c_i | x_i)]`. If the
//! surrogate is calibrated, the chance of it given both inputs is
//! `e = sum_c p(c | x_i) 1[p(c | x_j) > p(c | x_i)]`, over the categories whose log ratio is
//! beyond 0.5, so that an ambiguous input expects to be explained by others.
//! `X = D / G_1.5(max(e, 0.03))` has mean at most 1; 1.05 times the held-out mean is allowed.
//! *Fast decoupling* is the same over replies that came quicker than health ever is.

use super::ecusum::{Null, Off, Rate, grow};
use super::lag::CLEAR;
use super::scales::Random;
use std::collections::VecDeque;

const ODDS: f64 = 1.5;
const FLOOR: f64 = 0.03;
const SLACK: f64 = 1.05;
/// Scored rows among which the other input is drawn.
const POOL: usize = 256;
/// Held-out rows that a null is learned from, at the least.
const FEWEST: f64 = 40.0;
/// Decoupled rows in health, above which the surrogate knows too little.
const MOST: f64 = 0.45;

/// Whether `other` explains the category better than `own`, and the null mean of that; `None`
/// where the two hardly differ.
pub(super) fn compare(
    own: &[f64],
    other: &[f64],
    category: usize,
    supported: &[bool],
) -> Option<(bool, f64)> {
    let clear = CLEAR.exp();
    if other[category] < own[category] * clear && own[category] < other[category] * clear {
        return None;
    }
    let (mut above, mut all) = (0.0, 0.0);
    for ((own, other), supported) in own.iter().zip(other).zip(supported) {
        if *supported && *other > own * clear {
            above += own;
            all += own;
        } else if *supported && *own > other * clear {
            all += own;
        }
    }
    let expected = grow(f64::max(above / all, FLOOR), ODDS);
    Some((other[category] > own[category], expected))
}

/// The null from held-out rows: `decoupled` counts them, `x` sums `X`.
pub(super) fn null(decoupled: Rate, x: Rate) -> Null {
    Null {
        mu: SLACK * (x.hits / x.trials.max(1.0)).max(1.0),
        off: (x.trials < FEWEST || decoupled.bound(ODDS, FLOOR) >= MOST)
            .then_some(Off::Unpredictable),
    }
}

/// What the surrogate predicted for the last scored rows.
#[derive(Debug)]
pub(super) struct Pool {
    rows: VecDeque<Vec<f64>>,
    random: Random,
}

impl Pool {
    pub(super) fn new() -> Self {
        Pool {
            rows: VecDeque::new(),
            random: Random::new(19),
        }
    }

    /// The prediction for a row drawn at random.
    pub(super) fn draw(&mut self) -> Option<&Vec<f64>> {
        let at = self.random.below(self.rows.len());
        self.rows.get(at)
    }

    pub(super) fn push(&mut self, predicted: Vec<f64>) {
        if self.rows.len() == POOL {
            self.rows.pop_front();
        }
        self.rows.push_back(predicted);
    }
}
