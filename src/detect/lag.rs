//! Lag: each output fits the input before better than its own.
//!
//! `X = min(20, sqrt(p(c_i | x_{i-1}) / p(c_i | x_i)))` where the logarithm of the ratio is beyond
//! 0.5 either way; the mean of a square-root likelihood ratio is at most 1 if the surrogate is
//! calibrated, and 1.05 times the held-out mean is allowed. Taken over all rows in the order of
//! the replies, and by connection, because replies of different connections may overtake.

use super::ecusum::{Null, Off, Rate};
use std::collections::HashMap;

/// Log ratios below this say nothing.
pub(super) const CLEAR: f64 = 0.5;
const MOST: f64 = 20.0;
const SLACK: f64 = 1.05;
/// Connections whose last row is kept.
const CONNECTIONS: usize = 256;
/// Held-out rows that a null is learned from, at the least.
const FEWEST: f64 = 40.0;

/// Square root of how much better `before` explains the category than `own` does; `None` where
/// the two hardly differ.
pub(super) fn ratio(before: &[f64], own: &[f64], category: usize) -> Option<f64> {
    let log = (before[category] / own[category]).ln();
    (log.abs() > CLEAR).then(|| (log / 2.0).exp().min(MOST))
}

/// The null from held-out rows: sum of the ratios, and their number.
pub(super) fn null(held_out: Rate) -> Null {
    Null {
        mu: SLACK * (held_out.hits / held_out.trials.max(1.0)).max(1.0),
        off: (held_out.trials < FEWEST).then_some(Off::Unpredictable),
    }
}

/// What the surrogate predicted for the rows before.
#[derive(Debug, Default)]
pub(super) struct Lag {
    last: Option<Vec<f64>>,
    by_connection: HashMap<u64, Option<Vec<f64>>>,
}

impl Lag {
    /// The ratio against the row before, overall and on the same connection.
    pub(super) fn ratios(
        &self,
        own: &[f64],
        category: usize,
        connection: u64,
    ) -> (Option<f64>, Option<f64>) {
        let of = |before: &Vec<f64>| ratio(before, own, category);
        let here = self.by_connection.get(&connection);
        (
            self.last.as_ref().and_then(of),
            here.and_then(Option::as_ref).and_then(of),
        )
    }

    /// `predicted` is `None` for a row that is not scored.
    pub(super) fn remember(&mut self, predicted: Option<&Vec<f64>>, connection: u64) {
        if self.by_connection.len() >= CONNECTIONS && !self.by_connection.contains_key(&connection)
        {
            // A server of so many connections is judged by the overall order alone for a while.
            self.by_connection.clear();
        }
        self.by_connection.insert(connection, predicted.cloned());
        self.last = predicted.cloned();
    }
}
