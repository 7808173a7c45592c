//! Frames on their way into h2, with three things made easy for it that peers may do and h2 takes
//! for an attack: empty DATA frames, of which it allows a hundred in a connection's life, small
//! ones that nobody has read yet, and header blocks cut into many pieces, of which it allows five.
//! Within bounds, the first are left out and the others are joined; beyond them everything passes,
//! and h2 hangs up.

mod authority;
mod io;
mod merge;
mod sort;

use bytes::{BufMut, BytesMut};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Sleep;

/// The client's preface, which comes before its first frame.
pub const PREFACE: usize = 24;

const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// What that flag puts before the fields.
const PRIORITY_FIELDS: usize = 5;

/// Empty frames that h2 sees all the same, so that it judges those on streams that are not open.
const SEEN: u32 = 16;
/// Empty frames left out in a row. Whoever sends more has nothing to say.
const EMPTY: u32 = 100_000;
/// Pieces of one block that are joined, and its bytes.
const PIECES: u32 = 4_096;
const BLOCK: usize = 256 << 10;

/// A connection whose incoming frames pass the sieve; what goes out is left alone.
#[derive(Debug)]
pub struct Sieve<S> {
    inner: S,
    /// Bytes that pass unseen: the preface, and the rest of a frame that passes.
    passing: usize,
    /// A frame's head that has not arrived whole.
    head: Vec<u8>,
    /// Bytes that were read and are still to be handed out.
    out: BytesMut,
    block: Option<Block>,
    /// Bytes of the current frame that still belong to the block.
    collecting: usize,
    max_frame: usize,
    seen: u32,
    empty: u32,
    /// Bytes of a frame that is left out.
    skipping: usize,
    /// Frames so far that belong to no block, and the kind of the last.
    frames: u64,
    kind: u8,
    /// Windows that are owed to the peer, whether a part of that is written, and whether h2 is
    /// between two frames of its own.
    back: BytesMut,
    giving: bool,
    between: bool,
    /// How long a block of headers may take, and the one that is timed.
    limit: Option<Duration>,
    late: Option<(u64, Pin<Box<Sleep>>)>,
    /// Told the first byte that arrives.
    first: Option<Arc<OnceLock<u8>>>,
    /// The client came by a path, which stands in its `:authority`.
    by_path: bool,
}

/// A header block that is being joined.
#[derive(Debug)]
struct Block {
    flags: u8,
    stream: u32,
    pieces: u32,
    joined: BytesMut,
    /// The current frame ends the block.
    last: bool,
}

/// The bits of a stream's number.
const ID: u32 = 0x7fff_ffff;

struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    /// With its reserved bit, which passes as it came and means nothing.
    stream: u32,
}

impl Head {
    fn parse(bytes: &[u8]) -> Head {
        Head {
            length: usize::from(bytes[0]) << 16
                | usize::from(bytes[1]) << 8
                | usize::from(bytes[2]),
            kind: bytes[3],
            flags: bytes[4],
            stream: u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]),
        }
    }

    fn id(&self) -> u32 {
        self.stream & ID
    }

    fn write(&self, out: &mut impl BufMut) {
        out.put_uint(self.length as u64, 3);
        out.put_u8(self.kind);
        out.put_u8(self.flags);
        out.put_u32(self.stream);
    }
}

impl<S> Sieve<S> {
    /// Sieves what comes from `inner` after its first `preface` bytes. Joined blocks are cut into
    /// frames of `max_frame` bytes again, and larger frames are left for h2 to refuse.
    #[must_use]
    pub fn new(inner: S, preface: usize, max_frame: u32) -> Self {
        Sieve {
            inner,
            passing: preface,
            head: Vec::new(),
            out: BytesMut::new(),
            block: None,
            collecting: 0,
            max_frame: max_frame as usize,
            seen: 0,
            empty: 0,
            skipping: 0,
            frames: 0,
            kind: DATA,
            back: BytesMut::new(),
            giving: false,
            between: false,
            limit: None,
            late: None,
            first: None,
            by_path: false,
        }
    }

    /// For clients on a Unix socket, who name its path as their `:authority`.
    #[must_use]
    pub fn by_path(mut self, by_path: bool) -> Self {
        self.by_path = by_path;
        self
    }

    /// Fails a read when a block of headers takes longer than `limit`, and when no frame comes at
    /// all.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The first byte that arrives, once it has: it tells HTTP/2 from what is none.
    pub fn first(&mut self) -> Arc<OnceLock<u8>> {
        Arc::clone(self.first.get_or_insert_default())
    }
}

#[cfg(test)]
mod tests;
