//! The reply to come.

use super::TapBody;
use super::body::Recording;
use super::notes::VERDICT;
use http::Response;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Resolves to the reply with its body tapped. Dropped before, the call counts as incomplete.
pub struct ResponseFuture<F> {
    inner: F,
    recording: Option<Box<Recording>>,
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, recording: Option<Box<Recording>>) -> Self {
        ResponseFuture { inner, recording }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>> + Unpin,
{
    type Output = Result<Response<TapBody<R>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(Pin::new(&mut self.inner).poll(cx))?;
        let recording = self.recording.take();
        let (mut parts, body) = response.into_parts();
        let body = match recording {
            None => TapBody::untouched(body),
            Some(mut recording) => {
                recording.headers(&parts.headers);
                for note in recording.notes() {
                    parts.headers.append(VERDICT, note);
                }
                TapBody::response(body, recording)
            }
        };
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}
