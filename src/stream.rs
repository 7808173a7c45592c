//! Bodies of HTTP/2 streams: reading one with its flow control, and writing one into another.
//!
//! A reader's window is only opened again when what it read was taken by the other side, so a
//! slow reader stalls its own stream and nothing is held back or piled up here.

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use http_body::{Body, Frame};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use thiserror::Error;

/// How a stream can fail.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// The peer reset the stream, with its code.
    #[error("stream reset: {0}")]
    Reset(Reason),
    /// The connection ended under the stream.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The peer will not process this stream: it may be sent again.
    #[error("not processed by the peer")]
    NotProcessed,
    /// No connection could be had.
    #[error("{0}")]
    Unavailable(String),
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Self {
        match error.reason() {
            // A stream above the last one that the peer promises to process.
            Some(_) if error.is_go_away() && error.is_remote() => Failure::NotProcessed,
            Some(reason) if error.is_reset() => Failure::Reset(reason),
            _ => Failure::Lost(error.to_string()),
        }
    }
}

/// The receiving half of a stream.
#[derive(Debug)]
pub struct RecvBody {
    stream: RecvStream,
    /// Bytes handed out and not yet given back to the window.
    held: usize,
    /// DATA is over; only trailers may follow.
    drained: bool,
}

impl RecvBody {
    /// Wraps the receiving half.
    #[must_use]
    pub fn new(stream: RecvStream) -> Self {
        RecvBody {
            stream,
            held: 0,
            drained: false,
        }
    }
}

impl Body for RecvBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = &mut *self;
        // Whoever asks for more has taken what it got.
        let held = std::mem::take(&mut this.held);
        if held > 0 {
            let _ = this.stream.flow_control().release_capacity(held);
        }
        if !this.drained {
            match ready!(this.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    this.held = data.len();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => this.drained = true,
            }
        }
        match ready!(this.stream.poll_trailers(cx)) {
            Ok(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Ok(None) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(error.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

/// The sending half of a stream, shared by whoever writes it and whoever may have to reset it.
#[derive(Debug, Clone)]
pub struct Sender(Arc<Mutex<SendStream<Bytes>>>);

/// How writing a body ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Pumped {
    /// All of it, with its trailers if it had some.
    Whole(Option<HeaderMap>),
    /// The reader of this stream reset it.
    Refused(Reason),
    /// The body itself failed.
    Broken(Failure),
}

impl Sender {
    /// Shares the sending half.
    #[must_use]
    pub fn new(stream: SendStream<Bytes>) -> Self {
        Sender(Arc::new(Mutex::new(stream)))
    }

    /// Resets the stream.
    pub fn reset(&self, reason: Reason) {
        self.lock().send_reset(reason);
    }

    /// Ends the stream with trailers.
    pub fn trailers(&self, trailers: HeaderMap) {
        let _ = self.lock().send_trailers(trailers);
    }

    /// Writes `body` as it comes, each frame when the window has room for it.
    pub async fn pump<B>(&self, body: &mut B) -> Pumped
    where
        B: Body<Data = Bytes, Error = Failure> + Unpin,
    {
        loop {
            let frame = match self.next_frame(body).await {
                Ok(frame) => frame,
                Err(refused) => return Pumped::Refused(refused),
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                None => {
                    let _ = self.lock().send_data(Bytes::new(), true);
                    return Pumped::Whole(None);
                }
                Some(Err(failure)) => return Pumped::Broken(failure),
                Some(Ok(Ok(data))) => {
                    let end = body.is_end_stream();
                    match self.write(data, end).await {
                        Err(refused) => return Pumped::Refused(refused),
                        Ok(()) if end => return Pumped::Whole(None),
                        Ok(()) => {}
                    }
                }
                Some(Ok(Err(frame))) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    self.trailers(trailers.clone());
                    return Pumped::Whole(Some(trailers));
                }
            }
        }
    }

    /// The body's next frame, or the code with which the reader reset this stream meanwhile.
    async fn next_frame<B>(
        &self,
        body: &mut B,
    ) -> Result<Option<Result<Frame<Bytes>, Failure>>, Reason>
    where
        B: Body<Data = Bytes, Error = Failure> + Unpin,
    {
        poll_fn(|cx| {
            if let Poll::Ready(reason) = self.lock().poll_reset(cx) {
                return Poll::Ready(Err(reason.unwrap_or(Reason::CANCEL)));
            }
            Pin::new(&mut *body).poll_frame(cx).map(Ok)
        })
        .await
    }

    async fn write(&self, mut data: Bytes, end: bool) -> Result<(), Reason> {
        if data.is_empty() {
            // An empty frame says nothing but "end".
            if end {
                let _ = self.lock().send_data(data, true);
            }
            return Ok(());
        }
        while !data.is_empty() {
            let room = self.room(data.len()).await?;
            let part = data.split_to(room.min(data.len()));
            let last = end && data.is_empty();
            self.lock()
                .send_data(part, last)
                .map_err(|e| e.reason().unwrap_or(Reason::CANCEL))?;
        }
        Ok(())
    }

    /// Waits until at least one byte of `wanted` may be sent.
    async fn room(&self, wanted: usize) -> Result<usize, Reason> {
        self.lock().reserve_capacity(wanted);
        poll_fn(|cx| {
            let mut stream = self.lock();
            if stream.capacity() > 0 {
                return Poll::Ready(Ok(stream.capacity()));
            }
            loop {
                match ready!(stream.poll_capacity(cx)) {
                    Some(Ok(0)) => {}
                    Some(Ok(room)) => return Poll::Ready(Ok(room)),
                    Some(Err(error)) => {
                        return Poll::Ready(Err(error.reason().unwrap_or(Reason::CANCEL)));
                    }
                    None => {
                        let reason = match stream.poll_reset(cx) {
                            Poll::Ready(Ok(reason)) => reason,
                            _ => Reason::CANCEL,
                        };
                        return Poll::Ready(Err(reason));
                    }
                }
            }
        })
        .await
    }

    /// A panic elsewhere while the lock was held leaves the stream as it was.
    fn lock(&self) -> MutexGuard<'_, SendStream<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
