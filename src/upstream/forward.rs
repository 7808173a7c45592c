//! One call on its way to the upstream, and its reply.

use super::{Abort, Arrived};
use crate::stream::{Credit, Failure, Pump, Pumped, RecvBody, Sender};
use crate::telemetry::Forwarding;
use bytes::Bytes;
use h2::Reason;
use h2::client::{ResponseFuture, SendRequest};
use http::{Request, Response, Version};
use http_body::{Body, Frame};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

/// Resolves to the reply. What it takes to open a connection is let go once the call is sent: each
/// open stream holds one of these.
pub enum Forward {
    /// No connection stands, or the one that stood has gone.
    Opening(Pin<Box<dyn Future<Output = Result<Sent, Failure>> + Send>>),
    /// The headers are on their way.
    Sent(Sent),
}

/// A call whose headers were handed to the upstream's connection.
pub struct Sent {
    response: ResponseFuture,
    guard: Option<Guard>,
    handed: Instant,
    metrics: Arc<Forwarding>,
}

impl Sent {
    /// Sends a request's headers, and its body as it comes. `waited` is what was waited for the
    /// upstream so far.
    pub(super) fn send<B>(
        mut handle: SendRequest<Bytes>,
        request: Request<B>,
        waited: Duration,
        metrics: &Arc<Forwarding>,
    ) -> Result<Sent, Failure>
    where
        B: Body<Data = Bytes, Error = Failure> + Send + Unpin + 'static,
    {
        let (mut parts, body) = request.into_parts();
        let abort: Abort = parts.extensions.remove().unwrap_or_default();
        let arrived: Option<Arrived> = parts.extensions.remove();
        let credit: Option<Credit> = parts.extensions.remove();
        if parts.uri.authority().is_none() {
            // h2 refuses to send a request without `:authority` unless it came as HTTP/1.1 does.
            parts.version = Version::HTTP_11;
        }
        let end = body.is_end_stream();
        let (response, stream) = handle.send_request(Request::from_parts(parts, ()), end)?;
        let handed = Instant::now();
        if let Some(Arrived(at)) = arrived {
            let own = handed.saturating_duration_since(at).saturating_sub(waited);
            metrics.added.record(own.as_secs_f64());
        }
        let guard = Guard {
            sender: Sender::new(stream),
            abort: Some(abort),
        };
        if !end {
            let mut sending = Sending {
                pump: Pump::new(guard.sender.clone(), body, credit),
            };
            // A small request is there already with its headers, and needs no task of its own. A
            // task of its own asks again, and is woken then.
            let mut at_once = Context::from_waker(Waker::noop());
            if Pin::new(&mut sending).poll(&mut at_once).is_pending() {
                tokio::spawn(sending);
            }
        }
        Ok(Sent {
            response,
            guard: Some(guard),
            handed,
            metrics: Arc::clone(metrics),
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<UpstreamBody>, Failure>> {
        let (mut parts, stream) = ready!(Pin::new(&mut self.response).poll(cx))?.into_parts();
        let Some(guard) = self.guard.take() else {
            return Poll::Pending;
        };
        let upstream = self.handed.elapsed().as_secs_f64();
        self.metrics.upstream.record(upstream);
        let mut body = RecvBody::new(stream);
        parts.extensions.insert(body.credit());
        let response = Response::from_parts(parts, UpstreamBody { body, guard });
        Poll::Ready(Ok(response))
    }
}

impl Future for Forward {
    type Output = Result<Response<UpstreamBody>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Forward::Opening(opening) = &mut *self {
            *self = Forward::Sent(ready!(opening.as_mut().poll(cx))?);
        }
        match &mut *self {
            Forward::Sent(sent) => sent.poll(cx),
            Forward::Opening(_) => Poll::Pending,
        }
    }
}

/// A request's body on its way.
struct Sending<B> {
    pump: Pump<B>,
}

impl<B> Future for Sending<B>
where
    B: Body<Data = Bytes, Error = Failure> + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Pumped::Broken(failure) = ready!(self.pump.poll(cx)) {
            self.pump.sender().reset(match failure {
                Failure::Reset(reason) => reason,
                _ => Reason::CANCEL,
            });
        }
        Poll::Ready(())
    }
}

/// Resets the upstream's stream if the call is dropped before its end.
#[derive(Debug)]
struct Guard {
    sender: Sender,
    /// None once the stream is at its end.
    abort: Option<Abort>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(abort) = &self.abort {
            self.sender.reset(abort.reason());
        }
    }
}

/// The body of the upstream's reply.
#[derive(Debug)]
pub struct UpstreamBody {
    body: RecvBody,
    guard: Guard,
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let over = match &polled {
            Poll::Ready(None | Some(Err(_))) => true,
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => true,
            _ => self.body.is_end_stream(),
        };
        if over {
            self.guard.abort = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
