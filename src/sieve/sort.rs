//! What becomes of each frame.

use super::merge::merge;
use super::{
    BLOCK, Block, CONTINUATION, DATA, EMPTY, HEAD, HEADERS, Head, ID, PIECES, SEEN, Sieve,
};
use super::{END_HEADERS, END_STREAM, PADDED, PRIORITY, PRIORITY_FIELDS, WINDOW_UPDATE, authority};
use bytes::{Buf, BufMut, BytesMut};

/// A frame's fate.
pub(super) enum Fate {
    Pass,
    Drop,
    Join,
}

/// Bytes of a frame that have to be there to decide on it: a padded one is empty or not by its
/// first byte.
fn needed(head: &[u8]) -> usize {
    let padded = head[3] == DATA && head[4] & PADDED != 0;
    HEAD + usize::from(
        padded && head[0] == 0 && (1..=256).contains(&u16::from_be_bytes([head[1], head[2]])),
    )
}

impl<S> Sieve<S> {
    fn fate(&mut self, head: &Head, padding: Option<u8>) -> Fate {
        if self.block.is_some() {
            return Fate::Join;
        }
        self.frames += 1;
        self.kind = head.kind;
        // A padded frame without a byte: the padding is all there is.
        let empty =
            head.length == 0 || padding.is_some_and(|size| head.length == 1 + usize::from(size));
        match head.kind {
            HEADERS
                if (self.by_path || head.flags & END_HEADERS == 0)
                    && head.length <= self.max_frame =>
            {
                Fate::Join
            }
            DATA if !empty => {
                self.empty = 0;
                Fate::Pass
            }
            DATA if head.flags & END_STREAM == 0 && head.id() != 0 => {
                if self.seen < SEEN {
                    self.seen += 1;
                    return Fate::Pass;
                }
                self.empty += 1;
                if self.empty > EMPTY {
                    Fate::Pass
                } else {
                    Fate::Drop
                }
            }
            _ => Fate::Pass,
        }
    }

    /// Moves what may stay among `bytes` to their beginning. Returns how many those are, and how
    /// many bytes were dealt with.
    pub(super) fn pass(&mut self, bytes: &mut [u8]) -> (usize, usize) {
        let (mut at, mut kept) = (0, 0);
        loop {
            let step = self.passing.min(bytes.len() - at);
            self.passing -= step;
            if kept < at {
                bytes.copy_within(at..at + step, kept);
            }
            at += step;
            kept += step;
            let rest = &bytes[at..];
            if rest.len() < HEAD
                || self.skipping > 0
                || !self.head.is_empty()
                || self.block.is_some()
            {
                return (kept, at);
            }
            let needed = needed(rest);
            if rest.len() < needed {
                return (kept, at);
            }
            let head = Head::parse(rest);
            let padding = (needed > HEAD).then(|| rest[HEAD]);
            match self.fate(&head, padding) {
                Fate::Pass => match merge(bytes, at, kept) {
                    Some((read, written, frames)) => {
                        self.frames += frames - 1;
                        (at, kept) = (read, written);
                    }
                    None => self.passing = HEAD + head.length,
                },
                fate => {
                    self.decided(&head, &fate);
                    return (kept, at + HEAD);
                }
            }
        }
    }

