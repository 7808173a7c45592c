//! The sliding window that people look at: how many distinct inputs, how many distinct outputs.
//!
//! Bounded in time and in rows. The detectors keep their own, longer memory; this one is for
//! the report, where "the last minute" is what a person expects.

use crate::fingerprint::print_map::PrintMap;
use crate::report::Window as Stats;
use std::collections::VecDeque;
use std::time::Duration;

/// One observed row: fingerprints only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Fingerprint of the input as sent.
    pub raw: u64,
    /// Fingerprint of the input as the model saw it.
    pub effective: u64,
    /// Exact fingerprint of the output.
    pub output: u64,
}

/// The last rows of one series. Memory: at most about 160 bytes a row.
#[derive(Debug)]
pub struct Window {
    span_nanos: i64,
    capacity: usize,
    /// Oldest first; times never decrease.
    rows: VecDeque<(i64, Row)>,
    counts: Counts,
}

impl Window {
    /// An empty window over the last `span` and at most `capacity` rows.
    #[must_use]
    pub fn new(span: Duration, capacity: usize) -> Self {
        Window {
            span_nanos: i64::try_from(span.as_nanos()).unwrap_or(i64::MAX),
            capacity: capacity.max(1),
            rows: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Adds a row seen at `now_nanos`. A clock that steps back counts as standing still.
    pub fn record(&mut self, now_nanos: i64, row: Row) {
        let now = self
            .rows
            .back()
            .map_or(now_nanos, |(last, _)| now_nanos.max(*last));
        while let Some((at, old)) = self.rows.front().copied() {
            if self.rows.len() < self.capacity && !self.expired(at, now) {
                break;
            }
            self.rows.pop_front();
            self.counts.remove(old);
        }
        self.rows.push_back((now, row));
        self.counts.add(row);
    }

    /// Whether a row of the window has this effective input.
    #[must_use]
    pub fn holds_input(&self, effective: u64) -> bool {
        self.counts.effective.contains_key(&effective)
    }

    /// The statistics at `now_nanos`; all zero for an empty window. Changes nothing.
    #[must_use]
    pub fn stats_at(&self, now_nanos: i64) -> Stats {
        let gone = self
            .rows
            .iter()
            .take_while(|(at, _)| self.expired(*at, now_nanos))
            .count();
        let left = self.rows.len() - gone;
        // Whichever is less to count: what is left, or what has gone, which is looked up as well.
        if left < 2 * gone {
            let mut counts = Counts::with_room(left);
            for (_, row) in self.rows.iter().skip(gone) {
                counts.add(*row);
            }
            return counts.stats(left);
        }
        let mut without = Counts::with_room(gone);
        for (_, row) in self.rows.iter().take(gone) {
            without.add(*row);
        }
        self.counts.stats_without(&without, left)
    }

    fn expired(&self, at: i64, now: i64) -> bool {
        now.saturating_sub(at) > self.span_nanos
    }
}

#[derive(Debug, Default)]
struct Counts {
    raw: PrintMap<u32>,
    effective: PrintMap<u32>,
    output: PrintMap<u32>,
}

impl Counts {
    /// For so many rows: growing map by map would cost as much as counting.
    fn with_room(rows: usize) -> Self {
        let map = || PrintMap::with_capacity_and_hasher(rows, Default::default());
        Counts {
            raw: map(),
            effective: map(),
            output: map(),
        }
    }

    fn add(&mut self, row: Row) {
        for (map, key) in self.maps(row) {
            *map.entry(key).or_insert(0) += 1;
        }
    }

    fn remove(&mut self, row: Row) {
        for (map, key) in self.maps(row) {
            if let Some(count) = map.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    map.remove(&key);
                }
            }
        }
    }

    fn maps(&mut self, row: Row) -> [(&mut PrintMap<u32>, u64); 3] {
        [
            (&mut self.raw, row.raw),
            (&mut self.effective, row.effective),
            (&mut self.output, row.output),
        ]
    }

    fn stats(&self, rows: usize) -> Stats {
        self.stats_without(&Counts::default(), rows)
    }

