//! How a connection to the upstream comes about.

use crate::config::Address;
use crate::net::{self, Own, Stream, Ticket};
use crate::telemetry::Forwarding;
use crate::tls;
use jiff::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a connection to the upstream may take to come about, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// First byte of a TLS alert, and of an HTTP/1 reply.
const ALERT: u8 = 0x15;
const HTTP1: u8 = b'H';

/// Where the upstream is, and how it is spoken to; cheap to clone.
#[derive(Clone)]
pub struct Dial {
    address: Arc<Address>,
    tls: Option<tls::Client>,
    own: Own,
    shared: Arc<Said>,
}

/// What was said of the upstream, so that it is said once.
#[derive(Default)]
struct Said {
    away: Mutex<Option<Away>>,
    strange: AtomicBool,
}

/// An upstream to which the last connection tried did not come about.
#[derive(Debug, Clone)]
pub struct Away {
    /// Where to.
    pub upstream: String,
    /// When the first one failed.
    pub since: Timestamp,
    /// Why the last one did, in words.
    pub reason: String,
}

impl Dial {
    /// To `address`, with TLS or without.
    #[must_use]
    pub fn new(address: Address, tls: Option<tls::Client>, own: Own) -> Self {
        Dial {
            address: Arc::new(address),
            tls,
            own,
            shared: Arc::default(),
        }
    }

    /// The same way to another place.
    #[must_use]
    pub fn to(&self, address: Address) -> Self {
        Dial {
            address: Arc::new(address),
            ..self.clone()
        }
    }

    /// Where to.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What is wrong, if the last connection tried did not come about.
    #[must_use]
    pub fn away(&self) -> Option<Away> {
        let away = self.shared.away.lock();
        away.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens a connection. The ticket is to be kept as long as the connection.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn connect(&self, metrics: &Forwarding) -> Result<(Stream, Option<Ticket>), String> {
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, self.open()).await;
        let opened = opened.unwrap_or_else(|_| Err("timed out".to_owned()));
        let away = self.shared.away.lock();
        let mut away = away.unwrap_or_else(PoisonError::into_inner);
        match opened {
            Ok(opened) => {
                metrics.upstream_connects.increment(1);
                if away.take().is_some() {
                    tracing::info!(upstream = %self.address, "the upstream is back");
                }
                Ok(opened)
            }
            Err(reason) => {
                metrics.upstream_failures.increment(1);
                if away.is_none() {
                    tracing::warn!(upstream = %self.address, %reason, "no connection to the upstream: calls are answered UNAVAILABLE until there is one");
                }
                let since = away.take().map_or_else(Timestamp::now, |away| away.since);
                *away = Some(Away {
                    upstream: self.address.to_string(),
                    since,
                    reason: reason.clone(),
                });
                Err(format!("upstream {}: {reason}", self.address))
            }
        }
    }

    async fn open(&self) -> Result<(Stream, Option<Ticket>), String> {
        let stream = net::connect(&self.address)
            .await
            .map_err(|error| error.to_string())?;
        let ticket = stream.ends().map(|ends| self.own.dialled(ends));
        if self.own.is_circle() {
            return Err("it is Flatline itself: every call would come back".to_owned());
        }
        let stream = match &self.tls {
            None => stream,
            Some(tls) => tls.connect(&self.address, stream).await?,
        };
        Ok((stream, ticket))
    }

    /// Tells, once, of an upstream whose first byte says that it speaks something else.
    pub(super) fn strange(&self, first: Option<u8>) {
        let what = match first {
            Some(ALERT) if self.tls.is_none() => {
                "the upstream speaks TLS, and is spoken to in plain text: see --upstream-tls"
            }
            Some(HTTP1) => "the upstream speaks HTTP/1, not gRPC: is it the REST port?",
            None if self.tls.is_none() => {
                "the upstream takes connections and ends them without a word: if it speaks TLS, see --upstream-tls"
            }
            _ => return,
        };
        if !self.shared.strange.swap(true, Ordering::Relaxed) {
            tracing::warn!(upstream = %self.address, "{what}");
        }
    }
}
