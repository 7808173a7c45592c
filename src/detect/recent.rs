//! The scored rows seen last, and how common each output was before them.

use crate::fingerprint::print_map::{PrintMap, PrintSet};
use std::collections::VecDeque;

/// Rows that the tests look back on.
pub(super) const LOOK_BACK: usize = 256;

/// Distinct older outputs that are counted one by one; the rest counts as "other". As
/// many as fit a table of 4,096.
pub(super) const MOST_OUTPUTS: u64 = 3584;

/// One scored row.
#[derive(Debug, Clone)]
pub(super) struct Scored {
    /// Row of the series.
    pub row: u64,
    /// Exact fingerprint of the output.
    pub output: u64,
    /// The output's numbers.
    pub values: Vec<f64>,
}

/// The last [`LOOK_BACK`] scored rows, and counts of those that left.
#[derive(Debug, Default)]
pub(super) struct Recent {
    rows: VecDeque<Scored>,
    older: PrintMap<u64>,
    older_rows: u64,
}

impl Recent {
    pub(super) fn observe(&mut self, row: u64, output: u64, values: &[f64]) {
        if self.rows.len() == LOOK_BACK
            && let Some(oldest) = self.rows.pop_front()
        {
            self.older_rows += 1;
            if (self.older.len() as u64) < MOST_OUTPUTS || self.older.contains_key(&oldest.output) {
                *self.older.entry(oldest.output).or_insert(0) += 1;
            }
        }
        self.rows.push_back(Scored {
            row,
            output,
            values: values.to_vec(),
        });
    }

    /// Rows scored since the start.
    pub(super) fn count(&self) -> u64 {
        self.older_rows + self.rows.len() as u64
    }

    /// The last rows, newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Scored> {
        self.rows.iter().rev()
    }

    /// Rows before the newest `run`, and how many of them had `output`.
    pub(super) fn before(&self, run: usize, output: u64) -> (u64, u64) {
        let recent = self.newest().skip(run);
        let (mut rows, mut same) = (
            self.older_rows,
            self.older.get(&output).copied().unwrap_or(0),
        );
        for scored in recent {
            rows += 1;
            same += u64::from(scored.output == output);
        }
        (rows, same)
    }

    /// Share of the commonest output among the older rows.
    pub(super) fn top_share(&self) -> f64 {
        let top = self.older.values().copied().max().unwrap_or(0);
        top as f64 / self.older_rows.max(1) as f64
    }

    /// Whether fewer than `few` distinct outputs came before the newest row, of at least twice as
    /// many rows.
    pub(super) fn are_few(&self, few: usize) -> bool {
        if self.older_rows >= 2 * few as u64 {
            return self.older.len() < few;
        }
        let mut distinct: PrintSet = self.older.keys().copied().collect();
        distinct.extend(self.newest().skip(1).map(|row| row.output));
        distinct.len() < few
    }

    /// Distinct outputs seen before the look-back, at most [`MOST_OUTPUTS`].
    pub(super) fn older_outputs(&self) -> usize {
        self.older.len()
    }
}
