//! How one input of a call was sent, and what its values look like: facts, no payload.

use super::column::{Column, columns};
use super::example;
use super::sketch::for_each_number;
use crate::codec::dtype::Class;
use crate::codec::tensor::{Effective, Elements, Given, Row};
use crate::proto::tensorflow::DataType;
use std::ops::ControlFlow;

/// Elements of an input that are looked at for its range.
const LOOKED_AT: u64 = 128;
/// The same for the numbers in tf.Examples, which come in any order.
const LOOKED_AT_IN_EXAMPLES: u32 = 1024;

/// How one input was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct InputFact {
    /// Key in the request's `inputs`.
    pub name: String,
    /// TensorFlow's name of the type.
    pub dtype: &'static str,
    /// Sizes of its dimensions.
    pub dims: Vec<u64>,
    /// Values in the field that TensorFlow reads; fewer than `declared` are filled in.
    pub given: u64,
    /// Elements that the shape declares.
    pub declared: u64,
    /// A field with values that TensorFlow does not read for this type.
    pub foreign: Option<&'static str>,
    /// The value of a scalar bool or float, as a control input has.
    pub control: Option<String>,
    /// Of the values given, where they are numbers; NaN and infinity are left out.
    pub range: Option<Range>,
    /// The largest absolute value: of all numbers that are single floats, of those in `range` else.
    pub largest: f32,
    /// Whether NaN, infinity or what overflows when squared is among the numbers; looked for where
    /// an output holds NaN or infinity.
    pub non_finite: bool,
    /// Feature names of the first string, where it is a tf.Example; ordered.
    pub features: Option<Vec<String>>,
    /// What all rows share and how large the numbers are, by column or feature.
    pub columns: Box<[Column]>,
    /// Strings that hold text, as far as the first one tells: no picture, no tf.Example.
    pub is_text: bool,
}

/// What the numbers of one tensor look like, at up to 128 places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The smallest.
    pub low: f32,
    /// The largest.
    pub high: f32,
    /// Mean of the absolute values.
    pub size: f32,
}

/// What is told of `tensor`; `broken` where an output holds NaN or infinity.
pub(super) fn fact(name: &str, tensor: &Effective<'_>, broken: bool) -> InputFact {
    let scalar = tensor.count == 1 && matches!(tensor.dtype.class, Class::Bool | Class::Float);
    let control = match &tensor.elements {
        Elements::Fixed(bytes) if scalar && tensor.dims.is_empty() => {
            Some(tensor.dtype.value(bytes).to_string())
        }
        _ => None,
    };
    let first = match &tensor.elements {
        Elements::Strings(strings) => strings.first().copied(),
        Elements::Fixed(_) => None,
    };
    let features = first.and_then(example::features);
    let range = range(tensor);
    InputFact {
        name: name.to_owned(),
        dtype: tensor.dtype.name(),
        dims: tensor.dims.clone(),
        given: tensor.given(),
        declared: tensor.count,
        foreign: tensor.foreign.map(|field| field.name()),
        control,
        range,
        largest: largest(tensor, range),
        non_finite: broken && holds_non_finite(tensor),
        columns: columns(tensor),
        is_text: features.is_none() && first.is_some_and(is_text),
        features,
    }
}