    /// The statistics of the `rows` rows that are left when `gone`, a part of these, is taken away.
    fn stats_without(&self, gone: &Counts, rows: usize) -> Stats {
        let top = self
            .output
            .iter()
            .map(|(key, count)| count - gone.output.get(key).copied().unwrap_or(0))
            .max()
            .unwrap_or(0);
        Stats {
            rows: rows as u64,
            distinct_inputs: distinct(&self.raw, &gone.raw),
            distinct_effective_inputs: distinct(&self.effective, &gone.effective),
            distinct_outputs: distinct(&self.output, &gone.output),
            top_output_share: if rows == 0 {
                0.0
            } else {
                f64::from(top) / rows as f64
            },
        }
    }
}

/// Keys that are left when as many as `gone` says are taken away.
fn distinct(all: &PrintMap<u32>, gone: &PrintMap<u32>) -> u64 {
    let emptied = gone
        .iter()
        .filter(|(key, count)| all.get(key) == Some(count))
        .count();
    (all.len() - emptied) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn row(input: u64, output: u64) -> Row {
        Row {
            raw: input,
            effective: input / 2,
            output,
        }
    }

    #[test]
    fn an_empty_window_is_all_zero() {
        let window = Window::new(Duration::from_secs(60), 10);
        assert_eq!(window.stats_at(0), Stats::default());
    }

    #[test]
    fn counts_distinct_values_and_the_top_share() {
        let mut window = Window::new(Duration::from_secs(60), 10);
        for input in 0..4 {
            window.record(0, row(input, u64::from(input == 3)));
        }
        let stats = window.stats_at(0);
        assert_eq!((stats.rows, stats.distinct_inputs), (4, 4));
        assert_eq!(
            (stats.distinct_effective_inputs, stats.distinct_outputs),
            (2, 2)
        );
        assert!((stats.top_output_share - 0.75).abs() < 1e-12);
    }

    #[test]
    fn rows_leave_by_number_and_by_time() {
        for (capacity, left) in [(2, 2), (3, 3), (4, 3)] {
            let mut window = Window::new(Duration::from_secs(60), capacity);
            for input in 0..3 {
                window.record(0, row(input, input));
            }
            assert_eq!(window.stats_at(0).rows, left);
        }
        let mut window = Window::new(Duration::from_secs(60), 10);
        window.record(0, row(1, 1));
        window.record(30 * SECOND, row(2, 2));
        assert_eq!(window.stats_at(60 * SECOND).rows, 2);
        assert_eq!(window.stats_at(60 * SECOND + 1).rows, 1);
        window.record(61 * SECOND, row(3, 3));
        assert_eq!(window.stats_at(61 * SECOND).distinct_outputs, 2);
        assert_eq!(window.stats_at(200 * SECOND), Stats::default());
    }

    #[test]
    fn a_clock_that_steps_back_loses_nothing() {
        let mut window = Window::new(Duration::from_secs(60), 10);
        window.record(100 * SECOND, row(1, 1));
        window.record(10 * SECOND, row(2, 2));
        assert_eq!(window.stats_at(100 * SECOND).rows, 2);
    }

    #[test]
    fn agrees_with_counting_from_scratch() {
        let mut window = Window::new(Duration::from_secs(5), 7);
        let mut all: Vec<(i64, Row)> = Vec::new();
        for i in 0..500_u64 {
            let now = i as i64 * SECOND / 3;
            let r = row(i * 7 % 11, i * 5 % 3);
            window.record(now, r);
            all.push((now, r));
            let live: Vec<_> = all
                .iter()
                .filter(|(at, _)| now - at <= 5 * SECOND)
                .collect();
            let live = &live[live.len().saturating_sub(7)..];
            let distinct: std::collections::BTreeSet<_> = live.iter().map(|x| x.1.output).collect();
            let stats = window.stats_at(now);
            assert_eq!(stats.rows, live.len() as u64);
            assert_eq!(stats.distinct_outputs, distinct.len() as u64);
            for later in [0, 2, 4, 6] {
                let then = now + later * SECOND;
                let live: Vec<_> = live
                    .iter()
                    .filter(|(at, _)| then - at <= 5 * SECOND)
                    .collect();
                let mut counts = std::collections::BTreeMap::new();
                for (_, row) in &live {
                    *counts.entry(row.output).or_insert(0_u32) += 1;
                }
                let stats = window.stats_at(then);
                assert_eq!(stats.distinct_outputs, counts.len() as u64);
                let top = counts.values().max().copied().unwrap_or(0);
                let share = f64::from(top) / live.len().max(1) as f64;
                assert!((stats.top_output_share - share).abs() < 1e-12);
            }
        }
    }
}
