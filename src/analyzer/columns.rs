//! Columns of the inputs, across calls: which varied while all was well, and which stand still now.

use crate::detect::rows::{InputRows, SKETCH};
use std::collections::BTreeMap;

/// Calls that tell whether a column varies.
const ENOUGH: u32 = 32;
/// Calls in which a column that varied holds one value: by chance it hardly does.
const STILL: u32 = 16;
/// Inputs that are told apart.
const MOST: usize = 64;

/// One column: of the first row of each call.
#[derive(Debug, Clone, Copy, Default)]
struct Column {
    last: f32,
    /// Calls while all was well, and those in which it had another value than before.
    looked: u32,
    changed: u32,
    /// Calls since it last changed.
    still: u32,
}

impl Column {
    fn varies(&self) -> bool {
        self.looked >= ENOUGH && self.changed * 2 >= self.looked
    }
}

/// The columns by the input's name; none where they are mixed.
#[derive(Debug, Default)]
pub(super) struct Columns(BTreeMap<String, Vec<Column>>);

impl Columns {
    /// Takes a call; `well` tells that nothing speaks for trouble.
    pub(super) fn observe(&mut self, inputs: &InputRows, well: bool) {
        let Some(row) = inputs.sketch.get(..SKETCH) else {
            return;
        };
        for (name, values) in named(inputs, row) {
            if !self.0.contains_key(name) {
                if self.0.len() >= MOST {
                    continue;
                }
                self.0.insert(name.to_owned(), Vec::new());
            }
            let Some(columns) = self.0.get_mut(name) else {
                continue;
            };
            columns.resize(values.len(), Column::default());
            for (column, value) in columns.iter_mut().zip(values) {
                let changed = column.last != *value;
                column.last = *value;
                column.still = if changed {
                    0
                } else {
                    column.still.saturating_add(1)
                };
                if well {
                    column.looked = column.looked.saturating_add(1);
                    column.changed = column.changed.saturating_add(u32::from(changed));
                }
            }
        }
    }

    /// Which columns stand still that varied while all was well, in words.
    pub(super) fn at_rest(&self) -> Option<String> {
        let words = self.0.iter().filter_map(|(name, columns)| {
            let rest = columns.iter().filter(|c| c.varies() && c.still >= STILL);
            let (rest, all) = (rest.count(), columns.len());
            (rest > 0).then(|| {
                format!("{rest} of {all} columns of `{name}` have stood still, which varied before")
            })
        });
        let words: Vec<String> = words.take(3).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Whether a column that varies from call to call is the same in all rows of this one, or a whole
    /// input where columns are mixed.
    pub(super) fn is_grouped(&self, inputs: &InputRows) -> bool {
        if inputs.columns.is_empty() {
            return inputs.held;
        }
        let mut rows = inputs.sketch.chunks_exact(SKETCH);
        let Some(first) = rows.next() else {
            return false;
        };
        let rows: Vec<&[f32]> = rows.collect();
        let mut at = 0;
        !rows.is_empty()
            && named(inputs, first).any(|(name, values)| {
                let from = at;
                at += values.len();
                let known = self.0.get(name).into_iter().flatten();
                let mut same = known.zip(from..at);
                same.any(|(column, i)| column.varies() && rows.iter().all(|row| row[i] == first[i]))
            })
    }
}

/// The columns of a row by input.
fn named<'a>(inputs: &'a InputRows, row: &'a [f32]) -> impl Iterator<Item = (&'a str, &'a [f32])> {
    let mut rest = row;
    inputs.columns.iter().map(move |(name, columns)| {
        let (values, behind) = rest.split_at(rest.len().min(*columns as usize));
        rest = behind;
        (name.as_str(), values)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: &[[f32; 3]]) -> InputRows {
        let mut inputs = InputRows {
            columns: vec![("user".to_owned(), 1), ("item".to_owned(), 2)],
            ..InputRows::default()
        };
        for row in of {
            let start = inputs.sketch.len();
            inputs.sketch.resize(start + SKETCH, 0.0);
            inputs.sketch[start..start + 3].copy_from_slice(row);
        }
        inputs
    }

    #[test]
    fn what_stands_still_and_what_is_the_same_in_a_call_is_told() {
        let mut columns = Columns::default();
        for n in 0..40 {
            let n = n as f32;
            columns.observe(&rows(&[[n, n * 0.5, 7.0]]), true);
        }
        assert_eq!(columns.at_rest(), None, "one never varied");
        assert!(columns.is_grouped(&rows(&[[1.0, 2.0, 7.0], [1.0, 3.0, 7.0]])));
        assert!(!columns.is_grouped(&rows(&[[1.0, 2.0, 7.0], [2.0, 3.0, 7.0]])));
        assert!(!columns.is_grouped(&rows(&[[1.0, 2.0, 7.0]])));
        for n in 0..17 {
            columns.observe(&rows(&[[n as f32, 0.0, 7.0]]), false);
        }
        let said = columns.at_rest().unwrap_or_default();
        assert!(said.contains("1 of 2 columns of `item`"), "{said}");
    }
}
