//! The `:authority` of a client on a Unix socket.
//!
//! gRPC's C core sends the socket's path there with its slashes escaped (`tmp%2Ftfs.sock`), and h2
//! resets a request whose `:authority` holds a percent sign. Servers of the C core do not look at
//! it, so another character in its place is better than no call at all.

/// As long as what it stands for: the block's lengths, and the other side's table, stay right.
const INSTEAD: u8 = b'-';

/// Replaces percent signs in the literal `:authority` of a header block. Blocks that cannot be read
/// are left for h2 to refuse, and so are values in Huffman's code, which the C core does not use.
pub(super) fn mend(block: &mut [u8]) {
    let mut at = 0;
    while let Some(Field { authority, end }) = field(block, at) {
        if let Some((start, end)) = authority {
            for byte in &mut block[start..end] {
                if *byte == b'%' {
                    *byte = INSTEAD;
                }
            }
        }
        at = end;
    }
}

/// One field of a block, RFC 7541 section 6.
struct Field {
    /// Where the value stands, if it is a literal `:authority`.
    authority: Option<(usize, usize)>,
    /// Where the next field begins.
    end: usize,
}

fn field(block: &[u8], at: usize) -> Option<Field> {
    let first = *block.get(at)?;
    // Indexed, or a new size of the table: a number and nothing else.
    let alone = if first & 0x80 != 0 {
        Some(7)
    } else {
        (first & 0xe0 == 0x20).then_some(5)
    };
    if let Some(bits) = alone {
        let (_, end) = number(block, at, bits)?;
        return Some(Field {
            authority: None,
            end,
        });
    }
    let bits = if first & 0x40 != 0 { 6 } else { 4 };
    let (index, mut at) = number(block, at, bits)?;
    let mut is_authority = index == 1;
    if index == 0 {
        let (start, end, packed) = string(block, at)?;
        is_authority = !packed && &block[start..end] == b":authority";
        at = end;
    }
    let (start, end, packed) = string(block, at)?;
    Some(Field {
        authority: (is_authority && !packed).then_some((start, end)),
        end,
    })
}

/// Start and end of a string's bytes, and whether they are in Huffman's code.
fn string(block: &[u8], at: usize) -> Option<(usize, usize, bool)> {
    let packed = block.get(at)? & 0x80 != 0;
    let (length, start) = number(block, at, 7)?;
    let end = start.checked_add(length)?;
    (end <= block.len()).then_some((start, end, packed))
}

/// A number whose first byte has `bits` bits of it, and where it ends. RFC 7541 section 5.1.
fn number(block: &[u8], at: usize, bits: u32) -> Option<(usize, usize)> {
    let mask = (1_u8 << bits) - 1;
    let first = block.get(at)? & mask;
    if first < mask {
        return Some((usize::from(first), at + 1));
    }
    let mut value = usize::from(mask);
    // No string of a block within its bounds needs more bytes.
    for (n, byte) in block.get(at + 1..)?.iter().take(4).enumerate() {
        value += usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((value, at + 2 + n));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(block: &[u8]) -> Vec<u8> {
        let mut block = block.to_vec();
        mend(&mut block);
        block
    }

    #[test]
    fn the_c_cores_block_can_be_read_by_h2() {
        // As grpcio 1.85 sends it: a literal name, indexed, and what stands around it.
        let sent = b"@\x05:path\x04/a%b@\x0a:authority\x0dtmp%2Fau.sock\x83\x86@\x02te\x03a%b";
        let expected = b"@\x05:path\x04/a%b@\x0a:authority\x0dtmp-2Fau.sock\x83\x86@\x02te\x03a%b";
        assert_eq!(mended(sent), expected);
        // By the static table, never indexed; behind a new size and a long number.
        assert_eq!(
            mended(b"\x3f\xe1\x1f\x11\x03%%a"),
            b"\x3f\xe1\x1f\x11\x03--a"
        );
        let long = [b"\x01\x7f\x09".to_vec(), vec![b'%'; 136]].concat();
        let expected = [b"\x01\x7f\x09".to_vec(), vec![b'-'; 136]].concat();
        assert_eq!(mended(&long), expected);
    }

    #[test]
    fn what_cannot_be_read_stays() {
        for block in [
            &b"\x01\x83%%%"[..],
            b"\x01\x09%%%",
            b"\x41",
            b"\x00\x0a:auth",
            b"\x7f\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(mended(block), block);
        }
        proptest::proptest!(|(block: Vec<u8>)| {
            proptest::prop_assert_eq!(mended(&block).len(), block.len());
        });
    }
}
