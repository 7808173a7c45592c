//! Small DATA frames of one stream that arrived together are made one. h2 keeps a record of a few
//! hundred bytes for each frame until somebody takes it, and takes a peer that sends many small
//! ones ahead of a slow reader for an attacker.

use super::{DATA, END_STREAM, HEAD, Head};

/// Frames of fewer bytes are merged: these are the ones that h2 counts.
const SMALL: usize = 256;
/// Bytes of a merged frame; every peer has to take frames of four times as many.
const MERGED: usize = 4 << 10;

/// The head of a small frame that is whole at the start of `bytes`, ends no stream but its own
/// and has no padding.
fn small(bytes: &[u8]) -> Option<Head> {
    let head = Head::parse(bytes.get(..HEAD)?);
    let plain = head.kind == DATA && head.flags & !END_STREAM == 0 && head.id() != 0;
    let fits = (1..SMALL).contains(&head.length) && bytes.len() >= HEAD + head.length;
    (plain && fits).then_some(head)
}

/// Merges the small frames of one stream that `bytes[from..]` begins with and writes the frame to
/// `bytes[to..]`, where `to` is at most `from`. Returns where the frames ended, where the merged
/// frame ends, and how many there were; nothing where there are fewer than two.
pub(super) fn merge(bytes: &mut [u8], from: usize, to: usize) -> Option<(usize, usize, u64)> {
    let mut merged = small(&bytes[from..])?;
    let (mut at, mut count) = (from + HEAD + merged.length, 1);
    while merged.flags & END_STREAM == 0
        && let Some(next) = small(&bytes[at..])
        && next.stream == merged.stream
        && merged.length + next.length <= MERGED
    {
        if count == 1 {
            bytes.copy_within(from + HEAD..at, to + HEAD);
        }
        let payload = at + HEAD..at + HEAD + next.length;
        at = payload.end;
        bytes.copy_within(payload, to + HEAD + merged.length);
        merged.length += next.length;
        merged.flags |= next.flags;
        count += 1;
    }
    if count == 1 {
        return None;
    }
    let end = to + HEAD + merged.length;
    let mut head = &mut bytes[to..to + HEAD];
    merged.write(&mut head);
    Some((at, end, count))
}
