//! The canonical form of a row, fed to the hash: name, type and shape of the row, then its
//! elements with the trailing run of equal ones written once. So a value that TensorFlow
//! repeats, and the same value written out, are equal, and 2^40 repeats cost nothing.
//!
//! Every NaN is one NaN, and -0 is 0: a model does not tell them apart, and a client may.

use super::Key;
use crate::codec::dtype::Class;
use crate::codec::tensor::{Effective, Given, Row};

/// A piece of at least this many bytes is hashed on its own, all at once, which is when BLAKE3 is
/// fastest; its hash stands for it.
const LONG: usize = 2 << 10;

/// Room for a row of a hundred floats, so that the buffer need not grow step by step for each call.
const GATHERED: usize = 512;

/// Feeds rows to the hash, reusing its buffer.
pub(super) struct RowHasher<'k> {
    key: &'k Key,
    gathered: Vec<u8>,
}

impl<'k> RowHasher<'k> {
    pub(super) fn new(key: &'k Key) -> Self {
        RowHasher {
            key,
            gathered: Vec::with_capacity(GATHERED),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.len() < LONG {
            self.gathered.extend_from_slice(bytes);
        } else {
            self.gathered.extend_from_slice(&self.key.digest(bytes));
        }
    }

    /// The fingerprint of what was pushed since the last call.
    pub(super) fn finish(&mut self) -> u64 {
        let hash = self.key.hash(&self.gathered);
        self.gathered.clear();
        hash
    }
}

/// A tensor with what all its rows share worked out once.
pub(super) struct Canonical<'t> {
    tensor: &'t Effective<'t>,
    /// Fingerprint of name, type and the shape of a row.
    header: u64,
    /// Whether no element needs rewriting.
    clean: bool,
}

impl<'t> Canonical<'t> {
    /// `whole` means that a row is the whole tensor, first dimension included.
    pub(super) fn new(key: &Key, name: &str, tensor: &'t Effective<'t>, whole: bool) -> Self {
        let mut header = Vec::with_capacity(name.len() + 16 + 8 * tensor.dims.len());
        header.extend_from_slice(&(name.len() as u64).to_le_bytes());
        header.extend_from_slice(name.as_bytes());
        header.extend_from_slice(&(tensor.dtype.number as i32).to_le_bytes());
        for size in tensor.dims.iter().skip(usize::from(!whole)) {
            header.extend_from_slice(&size.to_le_bytes());
        }
        Canonical {
            tensor,
            header: key.hash(&header),
            clean: is_clean(tensor),
        }
    }

    /// Feeds row `row` of `rows`.
    pub(super) fn feed(&self, hasher: &mut RowHasher<'_>, row: u64, rows: u64) {
        hasher.push(&self.header.to_le_bytes());
        let row = self.tensor.row(row, rows);
        match row.given {
            Given::Strings(strings) => feed_strings(hasher, &row, strings),
            Given::Fixed(bytes) if self.clean => {
                feed_fixed(hasher, &row, bytes, row.last, self.tensor.dtype.size);
            }
            Given::Fixed(bytes) => {
                let width = float_width(self.tensor);
                let (bytes, last) = (rewrite(bytes, width), rewrite(row.last, width));
                feed_fixed(hasher, &row, &bytes, &last, self.tensor.dtype.size);
            }
        }
    }
}

fn feed_fixed(hasher: &mut RowHasher<'_>, row: &Row<'_>, bytes: &[u8], last: &[u8], size: usize) {
    let zero = [0; 16];
    let last = if last.is_empty() { &zero[..size] } else { last };
    let given = (bytes.len() / size) as u64;
    // What the row ends with: the repeated value if it is cut short, else its own last element.
    let end = if given < row.count || bytes.is_empty() {
        last
    } else {
        &bytes[bytes.len() - size..]
    };
    let run = bytes
        .rchunks_exact(size)
        .take_while(|element| *element == end)
        .count();
    let prefix = &bytes[..bytes.len() - run * size];
    hasher.push(&(prefix.len() as u64).to_le_bytes());
    hasher.push(prefix);
    hasher.push(&row.count.to_le_bytes());
    if row.count > 0 {
        hasher.push(end);
    }
}

fn feed_strings(hasher: &mut RowHasher<'_>, row: &Row<'_>, strings: &[&[u8]]) {
    let end = if (strings.len() as u64) < row.count {
        row.last
    } else {
        strings.last().copied().unwrap_or(&[])
    };
    let run = strings
        .iter()
        .rev()
        .take_while(|string| **string == end)
        .count();
    let prefix = &strings[..strings.len() - run];
    hasher.push(&(prefix.len() as u64).to_le_bytes());
    for string in prefix.iter().chain([&end]) {
        hasher.push(&(string.len() as u64).to_le_bytes());
        hasher.push(string);
    }
    hasher.push(&row.count.to_le_bytes());
}

/// Bytes of one float inside an element; 0 where there is nothing to rewrite.
fn float_width(tensor: &Effective<'_>) -> usize {
    match tensor.dtype.class {
        Class::Float if tensor.dtype.size > 1 => tensor.dtype.size,
        Class::Complex => tensor.dtype.size / 2,
        _ => 0,
    }
}

fn is_clean(tensor: &Effective<'_>) -> bool {
    let Given::Fixed(bytes) = tensor.row(0, 1).given else {
        return true;
    };
    // Blocks, so that the inner loop has no branch and is done on many elements at once.
    match float_width(tensor) {
        4 => bytes.chunks(4096).all(|block| {
            !block.chunks_exact(4).fold(false, |odd, e| {
                odd | odd_32(u32::from_le_bytes([e[0], e[1], e[2], e[3]]))
            })
        }),
        0 => true,
        width => bytes.chunks_exact(width).all(|e| !is_odd(e)),
    }
}

/// Negative zero or NaN.
fn odd_32(bits: u32) -> bool {
    (bits == 0x8000_0000) | (bits & 0x7fff_ffff > 0x7f80_0000)
}

fn is_odd(element: &[u8]) -> bool {
    match *element {
        [a, b, c, d] => odd_32(u32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => {
            let value = f64::from_le_bytes([a, b, c, d, e, f, g, h]);
            value.is_nan() || (value == 0.0 && value.is_sign_negative())
        }
        // Half and bfloat16: the sign bit alone is -0. Their NaNs differ, so the narrower test
        // of bfloat16 is not used; a NaN payload in 16 bits is left as it is.
        [0, 0x80] => true,
        _ => false,
    }
}

fn rewrite(bytes: &[u8], width: usize) -> Vec<u8> {
    let mut rewritten = bytes.to_vec();
    if width > 0 {
        for element in rewritten.chunks_exact_mut(width) {
            if is_odd(element) {
                let nan = element.iter().any(|byte| byte & 0x7f != 0);
                element.fill(if nan { 0xff } else { 0 });
            }
        }
    }
    rewritten
}
