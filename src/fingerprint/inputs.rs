//! Input rows: effective and raw fingerprints, and their sketch.

use super::Key;
use super::canonical::{Canonical, RowHasher};
use super::sketch::{MOST_COLUMNS, add_string, for_each_number, sketch_bucket};
use crate::codec::tensor::{Effective, Given};
use crate::detect::rows::{InputRows, SKETCH};

/// An input that counts: not one of the ignored.
pub(super) struct Input<'a> {
    pub name: &'a str,
    pub tensor: &'a Effective<'a>,
    /// Fingerprint of the tensor's bytes as sent, where they say more than the effective tensor:
    /// values in a field that is not read.
    pub unread: Option<u64>,
}

/// The rows of one call, `rows` many. An input whose first dimension is another belongs to every
/// row as a whole.
pub(super) fn rows(key: &Key, inputs: &[Input<'_>], rows: u64) -> InputRows {
    let parts: Vec<_> = inputs
        .iter()
        .map(|input| Part::new(key, input, rows))
        .collect();
    let unread: Vec<u64> = inputs.iter().filter_map(|input| input.unread).collect();
    let columns: u64 = parts.iter().map(|part| part.columns).sum();
    let exact = columns <= SKETCH as u64 && parts.iter().all(|part| !part.is_text);
    let held = |part: &Part<'_>| {
        let given = |row| part.tensor.row(row, rows).given;
        !part.whole && rows > 1 && (1..rows).all(|row| given(row) == given(0))
    };
    let mut hasher = RowHasher::new(key);
    let mut found = InputRows {
        held: !exact && parts.iter().any(held),
        sketch: vec![0.0; rows as usize * SKETCH],
        columns: if exact {
            let names = inputs.iter().zip(&parts);
            names
                .map(|(i, part)| (i.name.to_owned(), part.columns))
                .collect()
        } else {
            Vec::new()
        },
        ..InputRows::default()
    };
    for (row, sketch) in (0..rows).zip(found.sketch.chunks_exact_mut(SKETCH)) {
        for part in &parts {
            let (row, of) = part.place(row, rows);
            part.canonical.feed(&mut hasher, row, of);
        }
        let effective = hasher.finish();
        found.effective.push(effective);
        found.raw.push(raw(&mut hasher, effective, &unread, row));
        let mut column = 0;
        for part in &parts {
            part.sketch(sketch, row, rows, exact, &mut column);
        }
    }
    found
}

/// The row as sent: the effective one, told apart by the bytes that TensorFlow does not read.
fn raw(hasher: &mut RowHasher<'_>, effective: u64, unread: &[u64], row: u64) -> u64 {
    if unread.is_empty() {
        return effective;
    }
    for number in [effective, row].iter().chain(unread) {
        hasher.push(&number.to_le_bytes());
    }
    hasher.finish()
}

/// One input, as a part of every row.
struct Part<'a> {
    tensor: &'a Effective<'a>,
    canonical: Canonical<'a>,
    /// The tensor belongs to every row as a whole.
    whole: bool,
    is_text: bool,
    /// Columns that are looked at, and the step between them.
    columns: u64,
    stride: u64,
}

impl<'a> Part<'a> {
    fn new(key: &Key, input: &Input<'a>, rows: u64) -> Self {
        let tensor = input.tensor;
        let whole = tensor.dims.first() != Some(&rows);
        let width = tensor.count / if whole { 1 } else { rows.max(1) };
        let stride = width.div_ceil(MOST_COLUMNS).max(1);
        Part {
            tensor,
            canonical: Canonical::new(key, input.name, tensor, whole),
            whole,
            is_text: tensor.dtype.size == 0,
            columns: width.div_ceil(stride),
            stride,
        }
    }

    fn place(&self, row: u64, rows: u64) -> (u64, u64) {
        if self.whole { (0, 1) } else { (row, rows) }
    }

    fn sketch(&self, sketch: &mut [f32], row: u64, rows: u64, exact: bool, column: &mut u64) {
        let (row, of) = self.place(row, rows);
        let row = self.tensor.row(row, of);
        if let Given::Strings(strings) = row.given {
            for (i, string) in (*column..).zip(strings.iter().take(MOST_COLUMNS as usize)) {
                add_string(sketch, i, string);
            }
        } else {
            let mut i = *column;
            for_each_number(&row, self.tensor.dtype, self.stride, |value| {
                let value = if value.is_finite() { value as f32 } else { 0.0 };
                if exact {
                    sketch[i as usize] = value;
                } else {
                    let (at, sign) = sketch_bucket(i);
                    sketch[at] += sign * value;
                }
                i += 1;
            });
        }
        *column += self.columns;
    }
}
