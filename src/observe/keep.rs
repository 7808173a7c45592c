//! What is written down for a later look, before it is analyzed and in the same order.

use super::Worker;
use crate::diagnose::facts::ModelTruth;
use crate::proto::flatline::v1::Exchange;

/// Where exchanges may be kept, and what was learned between them.
pub trait Keep: Send {
    /// Writes one exchange. Returns the bytes written, 0 if it was dropped.
    fn keep(&mut self, exchange: &Exchange) -> u64;

    /// Writes what is known of a model now. Returns as above.
    fn learned(&mut self, model: &str, truth: &ModelTruth) -> u64;
}

impl Worker {
    pub(super) fn kept(&mut self, write: impl FnOnce(&mut dyn Keep) -> u64) {
        let Some(keep) = &mut self.keep else { return };
        match write(keep.as_mut()) {
            0 => self.metrics.capture_dropped.increment(1),
            bytes => self.metrics.capture_bytes.increment(bytes),
        }
    }
}