/// The range of the finite numbers: of some of them, spread evenly, or of the first in tf.Examples.
fn range(tensor: &Effective<'_>) -> Option<Range> {
    let (mut low, mut high, mut sum, mut count) = (f32::INFINITY, f32::NEG_INFINITY, 0.0, 0_u32);
    let mut take = |value: f64| {
        let value = value as f32;
        if value.is_finite() {
            low = low.min(value);
            high = high.max(value);
            sum += value.abs();
            count += 1;
        }
    };
    if let Elements::Strings(strings) = &tensor.elements {
        let mut left = LOOKED_AT_IN_EXAMPLES;
        for string in strings {
            if left == 0 {
                break;
            }
            example::numbers(string, |value| {
                take(value);
                left -= 1;
                if left == 0 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        }
    }
    if let Some(row) = given(tensor) {
        for_each_number(&row, tensor.dtype, step(tensor, row.count), take);
    }
    (count > 0).then(|| Range {
        low,
        high,
        size: sum / count as f32,
    })
}

/// Spreads the places that are looked at over all columns: a step that shares a divisor with the
/// width of a row meets some of them alone.
fn step(tensor: &Effective<'_>, count: u64) -> u64 {
    let rows = tensor.dims.first().copied().unwrap_or(1);
    let width = tensor.count / rows.max(1);
    let least = count.div_ceil(LOOKED_AT).max(1);
    let coprime = |step: &u64| greatest_common_divisor(*step, width) == 1;
    (least..2 * least).find(coprime).unwrap_or(least)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

fn largest(tensor: &Effective<'_>, range: Option<Range>) -> f32 {
    match &tensor.elements {
        Elements::Fixed(bytes) if tensor.dtype.number == DataType::DtFloat => largest_of(bytes),
        _ => range.map_or(0.0, |range| range.high.max(-range.low)),
    }
}

/// Of single floats: sixteen side by side, which the compiler does at once. NaN is larger than
/// nothing.
fn largest_of(bytes: &[u8]) -> f32 {
    let mut most = [0.0_f32; 16];
    let mut take = |numbers: &[[u8; 4]]| {
        for (most, number) in most.iter_mut().zip(numbers) {
            let size = f32::from_le_bytes(*number).abs();
            *most = if size > *most { size } else { *most };
        }
    };
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().for_each(|block| take(block.as_chunks().0));
    take(rest.as_chunks().0);
    most.into_iter().fold(0.0, f32::max)
}

/// Whether NaN, infinity or what overflows when squared is anywhere in it: among its numbers, in a
/// tf.Example, or written out.
fn holds_non_finite(tensor: &Effective<'_>) -> bool {
    let mut found = false;
    if let Elements::Strings(strings) = &tensor.elements {
        return strings.iter().any(|string| {
            let looked = example::numbers(string, |value| {
                found |= is_too_large(value);
                ControlFlow::Continue(())
            });
            looked.map_or_else(|| is_text(string) && names_non_finite(string), |()| found)
        });
    }
    let real = matches!(tensor.dtype.class, Class::Float | Class::Complex);
    if let Some(row) = given(tensor).filter(|_| real) {
        for_each_number(&row, tensor.dtype, 1, |value| found |= is_too_large(value));
    }
    found
}

/// Whether its square is no single float any more.
fn is_too_large(value: f64) -> bool {
    value.is_nan() || value * value > f64::from(f32::MAX)
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
}

/// Whether a text, such as a line of CSV, has a number's place taken by what TensorFlow reads as none.
fn names_non_finite(text: &[u8]) -> bool {
    let mut words = text.split(|byte| !byte.is_ascii_alphanumeric());
    words.any(|word| {
        [&b"nan"[..], b"inf", b"infinity"]
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name))
    })
}

/// The numbers that were given, as one row.
fn given<'a>(tensor: &'a Effective<'_>) -> Option<Row<'a>> {
    let Elements::Fixed(bytes) = &tensor.elements else {
        return None;
    };
    Some(Row {
        given: Given::Fixed(bytes),
        count: (bytes.len() / tensor.dtype.size.max(1)) as u64,
        last: &[],
    })
}

#[cfg(test)]
mod tests {
    use super::{largest_of, names_non_finite};

    #[test]
    fn the_largest_is_found_wherever_it_stands() {
        for length in [0, 1, 15, 16, 17, 100] {
            for at in 0..length {
                let mut numbers = vec![1.0_f32; length];
                numbers[at] = -7.5;
                numbers[(at + 1) % length] = if length > 1 { f32::NAN } else { -7.5 };
                let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
                assert_eq!(largest_of(&bytes), 7.5, "{at} of {length}");
            }
        }
        assert_eq!(largest_of(&[]), 0.0);
    }

    #[test]
    fn a_line_of_csv_may_name_what_is_no_number() {
        for line in ["1.0,nan,3", "NaN", "[-inf; 2]", "a\tInfinity"] {
            assert!(names_non_finite(line.as_bytes()), "{line}");
        }
        for line in ["", "1.0,2e5", "banana", "information", "nanny"] {
            assert!(!names_non_finite(line.as_bytes()), "{line}");
        }
    }
}
