//! How much waits for the analyzer: counted by those who send, and by the one who takes.

use super::Bounds;
use crate::tap::Record;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

/// How long the analyzer naps while calls come, and how often before it blocks.
const NAP: Duration = Duration::from_millis(4);
const NAPS: u32 = 250;

/// Bytes that wait before the nap is cut short. What waits is still in the cache then, and its
/// memory is soon free for the next call.
pub(super) const ENOUGH: usize = 256 << 10;

/// What waits for the analyzer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

impl Waiting {
    /// Adds a call, and returns the bytes that waited before it.
    pub(super) fn add(&self, size: usize) -> usize {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed)
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

/// Bytes that a record keeps from being freed.
pub(super) fn size(record: &Record) -> usize {
    record.request.bytes() + record.response.bytes()
}

/// The next message; `None` when nobody can send any more.
///
/// A thread that blocks has to be woken for every call, which costs the sender more than the call
/// costs the analyzer. So while calls come, it naps instead, and takes them as they lie, unless
/// many bytes wait; only after a quiet second does it block.
pub(super) fn next<T>(queue: &Receiver<T>) -> Option<T> {
    for _ in 0..NAPS {
        match queue.try_recv() {
            Ok(message) => return Some(message),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => thread::park_timeout(NAP),
        }
    }
    queue.recv().ok()
}
