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
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use tower::{Service, ServiceExt};

/// One call that was handed to the stack.
pub(super) struct Call<F> {
    reply: Result<F, Failure>,
    arrived: Instant,
    abort: Abort,
}

/// Hands a call to the stack. The request goes straight where it will live, instead of through
/// the task that waits for its reply.
pub(super) async fn start<S, B>(service: &mut S, mut request: Request<B>) -> Call<S::Future>
where
    S: Service<Request<B>, Error = Failure>,
{
    let arrived = Instant::now();
    let abort = Abort::default();
    request.extensions_mut().insert(Arrived(arrived));
    request.extensions_mut().insert(abort.clone());
    // Ready at once: no layer waits before it takes a call.
    let reply = service.ready().await.map(|ready| ready.call(request));
    Call {
        reply,
        arrived,
        abort,
    }
}

/// Carries one call to its end.
pub(super) async fn run<F, R>(
    call: Call<F>,
    mut respond: SendResponse<Bytes>,
    metrics: Arc<Forwarding>,
) where
    F: Future<Output = Result<Response<R>, Failure>> + Unpin,
    R: Body<Data = Bytes, Error = Failure> + Unpin,
{
    let Call {
        reply,
        arrived,
        abort,
    } = call;
    let in_flight = InFlight::enter(metrics);
    // What led to the reply is let go before its body, which may be long in coming.
    let headers = match reply {
        Err(failure) => Some(Err(failure)),
        Ok(mut reply) => {
            poll_fn(|cx| {
                if let Poll::Ready(reset) = respond.poll_reset(cx) {
                    // Before the reply is dropped: the upstream is to see the client's own code.
                    abort.set(reset.unwrap_or(Reason::CANCEL));
                    return Poll::Ready(None);
                }
                Pin::new(&mut reply).poll(cx).map(Some)
            })
            .await
        }
    };
    let end = match headers {
        None => End::Cancelled,
        Some(Err(failure)) => refuse(&failure, &mut respond),
        Some(Ok(response)) => match begin(response, &mut respond) {
            Err(end) => end,
            Ok(mut pump) => {
                let pumped = poll_fn(|cx| pump.poll(cx)).await;
                ended(pumped, pump.sender(), &abort)
            }
        },
    };
    in_flight.0.ended(end, arrived.elapsed());
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

/// Sends the reply's headers. What is left to do, or how the call ended if nothing is. No future,
/// so that the headers take no room while the body comes.
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
