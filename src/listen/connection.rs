//! One client connection and its one upstream.

use super::Settings;
use super::call::{self, Running};
use crate::drain;
use crate::net::Stream;
use crate::sieve::{self, Sieve};
use crate::stack::{self, Peer};
use crate::stream::RecvBody;
use crate::telemetry::Cut;
use crate::tls::Unmet;
use crate::upstream::{Upstream, sizes};
use bytes::Bytes;
use h2::server;
use std::io::ErrorKind;
use tokio::task::JoinSet;

type Connection = server::Connection<Sieve<Stream>, Bytes>;

/// First byte of a TLS handshake.
const TLS: u8 = 0x16;

/// Streams of one connection at once; a client that wants more waits, as HTTP/2 has it.
const MAX_STREAMS: u32 = 10_000;
/// Streams that a client may reset before they were looked at: a burst of cancels is fine, a
/// flood is not.
const MAX_EARLY_RESETS: usize = 200;
/// Streams that were reset here and are remembered for a second: an early reply is no mistake of
/// a client whose body was on its way.
const MAX_REMEMBERED: usize = 4_096;
/// Streams that may be reset by their own mistakes before the connection is closed.
const MAX_MISTAKES: usize = 1024;

/// Serves `stream` until it ends, or until `drain` tells and its calls are over.
pub(super) async fn run(stream: Stream, peer: Peer, settings: Settings, mut drain: drain::Watch) {
    // In a box, which is gone when the connection stands: this future is held by each of them.
    let greeting = Box::pin(greet(stream, &settings));
    let greeting = tokio::time::timeout(settings.handshake_timeout, greeting);
    let greeted = tokio::select! {
        // Without a call there is nothing to finish.
        () = drain.told() => return,
        greeted = greeting => greeted,
    };
    let mut connection = match greeted {
        Ok(Ok(connection)) => connection,
        Ok(Err(None)) => return,
        Ok(Err(Some((cut, error)))) => {
            return settings.metrics.cuts.tell(cut, &peer.address, &error);
        }
        Err(late) => {
            return settings
                .metrics
                .cuts
                .tell(Cut::Silent, &peer.address, &late);
        }
    };
    settings.metrics.connections.increment(1.0);
    let upstream = Upstream::new(settings.dial.clone(), settings.metrics.clone());
    let mut service = stack::build(upstream, settings.tap.clone());
    let mut calls = JoinSet::new();
    let mut draining = false;
    loop {
        tokio::select! {
            () = drain.told(), if !draining => {
                draining = true;
                connection.graceful_shutdown();
            }
            // A panic in one call, once it was sent on, is that call's alone: its handle says so and
            // is dropped.
            Some(_) = calls.join_next() => {}
            accepted = connection.accept() => match accepted {
                Some(Ok((request, mut respond))) => {
                    let (mut parts, body) = request.into_parts();
                    let mut body = RecvBody::new(body);
                    parts.extensions.insert(peer.clone());
                    parts.extensions.insert(body.credit());
                    let request = http::Request::from_parts(parts, body);
                    let call = call::start(&mut service, request, &mut respond).await;
                    calls.spawn(Running::new(call, respond, settings.metrics.clone()));
                }
                Some(Err(error)) => {
                    if let Some(cut) = cut_of(&error) {
                        settings.metrics.cuts.tell(cut, &peer.address, &error);
                    }
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

/// TLS if it is spoken, and the preface. Why there is none, unless the client just left.
async fn greet(
    stream: Stream,
    settings: &Settings,
) -> Result<Box<Connection>, Option<(Cut, String)>> {
    let stream = match &settings.tls {
        None => stream,
        Some(tls) => tls.accept(stream).await.map_err(|unmet| match unmet {
            Unmet::Plain => Some((Cut::PlainOnTls, "no TLS record".to_owned())),
            // Health checks of load balancers connect and leave.
            Unmet::Failed(error) if error.kind() == ErrorKind::UnexpectedEof => None,
            Unmet::Failed(error) => Some((Cut::TlsFailed, error.to_string())),
        })?,
    };
    let by_path = stream.is_unix();
    let mut stream = Sieve::new(stream, sieve::PREFACE, sizes::FRAME)
        .within(settings.handshake_timeout)
        .by_path(by_path);
    let first = stream.first();
    let handshake = server::Builder::new()
        .initial_window_size(sizes::STREAM_WINDOW)
        .initial_connection_window_size(sizes::CONNECTION_WINDOW)
        .max_frame_size(sizes::FRAME)
        .max_header_list_size(sizes::HEADERS)
        .max_send_buffer_size(sizes::SEND_BUFFER)
        .data_frame_budget(sizes::DATA_FRAME_BUDGET)
        .max_concurrent_streams(MAX_STREAMS)
        .max_concurrent_reset_streams(MAX_REMEMBERED)
        .max_pending_accept_reset_streams(MAX_EARLY_RESETS)
        .max_local_error_reset_streams(Some(MAX_MISTAKES))
        .handshake(stream);
    handshake.await.map(Box::new).map_err(|error| {
        let late = error
            .get_io()
            .is_some_and(|io| io.kind() == ErrorKind::TimedOut);
        let cut = match first.get() {
            _ if late => Cut::Silent,
            None => return None,
            Some(&TLS) => Cut::TlsOnPlain,
            Some(_) => Cut::NotHttp2,
        };
        Some((cut, error.to_string()))
    })
}

/// Why a connection that stood has failed; `None` where the client just left.
fn cut_of(error: &h2::Error) -> Option<Cut> {
    match error.get_io() {
        Some(io) if io.kind() == ErrorKind::TimedOut => Some(Cut::Half),
        Some(_) => None,
        None if error.is_library() => Some(Cut::Rules),
        None => None,
    }
}
