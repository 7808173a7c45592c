//! What all bodies together may hold. Checked in every order of its steps by `tests/loom`.

use crate::sync::{Arc, AtomicUsize, Ordering};

/// Bytes that all calls together may hold.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    held: AtomicUsize,
    limit: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Budget(Arc::new(Shared {
            held: AtomicUsize::new(0),
            limit,
        }))
    }

    /// A part that holds nothing yet.
    pub(super) fn permit(&self) -> Permit {
        Permit {
            budget: Some(self.clone()),
            bytes: 0,
        }
    }

    /// Bytes held at present.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }
}

/// The part of the budget that one body holds; given back when dropped.
#[derive(Debug, Default)]
pub(super) struct Permit {
    budget: Option<Budget>,
    bytes: usize,
}

impl Permit {
    /// Adds so many bytes, if they fit.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let Some(budget) = &self.budget else {
            return false;
        };
        let before = budget.0.held.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > budget.0.limit {
            budget.0.held.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}
