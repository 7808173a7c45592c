//! Ending without losing a call: tell every connection, and wait for them, but not for ever.

use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Tells the others to drain, and waits for them.
#[derive(Debug)]
pub struct Signal {
    tell: watch::Sender<bool>,
    alive: mpsc::Receiver<()>,
}

/// Held by everything that has calls in flight.
#[derive(Debug, Clone)]
pub struct Watch {
    told: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
}

/// A pair of both.
#[must_use]
pub fn channel() -> (Signal, Watch) {
    let (tell, told) = watch::channel(false);
    let (hold, alive) = mpsc::channel(1);
    (Signal { tell, alive }, Watch { told, _alive: hold })
}

impl Signal {
    /// Tells everybody and waits until every [`Watch`] is gone, at most for `limit`. Returns
    /// whether they all went.
    pub async fn drain(mut self, limit: Duration) -> bool {
        let _ = self.tell.send(true);
        tokio::time::timeout(limit, self.alive.recv()).await.is_ok()
    }
}

impl Watch {
    /// Waits until it is time to drain.
    pub async fn told(&mut self) {
        // The signal is gone: nobody will ever tell, and that means now.
        let _ = self.told.wait_for(|told| *told).await;
    }

    /// Whether it is time to drain.
    #[must_use]
    pub fn is_told(&self) -> bool {
        *self.told.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_last_and_no_longer_than_the_limit() {
        let (signal, watch) = channel();
        let mut other = watch.clone();
        let worker = tokio::spawn(async move { other.told().await });
        drop(watch);
        assert!(signal.drain(Duration::from_secs(20)).await);
        worker.await.unwrap();

        let (signal, stuck) = channel();
        assert!(!signal.drain(Duration::from_secs(20)).await);
        drop(stuck);
    }
}
