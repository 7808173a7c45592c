//! What is counted of every series, for the metrics: a bounded number of series has lines of its
//! own, the rest add up under one name.

use super::pairs::Tally;
use super::recent::Sample;
use super::series::SeriesKey;
use super::{Analyzer, State};
use crate::report::Category;
use std::collections::BTreeMap;

/// Series with lines of their own: with 21 lines each they stay below 1,350 time series.
pub const OWN_LINES: usize = 64;
/// A series without a row for this long leaves the metrics, not the analyzer.
const IDLE_NANOS: i64 = 3_600_000_000_000;

/// Series that left with a line of their own, and when their last row was answered.
pub(super) type Left = BTreeMap<SeriesKey, i64>;

/// Counts of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesTraffic {
    /// What was counted since the series began.
    pub tally: Tally,
    /// Whether it has lines of its own.
    pub own: bool,
    /// When the first row was answered, nanoseconds since the Unix epoch.
    pub first_nanos: i64,
    /// When the last one was.
    pub last_nanos: i64,
}

/// Counts of all series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traffic {
    /// In the order of the report's series.
    pub series: Vec<SeriesTraffic>,
    /// What each of them looked like over the last minutes, in the same order.
    pub recent: Vec<Vec<Sample>>,
    /// What series counted while they had no line of their own; never shrinks.
    pub other: Tally,
}

impl Analyzer {
    /// The counts at `now_nanos`. Series that went idle lose their line.
    pub fn traffic(&mut self, now_nanos: i64) -> Traffic {
        for series in self.series.values_mut() {
            if now_nanos.saturating_sub(series.last_nanos) > IDLE_NANOS {
                series.own_line = false;
            }
        }
        let series = self.series.values().map(|series| SeriesTraffic {
            tally: *series.pairs.tally(),
            own: series.own_line,
            first_nanos: series.first_nanos,
            last_nanos: series.last_nanos,
        });
        Traffic {
            series: series.collect(),
            recent: self.series.values().map(|s| s.recent.samples()).collect(),
            other: self.other,
        }
    }

    /// Where the likeliest cause of a series lies; `None` while it is inactive or unexplained.
    #[must_use]
    pub fn category(&self, key: &SeriesKey) -> Option<Category> {
        let series = self.series.get(key)?;
        if series.alert.state() == State::Inactive {
            return None;
        }
        self.judge(key, series)
            .causes
            .first()
            .map(|cause| cause.category)
    }

    /// Gives the series a line of its own if there is one left. The line of a series that had to
    /// leave stays its own for an hour, so that names that come and go cannot bring ever new ones.
    pub(super) fn claim_line(&mut self, key: &SeriesKey, now_nanos: i64) {
        if self.series.get(key).is_none_or(|series| series.own_line) {
            return;
        }
        let back = self.left.remove(key).is_some();
        let idle = |last: &i64| now_nanos.saturating_sub(*last) > IDLE_NANOS;
        self.left.retain(|_, last| !idle(last));
        let taken = self.series.values().filter(|s| s.own_line).count() + self.left.len();
        if let Some(series) = self.series.get_mut(key) {
            series.own_line = back || taken < OWN_LINES;
        }
    }

    /// Lets a series go.
    pub(super) fn remove(&mut self, key: &SeriesKey) {
        if let Some(series) = self.series.remove(key)
            && series.own_line
        {
            self.left.insert(key.clone(), series.last_nanos);
        }
    }
}
