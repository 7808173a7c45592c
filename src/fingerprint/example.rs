//! A serialised `tf.Example`, read in place.
//!
//! Source: TensorFlow's example.proto and feature.proto. `Example { Features features = 1; }`,
//! `Features { map<string, Feature> feature = 1; }`, `Feature { BytesList = 1; FloatList = 2;
//! Int64List = 3; }`, `FloatList { repeated float value = 1 [packed]; }`.

use crate::codec::wire::{Fields, Value};

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

/// Whether NaN or infinity is among its floats; `None` if `bytes` are no tf.Example.
pub(super) fn holds_non_finite(bytes: &[u8]) -> Option<bool> {
    let (mut found, mut empty) = (false, true);
    each(bytes, |_, feature| {
        empty = false;
        for list in Fields::new(feature) {
            let (2, list) = list.ok()? else { continue };
            for values in Fields::new(list.bytes()?) {
                let is_none = |bytes: &[u8; 4]| !f32::from_le_bytes(*bytes).is_finite();
                found |= match values.ok()? {
                    (1, Value::Bytes(packed)) => packed.as_chunks().0.iter().any(is_none),
                    (1, Value::Fixed32(one)) => is_none(&one),
                    _ => false,
                };
            }
        }
        Some(())
    })?;
    (!empty).then_some(found)
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
    fn nan_among_the_floats_of_an_example() {
        let example = |list: &[u8]| {
            let feature = field(2, &field(2, list));
            field(1, &field(1, &[field(1, b"age"), feature].concat()))
        };
        let (one, nan) = (1_f32.to_le_bytes(), f32::NAN.to_le_bytes());
        let unpacked = |value: [u8; 4]| [&[1 << 3 | 5], &value[..]].concat();
        for (list, expected) in [
            (field(1, &[one, one].concat()), false),
            (field(1, &[one, nan].concat()), true),
            ([unpacked(one), unpacked(nan)].concat(), true),
            (unpacked(one), false),
        ] {
            assert_eq!(
                holds_non_finite(&example(&list)),
                Some(expected),
                "{list:?}"
            );
        }
        for odd in [&b""[..], b"a cat on a mat", b"\x0a\x05hello"] {
            assert_eq!(holds_non_finite(odd), None, "{odd:?}");
        }
    }
}
