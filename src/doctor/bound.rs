//! The time that a whole examination may take.

use std::future::Future;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// When it began, and how long it may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    since: Instant,
    lasts: Duration,
}

impl Bound {
    pub(super) fn starting(lasts: Duration) -> Self {
        Bound {
            since: Instant::now(),
            lasts,
        }
    }

    pub(super) fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// Waits while there is time; else says that there was none.
    pub(super) async fn wait<T>(self, answer: impl Future<Output = T>) -> Result<T, String> {
        let late = |_| {
            format!(
                "no answer within {:?} for the whole (--timeout)",
                self.lasts
            )
        };
        timeout(self.left(), answer).await.map_err(late)
    }

    fn left(self) -> Duration {
        self.lasts.saturating_sub(self.since.elapsed())
    }
}
