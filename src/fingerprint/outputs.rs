//! Output rows: exact fingerprints, finiteness, the winning class and a few numbers.

use super::Key;
use super::canonical::{Canonical, RowHasher};
use super::sketch::{add_string, bucket, numbers};
use crate::codec::dtype::Class;
use crate::codec::tensor::{Effective, Given};
use crate::detect::rows::{Numbers, OUTPUT_WIDTH, OutputRows, ValueKind};

/// Elements of an output row that are looked at; a model with more outputs than this is judged
/// by its fingerprints and these.
const MOST_ELEMENTS: usize = 1 << 16;

/// The rows of one output, `rows` many; `rows` is 1 for a tensor that is one row as a whole.
pub(super) fn rows(key: &Key, name: &str, tensor: &Effective<'_>, rows: u64) -> OutputRows {
    let whole = tensor.dims.first() != Some(&rows);
    let canonical = Canonical::new(key, name, tensor, whole);
    let mut hasher = RowHasher::new(key);
    let mut found = OutputRows {
        width: usize::try_from(tensor.count / rows.max(1)).unwrap_or(usize::MAX),
        kind: match tensor.dtype.class {
            Class::Float | Class::Complex => ValueKind::Float,
            Class::Integer | Class::Bool => ValueKind::Integer,
            Class::String => ValueKind::Label,
        },
        ..OutputRows::default()
    };
    let mut simplex = Simplex::default();
    let mut elements = Vec::with_capacity(OUTPUT_WIDTH);
    for row in 0..rows {
        canonical.feed(&mut hasher, row, rows);
        found.exact.push(hasher.finish());
        let row = tensor.row(row, rows);
        if let Given::Strings(strings) = row.given {
            found.numbers.push(Numbers::Finite);
            found.argmax.push(0);
            found.values.push(label(strings));
            continue;
        }
        elements.clear();
        elements.extend(numbers(&row, tensor.dtype, 1).take(MOST_ELEMENTS));
        let numbers = Numbers::of(&elements);
        found.numbers.push(numbers);
        found.argmax.push(argmax(&elements));
        simplex.add(&elements);
        if matches!(numbers, Numbers::Masked | Numbers::Infinite) {
            let masks = elements.iter_mut().filter(|value| !value.is_finite());
            masks.for_each(|value| *value = 0.0);
        }
        push_values(&mut found.values, &elements);
    }
    found.simplex_error = simplex.error();
    found
}

fn argmax(elements: &[f64]) -> u32 {
    let mut best = 0;
    for (i, value) in elements.iter().enumerate() {
        if *value > elements[best] || elements[best].is_nan() {
            best = i;
        }
    }
    best as u32
}

/// Narrow rows as they are, wide ones as a count-sketch scaled to the size of one element.
fn push_values(values: &mut Vec<f64>, elements: &[f64]) {
    if elements.len() <= OUTPUT_WIDTH {
        values.extend_from_slice(elements);
        return;
    }
    let start = values.len();
    values.resize(start + OUTPUT_WIDTH, 0.0);
    let scale = (OUTPUT_WIDTH as f64 / elements.len() as f64).sqrt();
    for (column, value) in elements.iter().enumerate() {
        // One column of NaN would hide all that share its place.
        if !value.is_finite() {
            continue;
        }
        let (at, sign) = bucket(column as u64, OUTPUT_WIDTH);
        values[start + at] += f64::from(sign) * value * scale;
    }
}

/// A number for a label that does not depend on the key.
fn label(strings: &[&[u8]]) -> f64 {
    let mut buckets = [0.0; 4];
    for (column, string) in strings.iter().enumerate() {
        add_string(&mut buckets, column as u64, string);
    }
    buckets
        .iter()
        .zip([1.0, 7.0, 49.0, 343.0])
        .map(|(b, w)| f64::from(*b) * w)
        .sum()
}

/// Whether all rows are class scores.
#[derive(Default)]
struct Simplex {
    rows: u64,
    broken: bool,
    worst: f64,
}

impl Simplex {
    fn add(&mut self, elements: &[f64]) {
        self.rows += 1;
        let scores =
            elements.len() > 1 && elements.iter().all(|v| (-1e-6..=1.0 + 1e-6).contains(v));
        self.broken |= !scores;
        self.worst = self.worst.max((elements.iter().sum::<f64>() - 1.0).abs());
    }

    fn error(&self) -> Option<f64> {
        (self.rows > 0 && !self.broken).then_some(self.worst)
    }
}
