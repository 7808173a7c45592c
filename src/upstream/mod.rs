//! The connection to TensorFlow Serving that belongs to one client connection.
//!
//! One to one, as TensorFlow Serving would see it without the proxy: its limits, its GOAWAY, its
//! order. It is opened with the first call, and again when it has gone.

mod dial;
mod forward;

pub use dial::{Away, Dial};
pub use forward::{Forward, UpstreamBody};

use crate::sieve::Sieve;
use crate::stream::Failure;
use crate::telemetry::Forwarding;
use bytes::Bytes;
use forward::Sent;
use h2::client::SendRequest;
use h2::{Reason, client};
use http::{Request, Response};
use http_body::Body;
use std::future::{Future, poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tower::Service;

/// Sizes of the HTTP/2 connections on both sides.
pub mod sizes {
    /// Window of one stream: what a stalled one can hold back here, in bytes.
    pub const STREAM_WINDOW: u32 = 512 << 10;
    /// Window of a connection: stalled streams must not stop the others.
    pub const CONNECTION_WINDOW: u32 = 64 << 20;
    /// Largest frame taken; larger frames cost less a byte.
    pub const FRAME: u32 = 64 << 10;
    /// Largest block of headers taken, as HTTP/2 counts it.
    pub const HEADERS: u32 = 128 << 10;
    /// What h2 may buffer to send on one stream.
    pub const SEND_BUFFER: usize = 256 << 10;
    /// Streams that were cancelled and are remembered for a second, because the upstream may not
    /// know yet.
    pub const RESETS_REMEMBERED: usize = 1_000;
    /// Bytes of small DATA frames before h2 takes a peer for an attacker.
    pub const DATA_FRAME_BUDGET: usize = 4 << 20;
}

/// When a request's headers arrived; put into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Arrived(pub Instant);

/// With which code the upstream's stream is to be reset if the call is dropped before its end;
/// put into the request's extensions. CANCEL unless set.
#[derive(Debug, Clone)]
pub struct Abort(Arc<AtomicU32>);

impl Default for Abort {
    fn default() -> Self {
        Abort(Arc::new(AtomicU32::new(Reason::CANCEL.into())))
    }
}

impl Abort {
    /// Sets the code.
    pub fn set(&self, reason: Reason) {
        self.0.store(reason.into(), Ordering::Relaxed);
    }

    fn reason(&self) -> Reason {
        self.0.load(Ordering::Relaxed).into()
    }
}

/// The upstream of one client connection.
#[derive(Clone)]
pub struct Upstream {
    dial: Arc<Dial>,
    metrics: Arc<Forwarding>,
    connection: Arc<Mutex<Option<SendRequest<Bytes>>>>,
}

impl Upstream {
    /// Nothing is opened before the first call.
    #[must_use]
    pub fn new(dial: Arc<Dial>, metrics: Arc<Forwarding>) -> Self {
        Upstream {
            dial,
            metrics,
            connection: Arc::default(),
        }
    }

    /// A handle that can take a request now, and the wait for it: a connection that opens, or an
    /// upstream that allows no more streams.
    async fn ready(&self) -> Result<(SendRequest<Bytes>, Duration), Failure> {
        let mut waited = Duration::ZERO;
        // Twice at most: a connection that has gone is only noticed when it is used.
        for _ in 0..2 {
            let handle = {
                let mut connection = timed(self.connection.lock(), &mut waited).await;
                match &*connection {
                    Some(handle) => handle.clone(),
                    None => {
                        let opened = timed(self.open(), &mut waited).await?;
                        connection.insert(opened).clone()
                    }
                }
            };
            match timed(handle.ready(), &mut waited).await {
                Ok(ready) => return Ok((ready, waited)),
                Err(_) => *self.connection.lock().await = None,
            }
        }
        Err(Failure::Unavailable(format!(
            "upstream {} closes every connection",
            self.dial.address()
        )))
    }

    async fn open(&self) -> Result<SendRequest<Bytes>, Failure> {
        let (stream, ticket) = self
            .dial
            .connect(&self.metrics)
            .await
            .map_err(Failure::Unavailable)?;
        let mut stream = Sieve::new(stream, 0, sizes::FRAME);
        let first = stream.first();
        let (handle, connection) = client::Builder::new()
            .initial_window_size(sizes::STREAM_WINDOW)
            .initial_connection_window_size(sizes::CONNECTION_WINDOW)
            .max_frame_size(sizes::FRAME)
            .max_header_list_size(sizes::HEADERS)
            .max_send_buffer_size(sizes::SEND_BUFFER)
            .data_frame_budget(sizes::DATA_FRAME_BUDGET)
            .max_concurrent_reset_streams(sizes::RESETS_REMEMBERED)
            // What it sends for streams that were cancelled is no attack, however often.
            .max_local_error_reset_streams(None)
            // None before its SETTINGS have come: they may allow few.
            .initial_max_send_streams(0)
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(|error| Failure::Unavailable(error.to_string()))?;
        let dial = Arc::clone(&self.dial);
        tokio::spawn(async move {
            let ended = connection.await;
            drop(ticket);
            if let Err(error) = ended {
                tracing::debug!(%error, "upstream connection ended");
            }
            dial.strange(first.get().copied());
        });
        Ok(handle)
    }

    /// A handle that can take a request now, if the connection stands.
    fn at_once(&self) -> Option<SendRequest<Bytes>> {
        let mut handle = self.connection.try_lock().ok()?.clone()?;
        let mut cx = Context::from_waker(Waker::noop());
        matches!(handle.poll_ready(&mut cx), Poll::Ready(Ok(()))).then_some(handle)
    }
}

/// Awaits `future` and adds how long that took; the clock is not read where it is ready at once.
async fn timed<F: Future>(future: F, waited: &mut Duration) -> F::Output {
    let mut future = pin!(future);
    if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        return output;
    }
    let began = Instant::now();
    let output = future.await;
    *waited += began.elapsed();
    output
}

impl<B> Service<Request<B>> for Upstream
where
    B: Body<Data = Bytes, Error = Failure> + Send + Unpin + 'static,
{
    type Response = Response<UpstreamBody>;
    type Error = Failure;
    type Future = Forward;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // With its connection it is sent on from here, in the order in which calls come.
        if let Some(handle) = self.at_once() {
            return match Sent::send(handle, request, Duration::ZERO, &self.metrics) {
                Ok(sent) => Forward::Sent(sent),
                Err(failure) => Forward::Opening(Box::pin(ready(Err(failure)))),
            };
        }
        let upstream = self.clone();
        Forward::Opening(Box::pin(async move {
            let (handle, waited) = upstream.ready().await?;
            Sent::send(handle, request, waited, &upstream.metrics)
        }))
    }
}