    /// Takes bytes that cannot all stay where they are.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.passing > 0 {
                let (these, rest) = bytes.split_at(self.passing.min(bytes.len()));
                self.out.extend_from_slice(these);
                self.passing -= these.len();
                bytes = rest;
            } else if self.skipping > 0 {
                let size = self.skipping.min(bytes.len());
                self.skipping -= size;
                bytes = &bytes[size..];
            } else if self.collecting > 0 {
                let (these, rest) = bytes.split_at(self.collecting.min(bytes.len()));
                if let Some(block) = &mut self.block {
                    block.joined.extend_from_slice(these);
                }
                self.collecting -= these.len();
                bytes = rest;
                if self.collecting == 0 {
                    self.piece();
                }
            } else {
                let missing = self.wanted() - self.head.len();
                let (these, rest) = bytes.split_at(missing.min(bytes.len()));
                self.head.extend_from_slice(these);
                bytes = rest;
                if self.head.len() >= HEAD && self.head.len() == self.wanted() {
                    let bytes = std::mem::take(&mut self.head);
                    let (head, padding) = (Head::parse(&bytes), bytes.get(HEAD).copied());
                    let fate = self.fate(&head, padding);
                    self.decided(&head, &fate);
                    // The byte of the padding's size was taken with the head.
                    if let Some(padding) = padding {
                        if self.passing > 0 {
                            self.out.put_u8(padding);
                        }
                        self.passing = self.passing.saturating_sub(1);
                        self.skipping = self.skipping.saturating_sub(1);
                    }
                }
            }
        }
    }

    fn wanted(&self) -> usize {
        // In a block the frame is joined whatever it is.
        if self.head.len() < HEAD || self.block.is_some() {
            HEAD
        } else {
            needed(&self.head)
        }
    }

    fn decided(&mut self, head: &Head, fate: &Fate) {
        match fate {
            Fate::Drop => {
                self.skipping = head.length;
                self.give_back(head);
            }
            Fate::Pass => {
                head.write(&mut self.out);
                self.passing = head.length;
            }
            Fate::Join => self.join(head),
        }
    }

    /// Padding takes up the window, and h2 will not give back what it has not seen.
    fn give_back(&mut self, head: &Head) {
        if head.length == 0 {
            return;
        }
        for stream in [head.id(), 0] {
            Head {
                length: 4,
                kind: WINDOW_UPDATE,
                flags: 0,
                stream,
            }
            .write(&mut self.back);
            self.back.put_u32(head.length as u32);
        }
    }

    /// The head of a frame while a block is open, or of the one that opens it.
    fn join(&mut self, head: &Head) {
        let block = self.block.get_or_insert_with(|| Block {
            flags: head.flags,
            stream: head.stream,
            pieces: 0,
            joined: BytesMut::new(),
            last: false,
        });
        block.pieces += 1;
        let belongs =
            block.pieces == 1 || head.kind == CONTINUATION && head.id() == block.stream & ID;
        let bounded = block.pieces <= PIECES
            && head.length <= self.max_frame
            && block.joined.len() + head.length <= BLOCK;
        if !belongs || !bounded {
            // What there is of the block passes without its end, and h2 says what is wrong.
            self.flush(false);
            head.write(&mut self.out);
            self.passing = head.length;
            return;
        }
        block.last = head.flags & END_HEADERS != 0;
        self.collecting = head.length;
        if head.length == 0 {
            self.piece();
        }
    }

    /// A frame of the block has arrived whole.
    fn piece(&mut self) {
        let Some(block) = &mut self.block else {
            return;
        };
        if block.flags & PADDED != 0 {
            let padding = usize::from(block.joined.first().copied().unwrap_or(u8::MAX));
            // Padding longer than its frame stays, for h2 to refuse.
            if let Some(length) = block.joined.len().checked_sub(1 + padding) {
                block.joined.advance(1);
                block.joined.truncate(length);
                block.flags &= !PADDED;
            }
        }
        if block.last || block.flags & PADDED != 0 {
            let last = block.last;
            self.flush(last);
        }
    }

    /// Hands the block out in frames as large as they may be.
    fn flush(&mut self, ended: bool) {
        let Some(mut block) = self.block.take() else {
            return;
        };
        if ended && self.by_path {
            let fields = match block.flags & PRIORITY {
                0 => 0,
                _ => PRIORITY_FIELDS.min(block.joined.len()),
            };
            authority::mend(&mut block.joined[fields..]);
        }
        let (mut kind, mut flags) = (HEADERS, block.flags & !END_HEADERS);
        loop {
            let part = block
                .joined
                .split_to(block.joined.len().min(self.max_frame));
            if ended && block.joined.is_empty() {
                flags |= END_HEADERS;
            }
            let (length, stream) = (part.len(), block.stream);
            Head {
                length,
                kind,
                flags,
                stream,
            }
            .write(&mut self.out);
            self.out.extend_from_slice(&part);
            (kind, flags) = (CONTINUATION, 0);
            if block.joined.is_empty() {
                return;
            }
        }
    }
}
