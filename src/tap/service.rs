//! The tap as a service: decides which calls are kept.

use super::body::{Recording, TapBody};
use super::{PREDICT, ResponseFuture, Tap};
use http::{Request, Response};
use std::task::{Context, Poll};
use tower::Service;

/// Passes every call on; keeps the bodies of Predict calls.
#[derive(Clone)]
pub struct TapService<S> {
    inner: S,
    tap: Tap,
}

impl<S> TapService<S> {
    pub(super) fn new(inner: S, tap: Tap) -> Self {
        TapService { inner, tap }
    }
}

impl<S, B, R> Service<Request<B>> for TapService<S>
where
    S: Service<Request<TapBody<B>>, Response = Response<R>, Future: Unpin>,
{
    type Response = Response<TapBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        if parts.uri.path() != PREDICT {
            let reply = self
                .inner
                .call(Request::from_parts(parts, TapBody::untouched(body)));
            return ResponseFuture::new(reply, None);
        }
        let (recording, sent) = Recording::start(&parts, self.tap.clone());
        let request = Request::from_parts(parts, TapBody::request(body, sent));
        ResponseFuture::new(self.inner.call(request), Some(recording))
    }
}
