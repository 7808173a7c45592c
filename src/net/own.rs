//! The guard against a circle: a connection that this process opened and that comes back to it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The two ends of a TCP connection, as the side that opened it sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ends {
    /// Who opened it.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
}

impl Ends {
    /// IPv4 in an IPv6 socket is IPv4.
    #[must_use]
    pub fn new(from: SocketAddr, to: SocketAddr) -> Self {
        let plain = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        Ends {
            from: plain(from),
            to: plain(to),
        }
    }
}

/// All connections that one proxy has open on both sides. Both ends together name a connection
/// within a network namespace: a port alone may be used twice.
#[derive(Debug, Clone)]
pub struct Own(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    open: Mutex<Open>,
    found: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Open {
    dialled: HashSet<Ends>,
    accepted: HashSet<Ends>,
}

/// Which side of the proxy a connection is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Dialled,
    Accepted,
}

impl Own {
    /// Nothing is open yet.
    #[must_use]
    pub fn new() -> Self {
        Own(Arc::new(Shared {
            open: Mutex::default(),
            found: watch::Sender::new(false),
        }))
    }

    /// A connection that was opened to the upstream; forgotten when the ticket is dropped.
    #[must_use]
    pub fn dialled(&self, ends: Ends) -> Ticket {
        self.take(ends, Side::Dialled)
    }

    /// A client's connection; forgotten when the ticket is dropped.
    #[must_use]
    pub fn accepted(&self, ends: Ends) -> Ticket {
        self.take(ends, Side::Accepted)
    }

    /// Whether a connection ever came back.
    #[must_use]
    pub fn is_circle(&self) -> bool {
        *self.0.found.borrow()
    }

    /// Returns when one has come back.
    pub async fn circle(&self) {
        let mut found = self.0.found.subscribe();
        let _ = found.wait_for(|found| *found).await;
    }

    fn take(&self, ends: Ends, side: Side) -> Ticket {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { dialled, accepted } = &mut *open;
        // Either end may be seen first.
        let (these, others) = match side {
            Side::Dialled => (dialled, accepted),
            Side::Accepted => (accepted, dialled),
        };
        these.insert(ends);
        if others.contains(&ends) {
            self.0.found.send_replace(true);
        }
        Ticket {
            own: self.clone(),
            ends,
            side,
        }
    }
}

impl Default for Own {
    fn default() -> Self {
        Own::new()
    }
}

/// One open connection.
#[derive(Debug)]
pub struct Ticket {
    own: Own,
    ends: Ends,
    side: Side,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let open = &self.own.0.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        match self.side {
            Side::Dialled => open.dialled.remove(&self.ends),
            Side::Accepted => open.accepted.remove(&self.ends),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(from: &str, to: &str) -> Ends {
        Ends::new(from.parse().unwrap(), to.parse().unwrap())
    }

    #[test]
    fn only_the_same_connection_is_a_circle_whichever_end_is_seen_first() {
        let own = Own::new();
        let one = own.dialled(ends("127.0.0.1:40000", "127.0.0.1:8510"));
        // The kernel gives one port to two connections that go to different places.
        let two = own.accepted(ends("127.0.0.1:40000", "127.0.0.1:8500"));
        assert!(!own.is_circle());
        drop((one, two));
        let accepted = own.accepted(ends("[::ffff:127.0.0.1]:40000", "127.0.0.1:8510"));
        assert!(!own.is_circle(), "what was closed is forgotten");
        let dialled = own.dialled(ends("127.0.0.1:40000", "127.0.0.1:8510"));
        assert!(own.is_circle());
        drop((accepted, dialled));
        let open = own.0.open.lock().unwrap();
        assert!(open.dialled.is_empty() && open.accepted.is_empty());
    }
}
