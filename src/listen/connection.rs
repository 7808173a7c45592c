//! One client connection and its one upstream.

use super::{Settings, call};
use crate::drain;
use crate::net::Stream;
use crate::sieve::{self, Sieve};
use crate::stack::{self, Peer};
use crate::stream::RecvBody;
use crate::upstream::{Upstream, sizes};
use bytes::Bytes;
use h2::server;
use tokio::task::JoinSet;

/// Streams of one connection at once; a client that wants more waits, as HTTP/2 has it.
const MAX_STREAMS: u32 = 10_000;
/// Streams that a client may reset before they were looked at: a burst of cancels is fine, a
/// flood is not.
const MAX_EARLY_RESETS: usize = 200;
/// Streams that may be reset by their own mistakes before the connection is closed.
const MAX_MISTAKES: usize = 1024;

/// Serves `stream` until it ends, or until `drain` tells and its calls are over.
pub(super) async fn run(stream: Stream, peer: Peer, settings: Settings, mut drain: drain::Watch) {
    let handshake = server::Builder::new()
        .initial_window_size(sizes::STREAM_WINDOW)
        .initial_connection_window_size(sizes::CONNECTION_WINDOW)
        .max_frame_size(sizes::FRAME)
        .max_header_list_size(sizes::HEADERS)
        .max_send_buffer_size(sizes::SEND_BUFFER)
        .data_frame_budget(sizes::DATA_FRAME_BUDGET)
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_EARLY_RESETS)
        .max_local_error_reset_streams(Some(MAX_MISTAKES))
        .handshake::<_, Bytes>(Sieve::new(stream, sieve::PREFACE, sizes::FRAME));
    let mut connection = match tokio::time::timeout(settings.handshake_timeout, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            return tracing::debug!(peer = %peer.address, %error, "no HTTP/2 from this client");
        }
        Err(_) => return tracing::debug!(peer = %peer.address, "no HTTP/2 preface in time"),
    };
    settings.metrics.connections.increment(1.0);
    let upstream = Upstream::new(settings.upstream.clone(), settings.metrics.clone());
    let service = stack::build(upstream, settings.tap.clone());
    let mut calls = JoinSet::new();
    let mut draining = false;
    loop {
        tokio::select! {
            () = drain.told(), if !draining => {
                draining = true;
                connection.graceful_shutdown();
            }
            // A panic in one call is that call's alone: its handle says so and is dropped.
            Some(_) = calls.join_next() => {}
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let (mut parts, body) = request.into_parts();
                    let mut body = RecvBody::new(body);
                    parts.extensions.insert(peer.clone());
                    parts.extensions.insert(body.credit());
                    let request = http::Request::from_parts(parts, body);
                    calls.spawn(call::run(service.clone(), request, respond, settings.metrics.clone()));
                }
                Some(Err(error)) => {
                    tracing::debug!(peer = %peer.address, %error, "client connection failed");
                    break;
                }
                None => break,
            },
        }
    }
    settings.metrics.connections.decrement(1.0);
    // So that the calls see that their streams have gone, and tell the upstream.
    drop(connection);
    while calls.join_next().await.is_some() {}
}
