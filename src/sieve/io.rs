//! The sieve as a connection.

use super::{HEADERS, Sieve};
use bytes::Buf;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

impl<S> Sieve<S> {
    /// Whether a block of headers has begun and not ended, or nothing has come at all. Anything
    /// else may take its time: a client that is stopped in the middle of a body goes on later.
    fn is_half(&self) -> bool {
        self.frames == 0
            || self.block.is_some()
            || self.head.get(3) == Some(&HEADERS)
            || self.passing > 0 && self.kind == HEADERS
    }

    /// Fails when what has begun is not ended in time.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(limit) = self.limit else {
            return Poll::Pending;
        };
        if !self.is_half() {
            self.late = None;
            return Poll::Pending;
        }
        let frames = self.frames;
        let (begun, sleep) = self
            .late
            .get_or_insert_with(|| (frames, Box::pin(tokio::time::sleep(limit))));
        if *begun != frames {
            *begun = frames;
            sleep.as_mut().reset(Instant::now() + limit);
        }
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "a block of headers was not ended in time",
        )))
    }
}

impl<S: AsyncWrite + Unpin> Sieve<S> {
    /// Writes what is owed for padding that was left out. Only between h2's own frames.
    fn poll_give(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.back.is_empty() {
            let size = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.back))?;
            if size == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.back.advance(size);
            self.giving = !self.back.is_empty();
        }
        Poll::Ready(Ok(()))
    }

    /// Before h2 writes: what was begun is ended first.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.giving {
            ready!(self.poll_give(cx))?;
        }
        self.between = false;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Sieve<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.back.is_empty() && this.between {
                // Not ready is no matter: it is tried again with the next flush.
                if let Poll::Ready(given) = this.poll_give(cx) {
                    given?;
                    let _ = Pin::new(&mut this.inner).poll_flush(cx)?;
                }
            }
            if !this.out.is_empty() {
                let size = this.out.len().min(buf.remaining());
                buf.put_slice(&this.out[..size]);
                this.out.advance(size);
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            let Poll::Ready(read) = Pin::new(&mut this.inner).poll_read(cx, buf) else {
                return this.poll_late(cx);
            };
            read?;
            let read = &buf.filled()[before..];
            if let (Some(cell), Some(first)) = (&this.first, read.first()) {
                let _ = cell.set(*first);
                this.first = None;
            }
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let read = &mut buf.filled_mut()[before..];
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
        ready!(self.poll_turn(cx))?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx))?;
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // h2 flushes when it has written whole frames, and only then.
        ready!(self.poll_give(cx))?;
        self.between = true;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
