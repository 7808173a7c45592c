//! Byte-equal outputs for distinct inputs.
//!
//! Under health a run of `r` equal outputs of share `q` has probability `q^r`. The share is that
//! before the run, one success and one failure added, and its odds may have grown threefold
//! meanwhile (a shift of the traffic): `g(q) = 3q / (1 + 2q)`. Firing needs `q^r <= 1e-7`, and a
//! run that no sorted traffic makes: longer where the output can take few values. `r` counts at
//! most four rows of a call, because its rows may resemble each other.

use super::Verdict;
use super::ecusum::grow;
use super::recent::{MOST_OUTPUTS, Recent};
use super::rows::ValueKind;
use crate::alert::Level;
use crate::report::Kind;
use serde::{Deserialize, Serialize};

/// `ln(1e7)`: one false alarm in ten million starts of a run.
pub(super) const ENOUGH: f64 = 16.1;
/// Odds of an output may grow this much without anything being wrong.
const ODDS: f64 = 3.0;
/// Shares below this are not believed: the next output is never known that well.
const LEAST_SHARE: f64 = 0.05;
/// Shortest damning run of a continuous output, and of one with few values.
const SHORTEST: u64 = 32;
const SHORTEST_COARSE: u64 = 150;
/// The same before anything else was ever seen: a float vector that is not all bounds, anything else.
const COLD: u64 = 64;
const COLD_COARSE: u64 = 2000;
/// And of a scalar that looks like no bound and no rounded number.
const COLD_SCALAR: u64 = 512;
/// And of classes that the user counted: none of them is as common as that.
const COLD_CLASSES: u64 = 512;
/// Outputs with fewer values than this in their history are coarse, and so are those with fewer
/// values a row.
const FEW: usize = 64;
const FEW_A_ROW: f64 = 0.2;
/// Rows of one call that count, at the most.
const UNITS: u64 = 4;
/// Scored rows before a history says anything.
const HISTORY: u64 = 200;
/// Rows that a prior counts for, at the most.
const PRIOR_ROWS: u64 = 1000;
/// A commonest output below this share is no habit.
const RARE: f64 = 0.02;
/// Of the last this many rows, fewer than half equal: over.
const OVER: usize = 64;
/// So many distinct other outputs, and what fired before anything else was ever seen is over: the
/// first rows of the healthy may be a rare one's long absence.
const OTHERS: usize = 4;

/// What the user says that an output can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capacity {
    /// Practically never the same value twice.
    Continuous,
    /// So many classes.
    Classes(u32),
    /// Few values, nobody knows how many.
    Coarse,
}

/// What the version before says of this output.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// Its scored rows.
    pub rows: u64,
    /// Share of its commonest output among them.
    pub top_share: f64,
    /// Its output took few values.
    pub coarse: bool,
    /// Standard deviation of its widest column, where it has columns of numbers.
    pub deviation: Option<f64>,
}

/// The longest run that ends with the newest row.
#[derive(Debug, Default)]
pub(super) struct Constant {
    prior: Option<Prior>,
    /// What the user says.
    pub(super) expected: Option<Capacity>,
    output: u64,
    run: u64,
    /// The same with at most four rows of a call.
    units: u64,
    /// The call of the newest row, and rows of it that counted.
    call: (u64, u64),
    since_row: u64,
    /// Rows and equal outputs before the run.
    before: (u64, u64),
    coarse: bool,
    /// One float whose value is neither a bound nor rounded.
    odd: bool,
    /// Fires until the output varies again.
    firing: Option<Firing>,
}

/// An alarm that stands.
#[derive(Debug)]
struct Firing {
    verdict: Verdict,
    output: u64,
    /// Nothing else had ever been seen.
    cold: bool,
    /// Distinct other outputs since, [`OTHERS`] at the most.
    others: Vec<u64>,
}

impl Constant {
    pub(super) fn new(prior: Option<Prior>) -> Self {
        Constant {
            prior,
            ..Constant::default()
        }
    }

    /// What this version's rows say of the output.
    pub(super) fn prior(&self, recent: &Recent) -> Option<Prior> {
        let rows = recent.count();
        (rows >= HISTORY).then(|| Prior {
            rows,
            top_share: recent.top_share(),
            coarse: (recent.older_outputs() as f64) < FEW_A_ROW * rows.min(MOST_OUTPUTS) as f64,
            deviation: None,
        })
    }

