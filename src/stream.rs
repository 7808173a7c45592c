//! Bodies of HTTP/2 streams: reading one with its flow control, and writing one into another.
//!
//! A reader's window is only opened again when what it read was taken by the other side, so a
//! slow reader stalls its own stream, and what waits for it here is at most that window.

use bytes::{Bytes, BytesMut};
use h2::{FlowControl, Reason, RecvStream, SendStream};
use http::HeaderMap;
use http_body::{Body, Frame};
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
    /// DATA is over; only trailers may follow.
    drained: bool,
}

impl RecvBody {
    /// Wraps the receiving half.
    #[must_use]
    pub fn new(stream: RecvStream) -> Self {
        RecvBody {
            stream,
            drained: false,
        }
    }

    /// The window of this stream, for whoever passes its bytes on.
    pub fn credit(&mut self) -> Credit {
        Credit(self.stream.flow_control().clone())
    }
}

/// Opens a stream's window again; travels in the extensions of the request or the reply.
#[derive(Debug, Clone)]
pub struct Credit(FlowControl);

impl Credit {
    fn give(&mut self, bytes: usize) {
        let _ = self.0.release_capacity(bytes);
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
        if !this.drained {
            match ready!(this.stream.poll_data(cx)) {
                Some(Ok(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
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

    /// A panic elsewhere while the lock was held leaves the stream as it was.
    fn lock(&self) -> MutexGuard<'_, SendStream<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_pump<B>(
        &self,
        cx: &mut Context<'_>,
        body: &mut B,
        queue: &mut Queue,
        credit: &mut Option<Credit>,
    ) -> Poll<Pumped>
    where
        B: Body<Data = Bytes, Error = Failure> + Unpin,
    {
        let mut stream = self.lock();
        if let Poll::Ready(reason) = stream.poll_reset(cx) {
            return Poll::Ready(Pumped::Refused(reason.unwrap_or(Reason::CANCEL)));
        }
        loop {
            let more = queue.fill(cx, body);
            while let Some(front) = queue.front() {
                let room = match ready!(poll_room(cx, &mut stream, front.len())) {
                    Ok(room) => room,
                    Err(reason) => return Poll::Ready(Pumped::Refused(reason)),
                };
                let part = front.split_to(room.min(front.len()));
                let size = part.len();
                let last = queue.is_empty() && matches!(queue.end, Some(End::Whole));
                if let Err(error) = stream.send_data(part, last) {
                    let reason = error.reason().unwrap_or(Reason::CANCEL);
                    return Poll::Ready(Pumped::Refused(reason));
                }
                if let Some(credit) = credit {
                    credit.give(size);
                }
                if last {
                    return Poll::Ready(Pumped::Whole(None));
                }
            }
            match queue.end.take() {
                Some(End::Whole) => {
                    let _ = stream.send_data(Bytes::new(), true);
                    return Poll::Ready(Pumped::Whole(None));
                }
                Some(End::Trailers(trailers)) => {
                    let _ = stream.send_trailers(HeaderMap::clone(&trailers));
                    return Poll::Ready(Pumped::Whole(Some(*trailers)));
                }
                Some(End::Broken(failure)) => return Poll::Ready(Pumped::Broken(failure)),
                None if more => {}
                None => return Poll::Pending,
            }
        }
    }
}

/// Writes a body as it comes, each frame when the window has room for it, and gives credit for
/// what was written.
pub struct Pump<B> {
    sender: Sender,
    body: B,
    credit: Option<Credit>,
    /// What waits for room, if something does: most streams are open and still.
    queue: Option<Box<Queue>>,
}

impl<B> Pump<B>
where
    B: Body<Data = Bytes, Error = Failure> + Unpin,
{
    /// From `body` to `sender`; `credit` is the window of whoever sends the body.
    pub fn new(sender: Sender, body: B, credit: Option<Credit>) -> Self {
        Pump {
            sender,
            body,
            credit,
            queue: None,
        }
    }

    /// Goes on as far as it gets; ready at the end of the body.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Pumped> {
        let mut queue = self
            .queue
            .take()
            .map_or_else(Queue::default, |queue| *queue);
        let polled = self
            .sender
            .poll_pump(cx, &mut self.body, &mut queue, &mut self.credit);
        if polled.is_pending() && !(queue.is_empty() && queue.end.is_none()) {
            self.queue = Some(Box::new(queue));
        }
        polled
    }

    /// Where to.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }
}

/// Polls until at least one byte of `wanted` may be sent.
fn poll_room(
    cx: &mut Context<'_>,
    stream: &mut SendStream<Bytes>,
    wanted: usize,
) -> Poll<Result<usize, Reason>> {
    stream.reserve_capacity(wanted);
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
}

/// Frames below this are copied together while they wait: each would cost h2 more than it holds.
const SMALL: usize = 4 << 10;

/// What was read and not yet written: small frames gathered, at most the reader's window in all.
#[derive(Default)]
struct Queue {
    front: Bytes,
    gathered: BytesMut,
    next: Bytes,
    end: Option<End>,
}

enum End {
    Whole,
    /// Boxed, because every open stream has room for it twice.
    Trailers(Box<HeaderMap>),
    Broken(Failure),
}

impl Queue {
    /// Takes what is there. Returns whether there may be more at once.
    fn fill<B>(&mut self, cx: &mut Context<'_>, body: &mut B) -> bool
    where
        B: Body<Data = Bytes, Error = Failure> + Unpin,
    {
        while self.end.is_none() && self.next.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                return false;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                None => self.end = Some(End::Whole),
                Some(Err(failure)) => self.end = Some(End::Broken(failure)),
                Some(Ok(Ok(data))) => {
                    self.push(data);
                    if body.is_end_stream() {
                        self.end = Some(End::Whole);
                    }
                }
                Some(Ok(Err(frame))) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    self.end = Some(End::Trailers(Box::new(trailers)));
                }
            }
        }
        true
    }

    fn push(&mut self, data: Bytes) {
        if self.front.is_empty() && self.gathered.is_empty() {
            self.front = data;
        } else if data.len() < SMALL {
            self.gathered.extend_from_slice(&data);
        } else {
            self.next = data;
        }
    }

    /// What is to be written first.
    fn front(&mut self) -> Option<&mut Bytes> {
        if self.front.is_empty() {
            self.front = self.gathered.split().freeze();
        }
        if self.front.is_empty() {
            self.front = std::mem::take(&mut self.next);
        }
        (!self.front.is_empty()).then_some(&mut self.front)
    }

    fn is_empty(&self) -> bool {
        self.front.is_empty() && self.gathered.is_empty() && self.next.is_empty()
    }
}
