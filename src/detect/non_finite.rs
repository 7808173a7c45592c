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
    /// Rows before the look-back, and how many were bad; those of an incident do not count, or a
    /// model that gives nothing but NaN would pass for usual in the end.
    older: (u64, u64),
}

impl NonFinite {
    pub(super) fn observe(&mut self, row: u64, finite: bool) {
        if self.last.len() == ROWS {
            let quiet = self.level() == Level::Quiet;
            if let Some((_, bad)) = self.last.pop_front() {
                self.bad -= u32::from(bad);
                if quiet {
                    self.older = (self.older.0 + 1, self.older.1 + u64::from(bad));
                }
            }
        }
        self.last.push_back((row, !finite));
        self.bad += u32::from(!finite);
    }

    fn level(&self) -> Level {
        let usual = (self.older.1 as f64 + 0.5) / (self.older.0 as f64 + 1.0);
        let share = f64::from(self.bad) / self.last.len().max(1) as f64;
        // A model that always gave some NaN fires when it gives clearly more.
        let more = share > 2.0 * usual || self.older.0 < ROWS as u64 && share > 0.5;
        match self.bad {
            DAMNING.. if more => Level::Damning,
            SUSPICIOUS.. if more => Level::Suspicious,
            _ => Level::Quiet,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let level = self.level();
        if level == Level::Quiet {
            return Verdict::quiet();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(
        detector: &mut NonFinite,
        rows: std::ops::Range<u64>,
        bad: impl Fn(u64) -> bool,
    ) -> Vec<Level> {
        rows.map(|row| {
            detector.observe(row, !bad(row));
            detector.verdict().level
        })
        .collect()
    }

    #[test]
    fn nothing_but_nan_never_becomes_usual() {
        for healthy in [0, 10, 100, 1000] {
            let mut detector = NonFinite::default();
            levels(&mut detector, 0..healthy, |_| false);
            let found = levels(&mut detector, healthy..healthy + 20_000, |_| true);
            let quiet = found
                .iter()
                .skip(100)
                .filter(|level| **level != Level::Damning);
            assert_eq!(quiet.count(), 0, "after {healthy} healthy rows");
            let after = levels(&mut detector, 30_000..30_100, |_| false);
            assert_eq!(after.last(), Some(&Level::Quiet));
        }
    }

    #[test]
    fn a_share_that_was_always_there_is_usual() {
        let mut detector = NonFinite::default();
        let found = levels(&mut detector, 0..5000, |row| row % 4 == 0);
        assert!(found.iter().all(|level| *level != Level::Damning));
        let more = levels(&mut detector, 5000..5100, |row| row % 4 != 0);
        assert_eq!(more.last(), Some(&Level::Damning));
    }
}