    /// Takes the newest row of `recent`, which came with `call`.
    pub(super) fn observe(&mut self, recent: &Recent, call: u64, kind: ValueKind, width: usize) {
        let Some(newest) = recent.newest().next() else {
            return;
        };
        if self.run > 0 && newest.output == self.output {
            self.run += 1;
        } else {
            (self.units, self.call) = (0, (call, 0));
            self.before = recent.before(1, newest.output);
            (self.output, self.run, self.since_row) = (newest.output, 1, newest.row);
            let few = self.before.0 >= HISTORY && recent.are_few(FEW);
            // What may saturate, or is cut or padded, is as coarse as its history shows, and so is
            // one without.
            let bound = width < 2 || self.before.0 < HISTORY && newest.values.iter().all(is_bound);
            self.coarse = kind != ValueKind::Float || few || bound;
            let value = newest.values.first().copied().unwrap_or(0.0);
            self.odd = kind == ValueKind::Float && width == 1 && !is_round(value);
            if let Some(prior) = self.prior.filter(|_| self.before.0 < HISTORY) {
                // Any output may be the new version's commonest.
                let rows = prior.rows.min(PRIOR_ROWS);
                self.before = (
                    self.before.0 + rows,
                    self.before.1 + (prior.top_share * rows as f64) as u64,
                );
                self.coarse = prior.coarse && prior.top_share > RARE;
            }
        }
        if self.call.0 != call {
            self.call = (call, 0);
        }
        if self.call.1 < UNITS {
            self.call.1 += 1;
            self.units += 1;
        }
        let verdict = self.judge();
        if verdict.level == Level::Damning {
            let cold = self.before.0 < HISTORY && self.prior.is_none();
            let stands = self
                .firing
                .take()
                .filter(|firing| firing.output == self.output);
            self.firing = Some(match stands {
                Some(firing) => Firing { verdict, ..firing },
                None => Firing {
                    verdict,
                    output: self.output,
                    cold,
                    others: Vec::new(),
                },
            });
        } else if let Some(firing) = &mut self.firing {
            let output = newest.output;
            if output != firing.output
                && firing.others.len() < OTHERS
                && !firing.others.contains(&output)
            {
                firing.others.push(output);
            }
            let varies = firing.cold && firing.others.len() == OTHERS;
            let top = most_common(recent);
            let equal = recent.newest().take(OVER).filter(|row| row.output == top);
            let over =
                equal.count() * 2 < OVER && newest.row > firing.verdict.onset_row.unwrap_or(0);
            if varies || over {
                self.firing = None;
            }
        }
    }

    /// Whether it has fired and the output has not varied since.
    pub(super) fn is_firing(&self) -> bool {
        self.firing.is_some()
    }

    pub(super) fn verdict(&self) -> Verdict {
        let standing = self.firing.as_ref().map(|firing| firing.verdict.clone());
        standing.unwrap_or_else(|| self.judge())
    }

    fn judge(&self) -> Verdict {
        let (rows, same) = self.before;
        let strength = surprise(self.units, same, rows);
        let coarse = match self.expected {
            Some(Capacity::Continuous) => false,
            Some(Capacity::Classes(_) | Capacity::Coarse) => true,
            None => self.coarse,
        };
        let shortest = match (rows < HISTORY, coarse) {
            (true, true) if matches!(self.expected, Some(Capacity::Classes(_))) => COLD_CLASSES,
            (true, true) if self.odd && self.expected.is_none() => COLD_SCALAR,
            (true, true) => COLD_COARSE,
            (true, false) => COLD,
            // The version before says how often its commonest output comes.
            (false, true) if self.prior.is_none() => SHORTEST_COARSE,
            (false, _) => SHORTEST,
        };
        let damning = strength >= ENOUGH && self.run >= shortest;
        if !damning && (strength < ENOUGH / 2.0 || self.run * 2 < shortest) {
            return Verdict::quiet();
        }
        let evidence = format!(
            "the last {} distinct inputs got one byte-equal output; before, it came {same} times in {rows} rows{}",
            self.run,
            if self.prior.is_some() {
                ", the version before counted in"
            } else {
                ""
            }
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

/// `-ln` of the chance that `run` rows in a row are what `same` of `rows` were before.
pub(super) fn surprise(run: u64, same: u64, rows: u64) -> f64 {
    let share = ((same + 1) as f64 / (rows + 2) as f64).max(LEAST_SHARE);
    -(run as f64) * grow(share, ODDS).ln()
}

/// Near 0 or 1: what a score saturates at, what it is cut to, and what fills a row up.
#[must_use]
pub fn is_bound(value: &f64) -> bool {
    value.abs() < 1e-4 || (value - 1.0).abs() < 1e-4
}

/// Near 0 or 1, or of at most two decimals: what a score saturates, is cut or rounded to.
fn is_round(value: f64) -> bool {
    let cents = value * 100.0;
    let apart = (cents - cents.round()).abs();
    !value.is_finite() || apart <= 2e-7 * cents.abs().max(1.0) || is_bound(&value)
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
