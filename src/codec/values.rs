//! The typed value fields of `TensorProto`, as TensorFlow reads them.

use super::dtype::{Class, DType, Field};
use super::strict;
use super::tensor::Elements;
use super::wire::{Fields, Value, varint};
use crate::proto::tensorflow::DataType;
use crate::skip::Skip;
use std::borrow::Cow;

/// More strings in one tensor are not worth keeping: each costs sixteen bytes, and two on the wire.
const MAX_STRINGS: usize = 1 << 22;

/// What the typed fields hold.
pub(super) struct Found<'a> {
    /// Values of the type's own field, at most as many as the tensor has elements; empty when
    /// the field is not read because there is `tensor_content`.
    pub elements: Elements<'a>,
    /// The first field with values that are not read.
    pub foreign: Option<Field>,
}

/// Reads the value fields of a whole `TensorProto` message for `dtype`. `own` tells whether the
/// type's own field is read at all.
pub(super) fn collect(
    message: &[u8],
    dtype: DType,
    own: bool,
    count: u64,
) -> Result<Found<'_>, Skip> {
    let mut foreign = None;
    let mut fixed: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut strings = Vec::new();
    for item in Fields::new(message) {
        let (number, value) = item.map_err(|_| Skip::Protobuf)?;
        let Some(field) = Field::from_number(number) else {
            continue;
        };
        if !own || field != dtype.field {
            if strict::values(field, value).map_err(|_| Skip::Protobuf)? {
                foreign = foreign.or(Some(field));
            }
        } else if dtype.class == Class::String {
            let Some(bytes) = value.bytes() else { continue };
            if strings.len() >= MAX_STRINGS {
                return Err(Skip::TooLarge);
            }
            if (strings.len() as u64) < count {
                strings.push(bytes);
            }
        } else {
            append(&mut fixed, dtype, value)?;
        }
    }
    if dtype.class == Class::String {
        return Ok(Found {
            elements: Elements::Strings(strings),
            foreign,
        });
    }
    let whole = fixed.len() - fixed.len() % dtype.size;
    let wanted = usize::try_from(count)
        .ok()
        .and_then(|n| n.checked_mul(dtype.size));
    let keep = wanted.unwrap_or(whole).min(whole);
    let elements = match fixed {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..keep]),
        Cow::Owned(mut bytes) => {
            bytes.truncate(keep);
            Cow::Owned(bytes)
        }
    };
    Ok(Found {
        elements: Elements::Fixed(elements),
        foreign,
    })
}

/// The strings of a `tensor_content`: all lengths as varints, then all bytes.
pub(super) fn string_list(content: &[u8], count: u64) -> Result<Vec<&[u8]>, Skip> {
    let mut rest = content;
    let mut lengths = Vec::new();
    for _ in 0..count {
        if lengths.len() >= MAX_STRINGS {
            return Err(Skip::TooLarge);
        }
        let length = varint(&mut rest)
            .and_then(|v| u32::try_from(v).ok())
            .ok_or(Skip::Tensor)?;
        lengths.push(length as usize);
    }
    let mut strings = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (string, after) = rest.split_at_checked(length).ok_or(Skip::Tensor)?;
        strings.push(string);
        rest = after;
    }
    if rest.is_empty() {
        Ok(strings)
    } else {
        Err(Skip::Tensor)
    }
}

/// Adds one value, or one packed run of values, of the type's own field.
fn append<'a>(out: &mut Cow<'a, [u8]>, dtype: DType, value: Value<'a>) -> Result<(), Skip> {
    match (dtype.field, value) {
        // Packed little-endian numbers are elements already.
        (Field::Float | Field::SComplex, Value::Bytes(run)) => run_of(out, run, 4),
        (Field::Double | Field::DComplex, Value::Bytes(run)) => run_of(out, run, 8),
        (Field::Float8, Value::Bytes(bytes)) => {
            // A bytes field, not a repeated one: the last one wins.
            *out = Cow::Borrowed(bytes);
            Ok(())
        }
        (Field::Float | Field::SComplex, Value::Fixed32(bytes)) => {
            out.to_mut().extend_from_slice(&bytes);
            Ok(())
        }
        (Field::Double | Field::DComplex, Value::Fixed64(bytes)) => {
            out.to_mut().extend_from_slice(&bytes);
            Ok(())
        }
        // A wire type that the field does not have: an unknown field.
        (Field::Float | Field::SComplex | Field::Double | Field::DComplex | Field::Float8, _) => {
            Ok(())
        }
        (_, Value::Bytes(mut run)) => {
            let elements = out.to_mut();
            while !run.is_empty() {
                let number = varint(&mut run).ok_or(Skip::Protobuf)?;
                push_number(elements, dtype, number);
            }
            Ok(())
        }
        (_, Value::Varint(number)) => {
            push_number(out.to_mut(), dtype, number);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn run_of<'a>(out: &mut Cow<'a, [u8]>, run: &'a [u8], size: usize) -> Result<(), Skip> {
    if !run.len().is_multiple_of(size) {
        return Err(Skip::Protobuf);
    }
    if out.is_empty() {
        *out = Cow::Borrowed(run);
    } else {
        out.to_mut().extend_from_slice(run);
    }
    Ok(())
}

/// One element out of a varint, cut to the type's size as a C++ cast does. Types of less than a
/// byte keep the whole byte, as TensorFlow does.
fn push_number(out: &mut Vec<u8>, dtype: DType, number: u64) {
    let bytes = number.to_le_bytes();
    match dtype.number {
        DataType::DtBool => out.push(u8::from(number != 0)),
        _ => out.extend_from_slice(&bytes[..dtype.size.min(8)]),
    }
}
