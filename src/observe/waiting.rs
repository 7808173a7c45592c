//! How much waits for the analyzer: counted by those who send, and by the one who takes. Checked in
//! every order of their steps by `tests/loom`.

use crate::sync::{AtomicUsize, Ordering};

/// Bytes that wait before the nap is cut short. What waits is still in the cache then, and its
/// memory is soon free for the next call.
pub(super) const ENOUGH: usize = 256 << 10;

/// What the observing side may hold.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Calls that wait for the analyzer.
    pub queue: usize,
    /// Bytes of one payload, decompressed.
    pub message: usize,
    /// Bytes that all calls together may hold before they are analyzed.
    pub total: usize,
}

/// What waits for the analyzer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

impl Waiting {
    /// Adds a call, before it is sent. True for the one with which enough waits to wake the
    /// analyzer.
    pub(super) fn add(&self, size: usize) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(size, Ordering::Relaxed);
        before < ENOUGH && before + size >= ENOUGH
    }

    /// Takes away a call that was added.
    pub(super) fn took(&self, size: usize) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(size, Ordering::Relaxed);
    }

    /// How much of what may wait does wait, 0 to 1.
    pub(super) fn filled(&self, bounds: &Bounds) -> f64 {
        let of = |part: &AtomicUsize, whole: usize| {
            part.load(Ordering::Relaxed) as f64 / whole.max(1) as f64
        };
        of(&self.calls, bounds.queue).max(of(&self.bytes, bounds.total))
    }
}
