//! NaN and infinity.

use super::Verdict;
use crate::alert::Level;
use crate::report::Kind;
use std::collections::VecDeque;

/// Rows looked back on.
const ROWS: usize = 64;
/// Damning, suspicious, and over: rows of the last [`ROWS`].
const DAMNING: u32 = 20;
const SUSPICIOUS: u32 = 6;

/// The share of rows with a NaN or an infinity.
#[derive(Debug, Default)]
pub(super) struct NonFinite {
    last: VecDeque<(u64, bool)>,
    bad: u32,
    /// Rows before the look-back, and how many were bad.
    older: (u64, u64),
}

impl NonFinite {
    pub(super) fn observe(&mut self, row: u64, finite: bool) {
        if self.last.len() == ROWS
            && let Some((_, bad)) = self.last.pop_front()
        {
            self.bad -= u32::from(bad);
            self.older = (self.older.0 + 1, self.older.1 + u64::from(bad));
        }
        self.last.push_back((row, !finite));
        self.bad += u32::from(!finite);
    }

    pub(super) fn verdict(&self) -> Verdict {
        let usual = (self.older.1 as f64 + 0.5) / (self.older.0 as f64 + 1.0);
        let share = f64::from(self.bad) / self.last.len().max(1) as f64;
        // A model that always gave some NaN fires when it gives clearly more.
        let more = share > 2.0 * usual || self.older.0 < ROWS as u64 && share > 0.5;
        let level = match self.bad {
            DAMNING.. if more => Level::Damning,
            SUSPICIOUS.. if more => Level::Suspicious,
            _ => return Verdict::quiet(),
        };
        let onset = self
            .last
            .iter()
            .find(|(_, bad)| *bad)
            .map_or(0, |(row, _)| *row);
        let evidence = format!(
            "{} of the last {} rows hold NaN or infinity",
            self.bad,
            self.last.len()
        );
        Verdict::of(
            level,
            Kind::NonFinite,
            if level == Level::Damning { 0.9999 } else { 0.5 },
            onset,
            evidence,
        )
    }
}
