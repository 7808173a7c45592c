//! Byte-equal outputs for distinct inputs.
//!
//! Under health a run of `r` equal outputs of share `q` has probability `q^r`. The share is that
//! before the run, one success and one failure added, and its odds may have grown threefold
//! meanwhile (a shift of the traffic): `g(q) = 3q / (1 + 2q)`. Firing needs `q^r <= 1e-7`, and a
//! run that no sorted traffic makes: longer where the output can take few values.

use super::Verdict;
use super::recent::Recent;
use super::rows::ValueKind;
use crate::alert::Level;
use crate::report::Kind;

/// `ln(1e7)`: one false alarm in ten million starts of a run.
const ENOUGH: f64 = 16.1;
/// Odds of an output may grow this much without anything being wrong.
const ODDS: f64 = 3.0;
/// Shares below this are not believed: the next output is never known that well.
const LEAST_SHARE: f64 = 0.05;
/// Shortest damning run of a continuous output, and of one with few values.
const SHORTEST: u64 = 32;
const SHORTEST_COARSE: u64 = 150;
/// The same before anything else was ever seen: a float vector, a scalar or class.
const COLD: u64 = 64;
const COLD_COARSE: u64 = 2000;
/// Outputs with fewer values than this in their history are coarse.
const FEW: usize = 64;
/// Scored rows before a history says anything.
const HISTORY: u64 = 200;
/// Of the last this many rows, fewer than half equal: over.
const OVER: usize = 64;

/// The longest run that ends with the newest row.
#[derive(Debug, Default)]
pub(super) struct Constant {
    output: u64,
    run: u64,
    since_row: u64,
    /// Rows and equal outputs before the run.
    before: (u64, u64),
    coarse: bool,
    /// Fires until the output varies again.
    firing: Option<Verdict>,
}

impl Constant {
    /// Takes the newest row of `recent`.
    pub(super) fn observe(&mut self, recent: &Recent, kind: ValueKind, width: usize) {
        let Some(newest) = recent.newest().next() else {
            return;
        };
        if self.run > 0 && newest.output == self.output {
            self.run += 1;
        } else {
            self.before = recent.before(1, newest.output);
            (self.output, self.run, self.since_row) = (newest.output, 1, newest.row);
            let few = self.before.0 >= HISTORY && recent.older_outputs() < FEW;
            self.coarse = kind != ValueKind::Float || few || (width < 2 && self.before.0 < HISTORY);
        }
        let verdict = self.judge();
        if verdict.level == Level::Damning {
            self.firing = Some(verdict);
        } else if let Some(firing) = &self.firing {
            let top = most_common(recent);
            if recent
                .newest()
                .take(OVER)
                .filter(|row| row.output == top)
                .count()
                * 2
                < OVER
                && newest.row > firing.onset_row.unwrap_or(0)
            {
                self.firing = None;
            }
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.firing.clone().unwrap_or_else(|| self.judge())
    }

    fn judge(&self) -> Verdict {
        let (rows, same) = self.before;
        let share = ((same + 1) as f64 / (rows + 2) as f64).max(LEAST_SHARE);
        let share = ODDS * share / (1.0 + (ODDS - 1.0) * share);
        let strength = -(self.run as f64) * share.ln();
        let shortest = match (rows < HISTORY, self.coarse) {
            (true, true) => COLD_COARSE,
            (true, false) => COLD,
            (false, true) => SHORTEST_COARSE,
            (false, false) => SHORTEST,
        };
        let damning = strength >= ENOUGH && self.run >= shortest;
        if !damning && (strength < ENOUGH / 2.0 || self.run * 2 < shortest) {
            return Verdict::quiet();
        }
        let evidence = format!(
            "the last {} distinct inputs got one byte-equal output; before, it came {same} times in {rows} rows",
            self.run
        );
        let level = if damning {
            Level::Damning
        } else {
            Level::Suspicious
        };
        let confidence = if damning {
            1.0 - (-strength).exp().max(1e-9)
        } else {
            0.5
        };
        Verdict::of(level, Kind::Constant, confidence, self.since_row, evidence)
    }
}

fn most_common(recent: &Recent) -> u64 {
    let mut counts = std::collections::BTreeMap::new();
    for row in recent.newest().take(OVER) {
        *counts.entry(row.output).or_insert(0_u32) += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, n)| *n)
        .map_or(0, |(output, _)| output)
}
