//! Parts of a `TensorProto` that are not read, and yet decide whether it is a message at all: the
//! server's parser refuses the whole call for them.

use super::dtype::Field;
use super::tensor::TensorView;
use super::wire::{Fields, Malformed, Value, varint};

/// Tensors in variants in tensors. The reference parser stops at 100 messages, two a level.
const DEEPEST: u32 = 50;

/// Whether `value` holds values of `field`; `false` for an unknown field, as one of another wire
/// type is.
pub(super) fn values(field: Field, value: Value<'_>) -> Result<bool, Malformed> {
    let malformed = |left: usize| Err(Malformed { left });
    match (field, value) {
        (Field::String | Field::Float8, Value::Bytes(bytes)) => Ok(!bytes.is_empty()),
        (Field::Float | Field::SComplex, Value::Bytes(run)) if run.len() % 4 != 0 => {
            malformed(run.len() % 4)
        }
        (Field::Double | Field::DComplex, Value::Bytes(run)) if run.len() % 8 != 0 => {
            malformed(run.len() % 8)
        }
        (Field::Float | Field::SComplex | Field::Double | Field::DComplex, Value::Bytes(run)) => {
            Ok(!run.is_empty())
        }
        (_, Value::Bytes(run)) => {
            let mut rest = run;
            while !rest.is_empty() {
                let left = rest.len();
                varint(&mut rest).ok_or(Malformed { left })?;
            }
            Ok(!run.is_empty())
        }
        (Field::Float | Field::SComplex, Value::Fixed32(_))
        | (Field::Double | Field::DComplex, Value::Fixed64(_)) => Ok(true),
        (
            Field::Float
            | Field::SComplex
            | Field::Double
            | Field::DComplex
            | Field::String
            | Field::Float8,
            _,
        ) => Ok(false),
        (_, Value::Varint(_)) => Ok(true),
        _ => Ok(false),
    }
}

/// A string field, which has to be UTF-8.
pub(super) fn text(value: Value<'_>) -> Result<(), Malformed> {
    match value.bytes().map(std::str::from_utf8) {
        Some(Err(error)) => Err(Malformed {
            left: value.bytes().map_or(0, <[u8]>::len) - error.valid_up_to(),
        }),
        _ => Ok(()),
    }
}

/// A `ResourceHandleProto`.
pub(super) fn resource(value: Value<'_>) -> Result<(), Malformed> {
    for field in Fields::new(value.bytes().unwrap_or_default()) {
        match field? {
            (1 | 2 | 3 | 5, value) => text(value)?,
            (6, Value::Bytes(shape)) => {
                for field in Fields::new(shape) {
                    if let (2, Value::Bytes(shape)) = field? {
                        super::tensor::read_dims(shape, &mut Vec::new())?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A `VariantTensorDataProto`, with the tensors in it.
pub(super) fn variant(value: Value<'_>, depth: u32) -> Result<(), Malformed> {
    let bytes = value.bytes().unwrap_or_default();
    if depth == DEEPEST {
        return Err(Malformed { left: bytes.len() });
    }
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => text(value)?,
            (3, Value::Bytes(tensor)) => {
                TensorView::parse_at(tensor, depth + 1)?;
                for field in Fields::new(tensor) {
                    let (number, value) = field?;
                    if let Some(field) = Field::from_number(number) {
                        values(field, value)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_values_are_still_checked() {
        assert_eq!(values(Field::Float, Value::Bytes(&[0; 8])), Ok(true));
        assert!(values(Field::Float, Value::Bytes(&[0; 7])).is_err());
        assert!(values(Field::Int, Value::Bytes(&[1, 0x80])).is_err());
        assert_eq!(values(Field::Float, Value::Varint(7)), Ok(false));
        assert!(text(Value::Bytes(b"\xed\xa0\x80")).is_err());
    }

    #[test]
    fn variants_without_end_are_refused() {
        let mut message = Vec::new();
        for _ in 0..60 {
            // A tensor with a variant with a tensor, and so on: too short to need long lengths.
            let mut variant = vec![0x1a, message.len() as u8];
            variant.extend(&message);
            message = vec![0x7a, variant.len() as u8];
            message.extend(&variant);
            if message.len() > 120 {
                break;
            }
        }
        assert!(TensorView::parse(&message).is_ok());
        assert!(TensorView::parse_at(&message, 40).is_err());
    }
}
