//! The tap: keeps handles of both bodies of a Predict call as they pass, and nothing else. It
//! never delays, alters or fails a call; over its bounds it lets go and says why.

mod body;
mod budget;
mod future;
mod layer;
mod notes;
mod record;
mod service;

pub use body::TapBody;
pub use future::ResponseFuture;
pub use layer::TapLayer;
pub use notes::{Note, Notes};
pub use record::{Half, Record, Sink};
pub use service::TapService;

use budget::Budget;
use http::HeaderMap;
use std::sync::Arc;

/// The only method whose bodies are kept.
pub const PREDICT: &str = "/tensorflow.serving.PredictionService/Predict";

/// Bounds and destination of what the tap keeps; shared by all connections.
#[derive(Clone)]
pub struct Tap(Arc<Shared>);

#[derive(Clone)]
struct Shared {
    sink: Arc<dyn Sink>,
    bytes_per_call: usize,
    budget: Budget,
    notes: Option<Notes>,
}

impl Tap {
    /// Keeps at most `bytes_per_call` of one call and `bytes_total` of all that were not yet
    /// dropped, and gives what it kept to `sink`.
    #[must_use]
    pub fn new(sink: Arc<dyn Sink>, bytes_per_call: usize, bytes_total: usize) -> Self {
        Tap(Arc::new(Shared {
            sink,
            bytes_per_call,
            budget: Budget::new(bytes_total),
            notes: None,
        }))
    }

    /// With what replies are to carry.
    #[must_use]
    pub fn saying(self, notes: Option<Notes>) -> Self {
        let shared = Shared::clone(&self.0);
        Tap(Arc::new(Shared { notes, ..shared }))
    }

    /// What is kept of a body that comes with these headers.
    fn half(&self, headers: &HeaderMap) -> Half {
        let encoding = body::text(headers, "grpc-encoding");
        Half::new(encoding, self.0.bytes_per_call, &self.0.budget)
    }
}
