//! The client repeats one input: nobody's fault but the client's, and never an alarm.

use super::Verdict;
use crate::alert::Level;
use crate::fingerprint::print_map::PrintMap;
use crate::report::Kind;
use std::collections::VecDeque;

/// Rows looked back on, and the fewest that say anything.
const ROWS: usize = 512;
const FEWEST: usize = 64;

/// The inputs seen last.
#[derive(Debug, Default)]
pub(super) struct Input {
    last: VecDeque<u64>,
    counts: PrintMap<u32>,
}

impl Input {
    pub(super) fn observe(&mut self, raw: u64) {
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
        *self.counts.entry(raw).or_insert(0) += 1;
    }

    pub(super) fn verdict(&self, rows: u64) -> Verdict {
        let top = self.counts.values().copied().max().unwrap_or(0) as usize;
        if self.last.len() < FEWEST || top * 2 <= self.last.len() {
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
            rows.saturating_sub(self.last.len() as u64),
            evidence,
        )
    }
}
