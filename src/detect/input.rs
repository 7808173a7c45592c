//! The client repeats one input: nobody's fault but the client's, and never an alarm.

use super::Verdict;
use crate::alert::Level;
use crate::fingerprint::print_map::PrintMap;
use crate::report::Kind;
use std::collections::VecDeque;

/// Rows looked back on, and the fewest that say anything.
const ROWS: usize = 512;
const FEWEST: usize = 64;
/// More distinct others than this, in more than one row of [`SHARE`] since it first came: what is
/// asked is often one and the same, as an empty text, and the client varies it all the same.
const OTHERS: usize = 16;
const SHARE: usize = 16;

/// The inputs seen last.
#[derive(Debug, Default)]
pub(super) struct Input {
    last: VecDeque<u64>,
    counts: PrintMap<u32>,
    /// The input that last made up more than half. Nobody else can without being counted up, so
    /// there is no need to look at all of them for every call.
    most: u64,
}

impl Input {
    /// Takes the rows of a call. What fills a batch up, behind rows that differ, counts once.
    pub(super) fn observe_call(&mut self, raw: &[u64]) {
        let alike = raw.iter().all(|row| Some(row) == raw.first());
        for (i, row) in raw.iter().enumerate() {
            if alike || i == 0 || raw[i - 1] != *row {
                self.observe(*row);
            }
        }
    }

    fn observe(&mut self, raw: u64) {
        if self.last.len() == ROWS
            && let Some(oldest) = self.last.pop_front()
            && let Some(count) = self.counts.get_mut(&oldest)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&oldest);
            }
        }
        self.last.push_back(raw);
        let count = self.counts.entry(raw).or_insert(0);
        *count += 1;
        if *count as usize * 2 > self.last.len() {
            self.most = raw;
        }
    }

    pub(super) fn verdict(&self, rows: u64) -> Verdict {
        let top = self.counts.get(&self.most).copied().unwrap_or(0) as usize;
        if self.last.len() < FEWEST || top * 2 <= self.last.len() {
            return Verdict::quiet();
        }
        let varied = self.last.iter().take_while(|raw| **raw != self.most);
        let since = self.last.len() - varied.count();
        if (since - top) * SHARE > since && self.counts.len() > OTHERS {
            return Verdict::quiet();
        }
        let share = top as f64 / self.last.len() as f64;
        let evidence = format!(
            "one input makes up {:.0} % of the last {} rows: the client repeats itself",
            100.0 * share,
            self.last.len()
        );
        Verdict::of(
            Level::Suspicious,
            Kind::InputCollapse,
            share,
            rows.saturating_sub(since as u64),
            evidence,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_began_with_the_first_of_the_repeats() {
        let mut input = Input::default();
        for i in 0..600 {
            input.observe(i);
        }
        for row in 601..900 {
            input.observe(1_000);
            let verdict = input.verdict(row);
            assert_eq!(verdict.onset_row.is_some(), row > 856, "{row}");
            assert!(
                verdict.onset_row.is_none_or(|onset| onset == 600),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn padding_and_what_is_asked_often_are_no_collapse() {
        let mut padded = Input::default();
        for n in 0..200 {
            let mut rows = vec![0; 32];
            for (i, row) in rows.iter_mut().take(5).enumerate() {
                *row = 1 + n * 5 + i as u64;
            }
            padded.observe_call(&rows);
            assert_eq!(padded.verdict(1).level, Level::Quiet, "{n}");
        }
        let mut empty = Input::default();
        let mut buffer = Input::default();
        for n in 0..2000 {
            empty.observe_call(&[if n % 10 < 7 { 0 } else { n }]);
            assert_eq!(empty.verdict(1).level, Level::Quiet, "{n}");
            buffer.observe_call(&[n % 5 / 4]);
            let loud = buffer.verdict(1).level == Level::Suspicious;
            assert_eq!(loud, n >= FEWEST as u64 - 1, "{n}");
        }
    }

    #[test]
    fn more_than_half_is_found_as_by_looking_at_all() {
        let mut input = Input::default();
        for i in 0..4 * ROWS as u64 {
            // The share of one input rises and falls, and another takes over.
            let common = (i / ROWS as u64) % 2;
            input.observe(if i % 512 < 300 || i % 3 > 0 {
                common
            } else {
                i
            });
            let top = input.counts.values().copied().max().unwrap_or(0) as usize;
            let first = input
                .last
                .iter()
                .position(|raw| input.counts[raw] as usize == top);
            let since = input.last.len() - first.unwrap_or(0);
            let mixed = (since - top) * SHARE > since && input.counts.len() > OTHERS;
            let loud = input.last.len() >= FEWEST && top * 2 > input.last.len() && !mixed;
            let verdict = input.verdict(i);
            assert_eq!(verdict.level == Level::Suspicious, loud, "{i}");
            if loud {
                assert_eq!(verdict.confidence, top as f64 / input.last.len() as f64);
            }
        }
    }
}
