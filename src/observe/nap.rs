//! How the analyzer waits for calls.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

/// How long the analyzer naps while calls come, and how often before it blocks.
const NAP: Duration = Duration::from_millis(4);
const NAPS: u32 = 250;

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
