//! A serialised `tf.Example`, read in place.
//!
//! Source: TensorFlow's example.proto and feature.proto. `Example { Features features = 1; }`,
//! `Features { map<string, Feature> feature = 1; }`, `Feature { BytesList = 1; FloatList = 2;
//! Int64List = 3; }`, of which the last two are `repeated ... value = 1 [packed]`.

use super::column::fold;
use crate::codec::wire::{Fields, Value, varint};
use std::ops::ControlFlow;

/// Features that are remembered by name, and characters of a name.
const FEATURES: usize = 256;
const NAME: usize = 128;

/// The feature names, ordered; `None` if `bytes` are no tf.Example.
pub(super) fn features(bytes: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    each(bytes, |name, _| {
        if names.len() < FEATURES {
            names.push(name.chars().take(NAME).collect());
        }
        Some(())
    })?;
    names.sort_unstable();
    (!names.is_empty()).then_some(names)
}

/// A byte for each of [`features`], in their order: a hash of what the feature holds.
pub(super) fn prints(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut found: Vec<(String, u8)> = Vec::new();
    each(bytes, |name, feature| {
        if found.len() < FEATURES {
            found.push((name.chars().take(NAME).collect(), fold(feature)));
        }
        Some(())
    })?;
    found.sort_unstable();
    Some(found.into_iter().map(|(_, print)| print).collect())
}

/// Gives every number of its lists to `take` until that has enough; `None` if `bytes` are no tf.Example.
pub(super) fn numbers(bytes: &[u8], mut take: impl FnMut(f64) -> ControlFlow<()>) -> Option<()> {
    let mut empty = true;
    let mut enough = false;
    each(bytes, |_, feature| {
        empty = false;
        for list in Fields::new(feature) {
            let (kind @ (2 | 3), list) = list.ok()? else {
                continue;
            };
            for values in Fields::new(list.bytes()?) {
                let (1, values) = values.ok()? else { continue };
                enough = enough || each_number(kind == 2, values, &mut take).is_break();
            }
        }
        Some(())
    })?;
    (!empty).then_some(())
}

/// The numbers of one field of a list, packed or not.
fn each_number(
    float: bool,
    values: Value<'_>,
    take: &mut impl FnMut(f64) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let real = |bytes: [u8; 4]| f64::from(f32::from_le_bytes(bytes));
    match values {
        Value::Bytes(packed) if float => {
            packed.as_chunks().0.iter().try_for_each(|b| take(real(*b)))
        }
        Value::Fixed32(one) if float => take(real(one)),
        Value::Bytes(mut packed) => {
            while let Some(number) = varint(&mut packed) {
                take(number as i64 as f64)?;
            }
            ControlFlow::Continue(())
        }
        Value::Varint(one) => take(one as i64 as f64),
        _ => ControlFlow::Continue(()),
    }
}

/// Gives each feature's name and message to `take`; `None` if `bytes` are no tf.Example, or if
/// `take` says so.
fn each<'a>(bytes: &'a [u8], mut take: impl FnMut(&'a str, &'a [u8]) -> Option<()>) -> Option<()> {
    for field in Fields::new(bytes) {
        let (1, value) = field.ok()? else { return None };
        for entry in Fields::new(value.bytes()?) {
            let (1, entry) = entry.ok()? else { return None };
            let (mut name, mut feature) = ("", &[][..]);
            for part in Fields::new(entry.bytes()?) {
                match part.ok()? {
                    (1, value) => name = std::str::from_utf8(value.bytes()?).ok()?,
                    (2, value) => feature = value.bytes()?,
                    _ => return None,
                }
            }
            take(name, feature)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes with a number below 16 and a length below 128.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, bytes.len() as u8];
        out.extend(bytes);
        out
    }

    #[test]
    fn an_example_tells_its_features_and_nothing_else_does() {
        let entry = |name: &str| {
            let value = field(2, &field(1, &[0, 0, 128, 63]));
            field(1, &[field(1, name.as_bytes()), field(2, &value)].concat())
        };
        let example = field(1, &[entry("height"), entry("age")].concat());
        let names = features(&example);
        assert_eq!(names, Some(vec!["age".to_owned(), "height".to_owned()]));
        for odd in [
            &b""[..],
            b"a cat on a mat",
            b"\x0a\x05hello",
            b"\xff\xd8\xff\xe0",
        ] {
            assert_eq!(features(odd), None, "{odd:?}");
        }
        assert_eq!(features(&example[..example.len() - 1]), None);
    }

    #[test]
    fn the_numbers_of_an_example_packed_or_not() {
        let example = |kind: u8, list: &[u8]| {
            let feature = field(2, &field(kind, list));
            field(1, &field(1, &[field(1, b"age"), feature].concat()))
        };
        let numbers = |bytes: &[u8]| {
            let mut found = Vec::new();
            numbers(bytes, |number| {
                found.push(number);
                ControlFlow::Continue(())
            })?;
            Some(found)
        };
        let (one, two) = (1_f32.to_le_bytes(), 2_f32.to_le_bytes());
        let unpacked = |value: [u8; 4]| [&[1 << 3 | 5], &value[..]].concat();
        for (kind, list) in [
            (2, field(1, &[one, two].concat())),
            (2, [unpacked(one), unpacked(two)].concat()),
            (3, field(1, &[1, 2])),
            (3, vec![8, 1, 8, 2]),
        ] {
            assert_eq!(
                numbers(&example(kind, &list)),
                Some(vec![1.0, 2.0]),
                "{list:?}"
            );
        }
        let minus = [&[0xff; 9][..], &[1]].concat();
        assert_eq!(numbers(&example(3, &field(1, &minus))), Some(vec![-1.0]));
        // Pictures have none, and are examples all the same.
        assert_eq!(numbers(&example(1, &field(1, b"jpeg"))), Some(vec![]));
        for odd in [&b""[..], b"a cat on a mat", b"\x0a\x05hello"] {
            assert_eq!(numbers(odd), None, "{odd:?}");
        }
    }
}
