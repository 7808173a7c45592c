//! What all rows of one input hold: a byte for each column, so that a column at rest is seen
//! across calls without any value being kept.

use super::example;
use super::sketch::{for_each_number, mix};
use crate::codec::tensor::{Effective, Elements};

/// Columns of a row that are told apart; wider inputs are not.
const MOST: u64 = 64;
/// Rows of a call that are looked at, spread evenly.
pub const ROWS: u64 = 4;

/// A byte for each column, or for each feature of the first tf.Example in the order of
/// [`example::features`]: 0 where the rows looked at differ, else a hash of the value they share.
/// Empty for a scalar, for wide rows and for strings of another kind.
pub(super) fn held(tensor: &Effective<'_>) -> Vec<u8> {
    if let Elements::Strings(strings) = &tensor.elements {
        let first = strings.first();
        return first
            .and_then(|first| example::prints(first))
            .unwrap_or_default();
    }
    let rows = tensor.rows();
    let width = tensor.count.checked_div(rows).unwrap_or(0);
    if tensor.dims.is_empty() || width > MOST {
        return Vec::new();
    }
    let mut held = Vec::with_capacity(width as usize);
    for_each_number(&tensor.row(0, rows), tensor.dtype, 1, |value| {
        held.push(print(value));
    });
    for i in 1..rows.min(ROWS) {
        let mut at = held.iter_mut();
        let row = tensor.row(i * (rows - 1) / (rows.min(ROWS) - 1), rows);
        for_each_number(&row, tensor.dtype, 1, |value| {
            if let Some(held) = at.next().filter(|held| **held != print(value)) {
                *held = 0;
            }
        });
    }
    held
}

fn print(value: f64) -> u8 {
    top(mix(value.to_bits()))
}

/// One byte of `bytes`, never 0.
pub(super) fn fold(bytes: &[u8]) -> u8 {
    let add = |hash, byte: &u8| mix(hash ^ u64::from(*byte));
    top(bytes.iter().fold(0, add))
}

/// 0 is kept for what differs.
fn top(hash: u64) -> u8 {
    ((hash >> 56) as u8).max(1)
}
