//! What is counted of every series, for the metrics: a bounded number of series has lines of its
//! own, the rest add up under one name. Names that come and go cannot bring ever new lines, nor
//! keep them from series that stay: where none is left, one is earned by rows.

use super::pairs::Tally;
use super::recent::Sample;
use super::series::{Series, SeriesKey};
use super::{Analyzer, State};
use crate::report::Category;
use std::collections::BTreeMap;

/// Series with lines of their own: with 21 lines each they stay below 1,350 time series.
pub const OWN_LINES: usize = 64;
/// A series without a row for this long leaves the metrics, not the analyzer.
const IDLE_NANOS: i64 = 3_600_000_000_000;

/// Rows after which a series may take the line of another that has gone silent.
const EARNED_ROWS: u64 = 64;
/// One line changes hands in this time at most: that bounds how many names an hour can bring.
const HANDOVER_NANOS: i64 = 15_000_000_000;
/// Silence after which a line is given away, of a series with `EARNED_ROWS` and of one with fewer.
const SILENT_NANOS: i64 = 600_000_000_000;
const SILENT_FEW_NANOS: i64 = 60_000_000_000;

/// Who has lines besides the series that are there.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Series that left with a line of their own, until another needs it or they are idle.
    left: BTreeMap<SeriesKey, Held>,
    /// When a silent line was last looked for.
    asked_nanos: i64,
}

/// How well a line is held.
#[derive(Debug, Clone, Copy)]
struct Held {
    rows: u64,
    last_nanos: i64,
}

impl Held {
    fn silent(&self, now_nanos: i64) -> i64 {
        now_nanos.saturating_sub(self.last_nanos)
    }

    fn may_go(&self, now_nanos: i64) -> bool {
        let few = self.rows < EARNED_ROWS;
        self.silent(now_nanos) > if few { SILENT_FEW_NANOS } else { SILENT_NANOS }
    }
}

/// Silence after which a version's line goes to another version of the same output.
const REPLACED_NANOS: i64 = 15_000_000_000;

/// Counts of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesTraffic {
    /// What was counted on lines of its own.
    pub tally: Tally,
    /// Whether it has lines of its own.
    pub own: bool,
    /// Rows observed in all.
    pub rows: u64,
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
            tally: series.own_tally(),
            own: series.own_line,
            rows: series.rows,
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

    /// Gives the series a line of its own if it had one, if one is left, or if it earned one that
    /// is held in silence.
    pub(super) fn claim_line(&mut self, key: &SeriesKey, now_nanos: i64) {
        if self.series.get(key).is_none_or(|series| series.own_line) {
            return;
        }
        let back = self.lines.left.remove(key).is_some();
        self.lines
            .left
            .retain(|_, held| held.silent(now_nanos) <= IDLE_NANOS);
        let taken = self.series.values().filter(|s| s.own_line).count() + self.lines.left.len();
        let own = back
            || taken < OWN_LINES
            || self.replace(key, now_nanos)
            || self.hand_over(key, now_nanos);
        if let Some(series) = self.series.get_mut(key) {
            series.own_line = own;
        }
    }

    /// Takes the line of another version of the same output that has gone silent: after a rollout
    /// the new one is seen at once.
    fn replace(&mut self, to: &SeriesKey, now_nanos: i64) -> bool {
        let is_replaced = |key: &SeriesKey, held: &Held| {
            let same =
                (&key.model, &key.signature, &key.output) == (&to.model, &to.signature, &to.output);
            same && key.version != to.version && held.silent(now_nanos) > REPLACED_NANOS
        };
        let mut there = self.series.iter_mut().filter(|(_, series)| series.own_line);
        if let Some((_, series)) = there.find(|(key, series)| is_replaced(key, &series.held())) {
            series.own_line = false;
            return true;
        }
        let mut left = self.lines.left.iter();
        let found = left.find(|(key, held)| is_replaced(key, held));
        let Some(key) = found.map(|(key, _)| key.clone()) else {
            return false;
        };
        self.lines.left.remove(&key);
        true
    }

    /// Takes the line that has been silent for longest from its holder, if `to` earned one and it
    /// is time.
    fn hand_over(&mut self, to: &SeriesKey, now_nanos: i64) -> bool {
        let since = now_nanos.saturating_sub(self.lines.asked_nanos);
        let earned = self.series.get(to).is_some_and(|s| s.rows >= EARNED_ROWS);
        if !earned || (0..HANDOVER_NANOS).contains(&since) {
            return false;
        }
        self.lines.asked_nanos = now_nanos;
        let there = self.series.iter().filter(|(_, series)| series.own_line);
        let holders = there
            .map(|(key, series)| (key, series.held()))
            .chain(self.lines.left.iter().map(|(key, held)| (key, *held)));
        let silent = holders
            .filter(|(_, held)| held.may_go(now_nanos))
            .max_by_key(|(_, held)| held.silent(now_nanos));
        let Some((key, _)) = silent else {
            return false;
        };
        let key = key.clone();
        self.lines.left.remove(&key);
        if let Some(series) = self.series.get_mut(&key) {
            series.own_line = false;
        }
        true
    }

    /// Lets a series go.
    pub(super) fn remove(&mut self, key: &SeriesKey) {
        if let Some(series) = self.series.remove(key)
            && series.own_line
        {
            self.lines.left.insert(key.clone(), series.held());
        }
    }
}

