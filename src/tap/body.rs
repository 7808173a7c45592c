//! Bodies that are kept as they pass.

use super::record::{Half, Record};
use super::{PREDICT, Tap};
use crate::stack::Peer;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, request};
use http_body::{Body, Frame, SizeHint};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Bytes kept of the reason for which a call was refused.
const MESSAGE: usize = 1024;

/// The request's half: written while the request passes, read when the reply has ended.
pub(super) struct Sent(Arc<Mutex<Half>>);

/// One call from its start to its one end: whichever way it ends, it is dropped, and then the
/// record is given to the sink.
pub(super) struct Recording {
    tap: Tap,
    started: Instant,
    start_unix_nanos: i64,
    peer: Option<Peer>,
    user_agent: Option<HeaderValue>,
    request: Arc<Mutex<Half>>,
    response: Half,
    grpc_status: i32,
    grpc_message: String,
    complete: bool,
}

impl Recording {
    pub(super) fn start(parts: &request::Parts, tap: Tap) -> (Box<Self>, Sent) {
        let half = Arc::new(Mutex::new(tap.half(&parts.headers)));
        let sent = Sent(Arc::clone(&half));
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let recording = Recording {
            started: Instant::now(),
            start_unix_nanos: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
            peer: parts.extensions.get().cloned(),
            user_agent: parts.headers.get("user-agent").cloned(),
            request: half,
            response: Half::default(),
            grpc_status: -1,
            grpc_message: String::new(),
            complete: false,
            tap,
        };
        (Box::new(recording), sent)
    }

    /// What the reply is to say of its series; nothing for a call that failed.
    pub(super) fn notes(&self) -> Vec<HeaderValue> {
        match &self.tap.0.notes {
            Some(notes) if !self.complete => {
                notes.of(&self.request.lock().unwrap_or_else(PoisonError::into_inner))
            }
            _ => Vec::new(),
        }
    }

    /// The reply's headers, which hold the status of a Trailers-Only reply.
    pub(super) fn headers(&mut self, headers: &HeaderMap) {
        self.response = self.tap.half(headers);
        self.status(headers);
    }

    fn status(&mut self, headers: &HeaderMap) {
        if let Some(status) = text(headers, "grpc-status") {
            self.grpc_status = status.parse().unwrap_or(2);
            self.complete = true;
        }
        if self.grpc_status > 0 {
            let mut message = text(headers, "grpc-message").unwrap_or_default();
            // Printable ASCII, so that it may be cut anywhere.
            message.truncate(MESSAGE);
            self.grpc_message = message;
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let request = {
            let mut request = self.request.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *request)
        };
        let (connection, peer) = match &self.peer {
            Some(peer) => (peer.connection, peer.address.to_string()),
            None => (0, String::new()),
        };
        let user_agent = self
            .user_agent
            .as_ref()
            .and_then(|agent| agent.to_str().ok());
        let record = Record {
            start_unix_nanos: self.start_unix_nanos,
            duration_nanos: i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX),
            path: PREDICT.to_owned(),
            connection,
            peer,
            user_agent: user_agent.unwrap_or_default().to_owned(),
            request,
            response: std::mem::take(&mut self.response),
            grpc_status: self.grpc_status,
            grpc_message: std::mem::take(&mut self.grpc_message),
            complete: self.complete,
        };
        // On the forwarding path, and perhaps while it unwinds already: a panic must end here.
        let _ = catch_unwind(AssertUnwindSafe(|| self.tap.0.sink.record(record)));
    }
}

enum Side {
    Untouched,
    Request(Sent),
    Response(Box<Recording>),
}

/// A body that may be kept.
pub struct TapBody<B> {
    inner: B,
    side: Side,
}

impl<B> TapBody<B> {
    pub(super) fn untouched(inner: B) -> Self {
        TapBody {
            inner,
            side: Side::Untouched,
        }
    }

    pub(super) fn request(inner: B, sent: Sent) -> Self {
        TapBody {
            inner,
            side: Side::Request(sent),
        }
    }

    pub(super) fn response(inner: B, recording: Box<Recording>) -> Self {
        TapBody {
            inner,
            side: Side::Response(recording),
        }
    }

    fn see(&mut self, frame: &Frame<Bytes>) {
        match &mut self.side {
            Side::Untouched => {}
            Side::Request(sent) => {
                if let Some(data) = frame.data_ref() {
                    let mut half = sent.0.lock().unwrap_or_else(PoisonError::into_inner);
                    half.push(data);
                }
            }
            Side::Response(recording) => {
                if let Some(data) = frame.data_ref() {
                    recording.response.push(data);
                } else if let Some(trailers) = frame.trailers_ref() {
                    recording.status(trailers);
                }
            }
        }
    }
}

impl<B> Body for TapBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.see(frame);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
