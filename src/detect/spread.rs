//! Outputs that differ by noise only: their spread is a small part of what it was.

use super::Verdict;
use super::recent::Recent;
use super::rows::ValueKind;
use crate::alert::Level;
use crate::report::Kind;

/// Rows over which the spread is taken.
const ROWS: usize = 48;
/// Rows that teach what the spread is in health.
const LEARN: u64 = 200;
/// A spread below this part of the healthy standard deviation, in every column, is noise.
const PART: f64 = 0.05;

/// What the spread was in health, and what it is.
#[derive(Debug, Default)]
pub(super) struct Spread {
    learned: u64,
    /// Sum and sum of squares of each column over the first [`LEARN`] rows.
    sums: Vec<(f64, f64)>,
    current: Option<Verdict>,
}

impl Spread {
    /// Takes the newest row of `recent`, whose numbers are `values`.
    pub(super) fn observe(&mut self, recent: &Recent, values: &[f64], kind: ValueKind) {
        if kind != ValueKind::Float || values.is_empty() {
            return;
        }
        if self.sums.len() != values.len() {
            *self = Spread {
                sums: vec![(0.0, 0.0); values.len()],
                ..Spread::default()
            };
        }
        if self.learned < LEARN {
            self.learned += 1;
            for (sum, value) in self.sums.iter_mut().zip(values) {
                *sum = (sum.0 + value, sum.1 + value * value);
            }
            return;
        }
        self.current = self.judge(recent);
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.current.clone().unwrap_or_else(Verdict::quiet)
    }

    fn judge(&self, recent: &Recent) -> Option<Verdict> {
        let rows: Vec<_> = recent.newest().take(ROWS).collect();
        let first = rows.last().filter(|_| rows.len() == ROWS)?;
        if rows.iter().all(|row| row.output == first.output) {
            return None;
        }
        let mut worst: f64 = 0.0;
        for (column, (sum, squares)) in self.sums.iter().enumerate() {
            let n = self.learned as f64;
            let deviation = ((squares / n) - (sum / n).powi(2)).max(0.0).sqrt();
            let (low, high) = rows
                .iter()
                .filter_map(|row| row.values.get(column))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                    (low.min(*value), high.max(*value))
                });
            if deviation > 0.0 {
                worst = worst.max((high - low) / deviation);
            } else if high > low {
                return None;
            }
        }
        (worst > 0.0 && worst < PART).then(|| {
            let evidence = format!(
                "the last {ROWS} distinct inputs got outputs that spread over {:.2e} of the standard deviation seen before",
                worst
            );
            Verdict::of(Level::Damning, Kind::NearConstant, 0.999, first.row, evidence)
        })
    }
}
