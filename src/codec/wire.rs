//! The protobuf wire format, read in place. Values borrow from the message.
//!
//! Source: the Protocol Buffers encoding specification; limits as in the reference parser.

use thiserror::Error;

/// Nested groups deeper than this are refused, as the reference parser does.
const MAX_DEPTH: u32 = 100;

/// The bytes are no protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed protobuf, {left} bytes before the end of the message")]
pub struct Malformed {
    /// Bytes of the message that were not read.
    pub left: usize,
}

/// One value as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64([u8; 8]),
    /// Wire type 2: bytes, strings, messages, packed fields.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32([u8; 4]),
    /// Wire types 3 and 4, skipped as a whole.
    Group,
}

impl<'a> Value<'a> {
    /// The bytes of a length-delimited value; `None` for another wire type, which a parser
    /// treats as an unknown field.
    #[must_use]
    pub fn bytes(self) -> Option<&'a [u8]> {
        if let Value::Bytes(bytes) = self {
            Some(bytes)
        } else {
            None
        }
    }

    /// The number of a varint value; `None` for another wire type.
    #[must_use]
    pub fn varint(self) -> Option<u64> {
        if let Value::Varint(number) = self {
            Some(number)
        } else {
            None
        }
    }
}

/// The fields of a message in wire order. Stops after the first error.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
    failed: bool,
}

impl<'a> Fields<'a> {
    /// Reads `message` from its start.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Fields {
            rest: message,
            failed: false,
        }
    }

    fn read(&mut self) -> Option<(u32, Value<'a>)> {
        let (number, kind) = tag(&mut self.rest)?;
        let value = match kind {
            3 => {
                skip_group(&mut self.rest, number, MAX_DEPTH)?;
                Value::Group
            }
            _ => scalar(&mut self.rest, kind)?,
        };
        Some((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.rest.is_empty() {
            return None;
        }
        let left = self.rest.len();
        let field = self.read();
        self.failed = field.is_none();
        Some(field.ok_or(Malformed { left }))
    }
}

/// Reads one varint of at most ten bytes off the front; bits beyond 64 are dropped, as the
/// reference parser does.
#[inline]
pub fn varint(rest: &mut &[u8]) -> Option<u64> {
    // Nearly every tag and most lengths are one byte.
    if let [byte @ 0..0x80, after @ ..] = *rest {
        *rest = after;
        return Some(u64::from(*byte));
    }
    long_varint(rest)
}

fn long_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for (i, byte) in rest.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f)
            .checked_shl(7 * i as u32)
            .unwrap_or(0);
        if byte & 0x80 == 0 {
            *rest = &rest[i + 1..];
            return Some(number);
        }
    }
    None
}

/// A varint of at most five bytes: tags and lengths have no more in the reference parser.
fn short_varint(rest: &mut &[u8]) -> Option<u64> {
    let before = rest.len();
    let number = varint(rest)?;
    (before - rest.len() <= 5).then_some(number)
}

fn tag(rest: &mut &[u8]) -> Option<(u32, u8)> {
    // Bits beyond 32 are dropped.
    let key = short_varint(rest)? as u32;
    let number = key >> 3;
    (number != 0).then_some((number, (key & 7) as u8))
}

fn scalar<'a>(rest: &mut &'a [u8], kind: u8) -> Option<Value<'a>> {
    match kind {
        0 => varint(rest).map(Value::Varint),
        1 => array(rest).map(Value::Fixed64),
        2 => {
            let length = usize::try_from(short_varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Some(Value::Bytes(bytes))
        }
        5 => array(rest).map(Value::Fixed32),
        _ => None,
    }
}

fn skip_group(rest: &mut &[u8], group: u32, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    loop {
        match tag(rest)? {
            (number, 4) => return (number == group).then_some(()),
            (number, 3) => skip_group(rest, number, depth)?,
            (_, kind) => {
                scalar(rest, kind)?;
            }
        }
    }
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_at_their_boundaries() {
        let mut longest: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(varint(&mut longest), Some(u64::MAX));
        assert_eq!(varint(&mut [0xff; 11].as_slice()), None);
        assert_eq!(varint(&mut [0x80].as_slice()), None);
        assert_eq!(varint(&mut [].as_slice()), None);
        assert_eq!(varint(&mut [0x00, 7].as_slice()), Some(0));
    }

    #[test]
    fn groups_are_skipped_whole_and_unclosed_ones_refused() {
        // field 1 group { field 2 varint 5 }, then field 3 varint 1
        let good = [0x0b, 0x10, 5, 0x0c, 0x18, 1];
        let fields: Result<Vec<_>, _> = Fields::new(&good).collect();
        assert_eq!(fields, Ok(vec![(1, Value::Group), (3, Value::Varint(1))]));
        for bad in [&good[..3], &[0x0b, 0x14][..], &[0x0c][..]] {
            assert!(Fields::new(bad).any(|f| f.is_err()), "{bad:?}");
        }
        let deep = vec![0x0b; 10_000];
        assert!(Fields::new(&deep).any(|f| f.is_err()));
    }

    #[test]
    fn a_length_beyond_the_message_is_refused() {
        for declared in [4_u8, 5, 200] {
            let message = [0x0a, declared & 0x7f, 1, 2, 3];
            assert!(Fields::new(&message).any(|f| f.is_err()));
        }
        assert!(Fields::new(&[0x0a, 3, 1, 2, 3]).all(|f| f.is_ok()));
    }
}
