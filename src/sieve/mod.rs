//! Frames on their way into h2, with two things made easy for it that peers may do and h2 takes
//! for an attack: empty DATA frames, of which it allows a hundred in a connection's life, and
//! header blocks cut into many pieces, of which it allows five. Within bounds, the first are left
//! out and the second are joined; beyond them everything passes, and h2 hangs up.

use bytes::{Buf, BufMut, BytesMut};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The client's preface, which comes before its first frame.
pub const PREFACE: usize = 24;

const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

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

struct Head {
    length: usize,
    kind: u8,
    flags: u8,
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
            stream: u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]) & 0x7fff_ffff,
        }
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_uint(self.length as u64, 3);
        out.put_u8(self.kind);
        out.put_u8(self.flags);
        out.put_u32(self.stream);
    }
}

enum Fate {
    Pass,
    Drop,
    Join,
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
        }
    }

    fn fate(&mut self, head: &Head) -> Fate {
        match head.kind {
            _ if self.block.is_some() => Fate::Join,
            HEADERS if head.flags & END_HEADERS == 0 && head.length <= self.max_frame => Fate::Join,
            DATA if head.length > 0 => {
                self.empty = 0;
                Fate::Pass
            }
            DATA if head.flags & END_STREAM == 0 && head.stream != 0 => {
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

    /// How many of `bytes` may stay where they are, and how many of them were dealt with.
    fn pass(&mut self, bytes: &[u8]) -> (usize, usize) {
        let mut at = 0;
        loop {
            let step = self.passing.min(bytes.len() - at);
            self.passing -= step;
            at += step;
            if bytes.len() - at < HEAD || !self.head.is_empty() || self.block.is_some() {
                return (at, at);
            }
            let head = Head::parse(&bytes[at..]);
            match self.fate(&head) {
                Fate::Pass => self.passing = HEAD + head.length,
                fate => {
                    self.decided(&head, &fate);
                    return (at, at + HEAD);
                }
            }
        }
    }

    /// Takes bytes that cannot all stay where they are.
    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.passing > 0 {
                let (these, rest) = bytes.split_at(self.passing.min(bytes.len()));
                self.out.extend_from_slice(these);
                self.passing -= these.len();
                bytes = rest;
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
                let missing = HEAD - self.head.len();
                let (these, rest) = bytes.split_at(missing.min(bytes.len()));
                self.head.extend_from_slice(these);
                bytes = rest;
                if self.head.len() == HEAD {
                    let head = Head::parse(&std::mem::take(&mut self.head));
                    let fate = self.fate(&head);
                    self.decided(&head, &fate);
                }
            }
        }
    }

    fn decided(&mut self, head: &Head, fate: &Fate) {
        match fate {
            Fate::Drop => {}
            Fate::Pass => {
                head.write(&mut self.out);
                self.passing = head.length;
            }
            Fate::Join => self.join(head),
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
        let belongs = block.pieces == 1 || head.kind == CONTINUATION && head.stream == block.stream;
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
        let (mut kind, mut flags) = (HEADERS, block.flags);
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

impl<S: AsyncRead + Unpin> AsyncRead for Sieve<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.out.is_empty() {
                let size = this.out.len().min(buf.remaining());
                buf.put_slice(&this.out[..size]);
                this.out.advance(size);
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let read = &buf.filled()[before..];
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let (kept, done) = this.pass(read);
            this.feed(&read[done..]);
            buf.set_filled(before + kept);
            if kept > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sieve<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
