//! Client connections: accepted, each served in a task of its own, drained at the end.

mod call;
mod connection;

use crate::config::Address;
use crate::drain;
use crate::net::Listener;
use crate::stack::Peer;
use crate::tap::Tap;
use crate::telemetry::Forwarding;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Pause after an error on accept, such as no descriptors left: no spin, and soon back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every client connection shares.
#[derive(Clone)]
pub struct Settings {
    /// Where TensorFlow Serving listens.
    pub upstream: Arc<Address>,
    /// The tap on Predict calls.
    pub tap: Tap,
    /// Metrics of the forwarding path.
    pub metrics: Forwarding,
    /// How long a client may take to send its preface.
    pub handshake_timeout: Duration,
}

/// Serves `listener` until `drain` tells to end; then waits for the connections. Dropping the
/// future cuts those that are left.
pub async fn serve(listener: Listener, settings: Settings, mut drain: drain::Watch) {
    let numbers = AtomicU64::new(0);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = drain.told() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let peer = Peer {
                    connection: number,
                    address: address.into(),
                };
                connections.spawn(connection::run(
                    stream,
                    peer,
                    settings.clone(),
                    drain.clone(),
                ));
            }
            Err(error) => {
                settings.metrics.accept_failures.increment(1);
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // No new connection from here on.
    drop(listener);
    while connections.join_next().await.is_some() {}
}
