//! The order of the layers, and the only place where it stands.

use crate::stream::{Failure, RecvBody};
use crate::tap::{Tap, TapLayer};
use crate::upstream::Upstream;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::sync::Arc;
use tower::{Service, ServiceBuilder};

/// Who calls; put into every request's extensions.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Number of the connection in this process, from 0.
    pub connection: u64,
    /// Its address in words.
    pub address: Arc<str>,
}

/// The way of a call from the client's connection to the upstream's.
pub fn build(
    upstream: Upstream,
    tap: Tap,
) -> impl Service<
    Request<RecvBody>,
    Response = Response<impl Body<Data = Bytes, Error = Failure> + Unpin + Send>,
    Error = Failure,
    Future: Send + Unpin,
> + Clone
+ Send
+ 'static {
    ServiceBuilder::new()
        // Next to the upstream: the tap sees just what goes to the upstream and what comes from it.
        .layer(TapLayer::new(tap))
        .service(upstream)
}
