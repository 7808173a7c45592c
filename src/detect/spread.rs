//! Outputs that differ by noise only: their spread is a small part of what it was.

use super::Verdict;
use super::constant::{ENOUGH, surprise};
use super::recent::{Recent, Scored};
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
    /// The healthy standard deviation of the version before, in its widest column.
    before: Option<f64>,
    learned: u64,
    /// Sum and sum of squares of each column over the first [`LEARN`] rows.
    sums: Vec<(f64, f64)>,
    current: Option<Verdict>,
}

/// Outputs that hardly spread.
struct Narrow {
    /// Of the `rows` that are looked back on before them, those that lay among them.
    same: u64,
    rows: u64,
    verdict: Verdict,
}

impl Spread {
    pub(super) fn new(before: Option<f64>) -> Self {
        Spread {
            before,
            ..Spread::default()
        }
    }

    /// The standard deviation in the widest column; `None` before it is learned.
    pub(super) fn widest(&self) -> Option<f64> {
        let deviations = (0..self.sums.len()).map(|column| self.deviation(column));
        (self.learned >= LEARN).then(|| deviations.fold(0.0, f64::max))
    }

    /// Takes the newest row of `recent`, whose numbers are `values`.
    pub(super) fn observe(&mut self, recent: &Recent, values: &[f64], kind: ValueKind) {
        if kind != ValueKind::Float || values.is_empty() {
            return;
        }
        if self.sums.len() != values.len() {
            *self = Spread {
                sums: vec![(0.0, 0.0); values.len()],
                ..Spread::new(self.before)
            };
        }
        let learning = self.learned < LEARN;
        if learning {
            self.learned += 1;
            for (sum, value) in self.sums.iter_mut().zip(values) {
                *sum = (sum.0 + value, sum.1 + value * value);
            }
        }
        // Until it knows itself, it is measured by the version before; and later too, since one
        // that never spread has learned nothing of health.
        let mut found = self.judge_by_before(recent);
        if found.is_none() && !learning {
            found = self.judge(recent, |column| Some(self.deviation(column)));
            // A score that saturates in health is often as narrow: a run of it must be a surprise.
            let surprising =
                |found: &Narrow| surprise(ROWS as u64, found.same, found.rows) >= ENOUGH;
            found = found.filter(|found| self.current.is_some() || surprising(found));
        }
        let mut found = found.map(|found| found.verdict);
        if let (Some(found), Some(standing)) = (&mut found, &self.current) {
            found.onset_row = standing.onset_row;
        }
        self.current = found;
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.current.clone().unwrap_or_else(Verdict::quiet)
    }

    /// A new version may give its output in another unit: then it spreads less, yet no less for
    /// the size of its numbers.
    fn judge_by_before(&self, recent: &Recent) -> Option<Narrow> {
        let before = self.before?;
        let values = || recent.newest().take(ROWS).flat_map(|row| row.values.iter());
        let largest = values().fold(0.0_f64, |most, value| most.max(value.abs()));
        self.judge(recent, |_| Some(before.min(largest)))
    }

    fn deviation(&self, column: usize) -> f64 {
        let n = self.learned.max(1) as f64;
        let (sum, squares) = self.sums[column];
        ((squares / n) - (sum / n).powi(2)).max(0.0).sqrt()
    }

    /// `healthy` is the standard deviation that a column should have.
    fn judge(&self, recent: &Recent, healthy: impl Fn(usize) -> Option<f64>) -> Option<Narrow> {
        let rows: Vec<_> = recent.newest().take(ROWS).collect();
        let first = rows.last().filter(|_| rows.len() == ROWS)?;
        if rows.iter().all(|row| row.output == first.output) {
            return None;
        }
        let mut worst: f64 = 0.0;
        let mut bounds = Vec::with_capacity(self.sums.len());
        for column in 0..self.sums.len() {
            let deviation = healthy(column)?;
            let (low, high) = rows
                .iter()
                .filter_map(|row| row.values.get(column))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                    (low.min(*value), high.max(*value))
                });
            bounds.push((low - PART * deviation, high + PART * deviation));
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
            let alike = |row: &&Scored| {
                let mut columns = row.values.iter().zip(&bounds);
                columns.all(|(value, (low, high))| low <= value && value <= high)
            };
            let onset = recent.newest().take_while(alike).last().unwrap_or(first);
            let older = || recent.newest().skip(ROWS);
            Narrow {
                same: older().filter(alike).count() as u64,
                rows: older().count() as u64,
                verdict: Verdict::of(Level::Damning, Kind::NearConstant, 0.999, onset.row, evidence),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of `rows` outputs of two columns, each `middle` with a spread of `width`.
    fn said(before: Option<f64>, middle: f64, width: f64, rows: u64) -> Verdict {
        let (mut spread, mut recent) = (Spread::new(before), Recent::default());
        let mut rng = fastrand::Rng::with_seed(7);
        for row in 0..rows {
            let value = middle + width * (rng.f64() - 0.5);
            let values = [value, 2.0 * middle - value];
            recent.observe(row, row, &values);
            spread.observe(&recent, &values, ValueKind::Float);
        }
        spread.verdict()
    }

    #[test]
    fn a_new_version_is_measured_by_the_one_before() {
        for rows in [48, 199, 200, 201, 1000] {
            let noise = said(Some(0.2), 0.1, 1e-4, rows);
            assert_eq!(noise.kind, Some(Kind::NearConstant), "{rows}");
            assert_eq!(noise.onset_row, Some(0), "{rows}");
            assert_eq!(said(Some(0.2), 0.1, 0.1, rows).kind, None, "{rows}");
            assert_eq!(said(None, 0.1, 1e-4, rows).kind, None, "{rows}");
        }
        assert_eq!(said(Some(0.2), 0.1, 1e-4, 47).kind, None);
    }

    #[test]
    fn another_unit_is_no_noise() {
        // Thousands where there were ones.
        assert_eq!(said(Some(200.0), 0.3, 0.4, 500).kind, None);
    }

    #[test]
    fn a_score_that_is_often_saturated_is_no_noise() {
        // `often` of the outputs in health, and then all, are 1 but for noise.
        let raised = |often: f64| {
            let (mut spread, mut recent) = (Spread::new(None), Recent::default());
            let mut rng = fastrand::Rng::with_seed(3);
            let mut raised = Vec::new();
            for row in 0..600 {
                let saturated = row >= 400 || rng.f64() < often;
                let value = match saturated {
                    true => 1.0 - 1e-6 * rng.f64(),
                    false => rng.f64(),
                };
                recent.observe(row, row, &[value]);
                spread.observe(&recent, &[value], ValueKind::Float);
                if spread.verdict().kind == Some(Kind::NearConstant) {
                    raised.push(row);
                }
            }
            raised
        };
        assert!(raised(0.8).is_empty());
        // And one that is seldom is raised, and stands.
        assert!(raised(0.2).iter().copied().eq(447..600));
    }
}
