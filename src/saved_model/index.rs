//! `variables.index`: which bytes of which data file hold each variable.
//!
//! Source: TensorFlow's tensor_bundle, a sorted table as LevelDB writes it: blocks of
//! prefix-compressed keys, an index block of their handles, and a footer of 48 bytes.

use crate::codec::wire::{Fields, varint};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// An index with more bytes is not looked at: this is a million variables.
const LARGEST: u64 = 64 << 20;

const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
const FOOTER: usize = 48;
/// Compression and checksum behind each block.
const TRAILER: usize = 5;

/// What an index says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Index {
    /// The bytes that each data file needs to have, by shard.
    Needs(BTreeMap<u64, u64>),
    /// It does not end as a table does, whatever it is: no server restores anything from it.
    NoTable,
    /// It cannot be read, is too large or is not understood: nothing is said of it.
    Unknown,
}

/// Reads a `variables.index`.
#[must_use]
pub fn index(path: &Path) -> Index {
    match bytes(path) {
        None => Index::Unknown,
        Some(bytes) if !ends_as_a_table(&bytes) => Index::NoTable,
        Some(bytes) => parse(&bytes).map_or(Index::Unknown, Index::Needs),
    }
}

fn bytes(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = super::open(path).ok()?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= LARGEST).then_some(bytes)
}

fn ends_as_a_table(file: &[u8]) -> bool {
    file.len() >= FOOTER && file.ends_with(&MAGIC.to_le_bytes())
}

fn parse(file: &[u8]) -> Option<BTreeMap<u64, u64>> {
    let (_, footer) = file.split_last_chunk::<FOOTER>()?;
    let mut handles: &[u8] = footer;
    handle(&mut handles)?;
    let root = block(file, handle(&mut handles)?)?;
    let mut needed = BTreeMap::new();
    each(root, &mut |_, mut value| {
        each(block(file, handle(&mut value)?)?, &mut |key, value| {
            // The empty key is the header, which has no place of its own.
            if key > 0 {
                let (shard, end) = entry(value)?;
                let most = needed.entry(shard).or_insert(0);
                *most = end.max(*most);
            }
            Some(())
        })
    })?;
    Some(needed)
}

fn handle(rest: &mut &[u8]) -> Option<(u64, u64)> {
    Some((varint(rest)?, varint(rest)?))
}

/// A block without its trailer; `None` if it is compressed, which TensorFlow never does here.
fn block(file: &[u8], (offset, size): (u64, u64)) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    let whole = file.get(start..end.checked_add(TRAILER)?)?;
    let (block, trailer) = whole.split_at(end - start);
    (trailer[0] == 0).then_some(block)
}

/// Calls `seen` with the length of each key and its value.
fn each(block: &[u8], seen: &mut dyn FnMut(u64, &[u8]) -> Option<()>) -> Option<()> {
    let (_, restarts) = block.split_last_chunk::<4>()?;
    let restarts = usize::try_from(u32::from_le_bytes(*restarts)).ok()?;
    let end = block
        .len()
        .checked_sub(restarts.checked_mul(4)?.checked_add(4)?)?;
    let mut rest = &block[..end];
    while !rest.is_empty() {
        let shared = varint(&mut rest)?;
        let own = varint(&mut rest)?;
        let length = usize::try_from(varint(&mut rest)?).ok()?;
        let (_, after) = rest.split_at_checked(usize::try_from(own).ok()?)?;
        let (value, after) = after.split_at_checked(length)?;
        seen(shared.checked_add(own)?, value)?;
        rest = after;
    }
    Some(())
}

/// The shard of a `BundleEntryProto`, and where its bytes end.
fn entry(value: &[u8]) -> Option<(u64, u64)> {
    let (mut shard, mut offset, mut size) = (0, 0, 0_u64);
    for field in Fields::new(value) {
        match field.ok()? {
            (3, value) => shard = value.varint()?,
            (4, value) => offset = value.varint()?,
            (5, value) => size = value.varint()?,
            _ => {}
        }
    }
    Some((shard, size.checked_add(offset)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of one block, as the writer lays it out.
    fn table(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let one = |entries: &[(&[u8], &[u8])]| {
            let mut block = Vec::new();
            for (key, value) in entries {
                block.extend([0, key.len() as u8, value.len() as u8]);
                block.extend(*key);
                block.extend(*value);
            }
            block.extend([0, 0, 0, 0, 1, 0, 0, 0]);
            block
        };
        let entries: Vec<_> = entries.iter().map(|(k, v)| (k.as_bytes(), *v)).collect();
        let mut file = one(&entries);
        let data = [0, file.len() as u8];
        file.extend([0; TRAILER]);
        let at = file.len() as u8;
        let root = one(&[(b"~", &data)]);
        file.extend(&root);
        file.extend([0; TRAILER]);
        let mut footer = vec![0, 0, at, root.len() as u8];
        footer.resize(FOOTER - 8, 0);
        file.extend(footer);
        file.extend(MAGIC.to_le_bytes());
        file
    }

    #[test]
    fn the_end_of_the_last_variable_is_what_a_file_needs() {
        let file = table(&[
            ("", &[0x08, 2]),
            ("a", &[0x28, 100]),
            ("b", &[0x20, 100, 0x28, 20]),
            ("c", &[0x18, 1, 0x28, 8]),
        ]);
        assert_eq!(parse(&file), Some(BTreeMap::from([(0, 120), (1, 8)])));
    }

    #[test]
    fn what_is_no_table_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("variables.index");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            index(&path)
        };
        let good = table(&[("a", &[0x28, 100])]);
        assert_eq!(read(&good), Index::Needs(BTreeMap::from([(0, 100)])));
        for cut in 0..good.len() {
            parse(&good[cut..]);
            parse(&good[..cut]);
            assert_eq!(read(&good[..cut]), Index::NoTable, "{cut}");
        }
        assert_eq!(read(&[0xff; 4096]), Index::NoTable);
        assert_eq!(index(folder.path()), Index::Unknown);
    }
}
