//! What is kept of each column of an input: two bytes, so that a column at rest, or one of another
//! size, is seen across calls without any value being kept.

use super::example;
use super::sketch::{for_each_number, mix};
use crate::codec::tensor::{Effective, Elements};

/// Columns of a row that are told apart; wider inputs are not.
const MOST: u64 = 64;
/// Rows of a call that are looked at, spread evenly.
pub const ROWS: u64 = 4;
/// The bit of [`Column::size`] that tells a negative number.
pub const NEGATIVE: u8 = 0x80;

/// One column in the rows looked at, or one feature of the first tf.Example in the order of
/// [`example::features`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// 0 where the rows differ, else a hash of the value they share.
    pub held: u8,
    /// Of the largest absolute value, 64 more than the binary logarithm, rounded down; 0 for 0 and
    /// for features. Beside it [`NEGATIVE`].
    pub size: u8,
}

/// None for a scalar, for wide rows and for strings that are no tf.Example.
pub(super) fn columns(tensor: &Effective<'_>) -> Box<[Column]> {
    if let Elements::Strings(strings) = &tensor.elements {
        let first = strings.first();
        let prints = first.and_then(|first| example::prints(first));
        let prints = prints.unwrap_or_default().into_iter();
        return prints.map(|held| Column { held, size: 0 }).collect();
    }
    let rows = tensor.rows();
    let width = tensor.count.checked_div(rows).unwrap_or(0);
    if tensor.dims.is_empty() || width > MOST {
        return Box::default();
    }
    let mut columns = Vec::with_capacity(width as usize);
    for_each_number(&tensor.row(0, rows), tensor.dtype, 1, |value| {
        columns.push(Column {
            held: print(value),
            size: size(value),
        });
    });
    for i in 1..rows.min(ROWS) {
        let mut columns = columns.iter_mut();
        let row = tensor.row(i * (rows - 1) / (rows.min(ROWS) - 1), rows);
        for_each_number(&row, tensor.dtype, 1, |value| {
            if let Some(column) = columns.next() {
                if column.held != print(value) {
                    column.held = 0;
                }
                let size = size(value);
                if size & !NEGATIVE > column.size & !NEGATIVE {
                    column.size = size;
                }
            }
        });
    }
    columns.into_boxed_slice()
}

fn size(value: f64) -> u8 {
    if value == 0.0 {
        return 0;
    }
    let logarithm = (value.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    let size = (logarithm + 64).clamp(1, 127) as u8;
    if value < 0.0 { size | NEGATIVE } else { size }
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
