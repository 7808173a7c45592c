//! One call: through the stack, its reply written back as it comes.

use crate::respond::{self, Answer};
use crate::stream::{Credit, Failure, Pump, Pumped, Sender};
use crate::telemetry::{End, Forwarding};
use crate::upstream::{Abort, Arrived};
use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;
use tower::{Service, ServiceExt};

/// One call that was handed to the stack.
pub(super) struct Call<F> {
    /// None where the client has taken the call back already.
    reply: Option<Result<F, Failure>>,
    arrived: Instant,
    abort: Abort,
}

/// Hands a call to the stack. The request goes straight where it will live, instead of through
/// the task that waits for its reply. What was reset meanwhile goes nowhere: a flood of such calls
/// ends here.
pub(super) async fn start<S, B>(
    service: &mut S,
    mut request: Request<B>,
    respond: &mut SendResponse<Bytes>,
) -> Call<S::Future>
where
    S: Service<Request<B>, Error = Failure>,
{
    let arrived = Instant::now();
    let abort = Abort::default();
    request.extensions_mut().insert(Arrived(arrived));
    request.extensions_mut().insert(abort.clone());
    let gone = respond
        .poll_reset(&mut Context::from_waker(Waker::noop()))
        .is_ready();
    let reply = match gone {
        true => None,
        // Ready at once: no layer waits before it takes a call.
        false => Some(service.ready().await.map(|ready| ready.call(request))),
    };
    Call {
        reply,
        arrived,
        abort,
    }
}

/// Carries one call to its end. No async function, which would hold its arguments and what comes of
/// them side by side: each open stream holds one of these.
pub(super) struct Running<F, R> {
    step: Step<F, R>,
    arrived: Instant,
    abort: Abort,
    in_flight: InFlight,
}

enum Step<F, R> {
    /// The reply's headers are to come; None where the client has taken the call back.
    Reply(Option<Result<F, Failure>>, SendResponse<Bytes>),
    /// Its body is. What led to the reply was let go before.
    Body(Pump<R>),
}

impl<F, R> Running<F, R> {
    pub(super) fn new(
        call: Call<F>,
        respond: SendResponse<Bytes>,
        metrics: Arc<Forwarding>,
    ) -> Self {
        Running {
            step: Step::Reply(call.reply, respond),
            arrived: call.arrived,
            abort: call.abort,
            in_flight: InFlight::enter(metrics),
        }
    }
}

impl<F, R> Running<F, R>
where
    F: Future<Output = Result<Response<R>, Failure>> + Unpin,
    R: Body<Data = Bytes, Error = Failure> + Unpin,
{
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let (reply, respond) = match &mut self.step {
                Step::Body(pump) => {
                    let pumped = ready!(pump.poll(cx));
                    return Poll::Ready(ended(pumped, pump.sender(), &self.abort));
                }
                Step::Reply(reply, respond) => (reply, respond),
            };
            let reply = match reply {
                None => return Poll::Ready(End::Cancelled),
                Some(Err(failure)) => Err(failure.clone()),
                Some(Ok(reply)) => {
                    if let Poll::Ready(reset) = respond.poll_reset(cx) {
                        // Before the reply is dropped: the upstream is to see the client's own code.
                        self.abort.set(reset.unwrap_or(Reason::CANCEL));
                        return Poll::Ready(End::Cancelled);
                    }
                    ready!(Pin::new(reply).poll(cx))
                }
            };
            self.step = match reply {
                Err(failure) => return Poll::Ready(refuse(&failure, respond)),
                Ok(response) => match begin(response, respond) {
                    Err(end) => return Poll::Ready(end),
                    Ok(pump) => Step::Body(pump),
                },
            };
        }
    }
}

impl<F, R> Future for Running<F, R>
where
    F: Future<Output = Result<Response<R>, Failure>> + Unpin,
    R: Body<Data = Bytes, Error = Failure> + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let end = ready!(self.poll_end(cx));
        self.in_flight.0.ended(end, self.arrived.elapsed());
        Poll::Ready(())
    }
}

/// Counts one call in flight until it is dropped, however the call ends.
struct InFlight(Arc<Forwarding>);

impl InFlight {
    fn enter(metrics: Arc<Forwarding>) -> Self {
        metrics.in_flight.increment(1.0);
        InFlight(metrics)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.decrement(1.0);
    }
}

fn refuse(failure: &Failure, respond: &mut SendResponse<Bytes>) -> End {
    match respond::before_headers(failure) {
        Answer::Reset(reason) => {
            respond.send_reset(reason);
            End::Reset
        }
        Answer::TrailersOnly(response) => {
            tracing::debug!(%failure, "answered in place of the upstream");
            let _ = respond.send_response(response, true);
            End::Unavailable
        }
    }
}

/// Sends the reply's headers. What is left to do, or how the call ended if nothing is.
fn begin<R>(response: Response<R>, respond: &mut SendResponse<Bytes>) -> Result<Pump<R>, End>
where
    R: Body<Data = Bytes, Error = Failure> + Unpin,
{
    let (mut parts, body) = response.into_parts();
    let credit: Option<Credit> = parts.extensions.remove();
    let only = body.is_end_stream();
    let status = only.then(|| end_of(&parts.headers));
    let Ok(stream) = respond.send_response(Response::from_parts(parts, ()), only) else {
        return Err(End::Cancelled);
    };
    match status {
        Some(end) => Err(end),
        None => Ok(Pump::new(Sender::new(stream), body, credit)),
    }
}

fn ended(pumped: Pumped, sender: &Sender, abort: &Abort) -> End {
    match pumped {
        Pumped::Whole(trailers) => end_of(&trailers.unwrap_or_default()),
        Pumped::Refused(reason) => {
            abort.set(reason);
            End::Cancelled
        }
        Pumped::Broken(failure) => match respond::after_headers(&failure) {
            Ok(trailers) => {
                sender.trailers(trailers);
                End::Unavailable
            }
            Err(reason) => {
                sender.reset(reason);
                End::Reset
            }
        },
    }
}

/// A reply without a status, as plain HTTP has none, counts as what it is: not OK.
fn end_of(headers: &HeaderMap) -> End {
    match headers.get("grpc-status") {
        Some(status) if status == "0" => End::Ok,
        _ => End::Status,
    }
}
