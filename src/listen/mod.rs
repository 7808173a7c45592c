//! Client connections: accepted, each served in a task of its own, drained at the end.

mod call;
mod connection;

use crate::config::Address;
use crate::drain;
use crate::net::{Listener, Own};
use crate::stack::Peer;
use crate::tap::Tap;
use crate::telemetry::Forwarding;
use crate::tls;
use crate::upstream::Dial;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Pause after an error on accept, such as no descriptors left: no spin, and soon back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every client connection shares.
#[derive(Clone)]
pub struct Settings {
    /// The way to TensorFlow Serving.
    pub dial: Arc<Dial>,
    /// A redirected connection goes to where it was going.
    pub original_dst: bool,
    /// TLS towards clients, if it is spoken.
    pub tls: Option<tls::Server>,
    /// Against calls that come back.
    pub own: Own,
    /// The tap on Predict calls.
    pub tap: Tap,
    /// Metrics of the forwarding path.
    pub metrics: Arc<Forwarding>,
    /// How long a client may take to send its preface, or to end what it began.
    pub handshake_timeout: Duration,
}

/// Serves `listener` until `drain` tells to end; then waits for the connections. Dropping the
/// future cuts those that are left.
pub async fn serve(listener: Listener, settings: Settings, mut drain: drain::Watch) {
    let numbers = AtomicU64::new(0);
    let mut connections = JoinSet::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = drain.told() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => {
                failing = false;
                let peer = Peer {
                    connection: numbers.fetch_add(1, Ordering::Relaxed),
                    address: accepted.peer.as_str().into(),
                };
                let ticket = accepted.ends.map(|ends| settings.own.accepted(ends));
                if settings.own.is_circle() {
                    // Whoever watches for it ends the process.
                    continue;
                }
                let mut settings = settings.clone();
                if let (true, Some(to)) = (settings.original_dst, accepted.redirected) {
                    let to = Address::Tcp(to.ip().to_string(), to.port());
                    settings.dial = Arc::new(settings.dial.to(to));
                }
                let drain = drain.clone();
                connections.spawn(async move {
                    connection::run(accepted.stream, peer, settings, drain).await;
                    drop(ticket);
                });
            }
            Err(error) => {
                settings.metrics.accept_failures.increment(1);
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "connections cannot be accepted; those that stand go on, and it is tried again");
                }
                tokio::select! {
                    () = drain.told() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    // No new connection from here on.
    drop(listener);
    while connections.join_next().await.is_some() {}
}