impl Series {
    fn held(&self) -> Held {
        Held {
            rows: self.rows,
            last_nanos: self.last_nanos,
        }
    }

    /// What was counted on lines of its own.
    fn own_tally(&self) -> Tally {
        let mut own = Tally::default();
        own.add_since(&self.hidden, self.pairs.tally());
        own
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{analyzer, answering, exchange, healthy, of_model};
    use super::*;
    use crate::proto::flatline::v1::Exchange;
    use crate::proto::tensorflow::serving::model_spec::VersionChoice;
    use std::collections::BTreeSet;

    const SECOND: i64 = 1_000_000_000;

    /// One call of four rows for `model`, answered at this second.
    fn call(analyzer: &mut Analyzer, model: &str, second: i64) {
        analyzer.observe(&at(second, model));
    }

    fn at(second: i64, model: &str) -> Exchange {
        Exchange {
            start_unix_nanos: second * SECOND,
            ..of_model(exchange(second.unsigned_abs(), healthy), model)
        }
    }

    fn models_with_lines(analyzer: &mut Analyzer, second: i64) -> BTreeSet<String> {
        let traffic = analyzer.traffic(second * SECOND);
        let names = analyzer.keys().map(|key| key.model.clone());
        let own = names.zip(&traffic.series).filter(|(_, series)| series.own);
        own.map(|(name, _)| name).collect()
    }

    #[test]
    fn a_burst_of_names_keeps_no_line_from_models_that_stay() {
        let mut analyzer = analyzer();
        for name in 0..600 {
            call(&mut analyzer, &format!("burst{name}"), 0);
        }
        let (mut calls, mut late) = (600, 0);
        for second in 1..240 {
            for model in 0..5 {
                call(&mut analyzer, &format!("real{model}"), second);
                calls += 1;
            }
            let own = models_with_lines(&mut analyzer, second);
            assert!(own.len() <= OWN_LINES, "{}", own.len());
            let real = own.iter().filter(|name| name.starts_with("real")).count();
            late = if real < 5 { second } else { late };
        }
        // A minute of silence, then a line every 15 seconds.
        assert!((60..=60 + 5 * 15).contains(&late), "{late}");
        let traffic = analyzer.traffic(240 * SECOND);
        let own: u64 = traffic
            .series
            .iter()
            .filter(|s| s.own)
            .map(|s| s.tally.rows)
            .sum();
        let left = 4 * OWN_LINES as u64;
        assert_eq!(own + traffic.other.rows + left, 4 * calls, "each row once");
    }

    #[test]
    fn names_that_come_and_go_bring_a_bounded_number_of_lines() {
        let mut analyzer = analyzer();
        let mut ever = BTreeSet::new();
        for second in 0..3600_i64 {
            // A new name every 5 seconds, with rows enough to earn a line.
            for _ in 0..4 {
                call(&mut analyzer, &format!("name{}", second / 5), second);
            }
            if second % 5 == 4 {
                ever.extend(models_with_lines(&mut analyzer, second));
            }
        }
        assert!((65..=64 + 240).contains(&ever.len()), "{}", ever.len());
    }

    #[test]
    fn a_line_is_kept_over_silence_that_is_usual() {
        let mut analyzer = analyzer();
        for model in 0..70 {
            for second in 0..20 {
                call(&mut analyzer, &format!("m{model}"), second);
            }
        }
        let before = models_with_lines(&mut analyzer, 20);
        assert_eq!(before.len(), OWN_LINES);
        for second in 20..600 {
            call(&mut analyzer, "m69", second);
        }
        assert_eq!(models_with_lines(&mut analyzer, 600), before);
        for second in 600..640 {
            call(&mut analyzer, "m69", second);
        }
        assert!(models_with_lines(&mut analyzer, 640).contains("m69"));
    }

    #[test]
    fn a_version_takes_the_line_of_the_one_that_it_replaces() {
        let mut analyzer = analyzer();
        for second in 0..20 {
            for model in 0..OWN_LINES {
                call(&mut analyzer, &format!("m{model}"), second);
            }
        }
        let mut newer = |second: i64| {
            analyzer.observe(&answering(at(second, "m7"), |reply| {
                reply.model_spec.as_mut().unwrap().version_choice = Some(VersionChoice::Version(4));
            }));
            let traffic = analyzer.traffic(second * SECOND);
            let mut lines = analyzer.keys().zip(&traffic.series);
            let newer = lines.find(|(key, _)| key.version == 4);
            let own = traffic.series.iter().filter(|series| series.own).count();
            (newer.is_some_and(|(_, series)| series.own), own)
        };
        assert_eq!(
            newer(21),
            (false, OWN_LINES),
            "the one before may be in use yet"
        );
        assert_eq!(newer(36), (true, OWN_LINES));
    }
}
