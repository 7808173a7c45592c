//! The evidence gate: only an input that was not seen lately says anything about the model.

use std::collections::{HashSet, VecDeque};

/// Inputs remembered. At 8 bytes in the queue and about 10 in the set: 1.2 MiB.
const MEMORY: usize = 65_536;

/// The inputs seen last.
#[derive(Debug, Default)]
pub(super) struct Gate {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Gate {
    /// Whether `input` is not among the last [`MEMORY`] distinct inputs; remembers it.
    pub(super) fn is_new(&mut self, input: u64) -> bool {
        if !self.known.insert(input) {
            return false;
        }
        self.order.push_back(input);
        if self.order.len() > MEMORY
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_first() {
        let mut gate = Gate::default();
        assert!(gate.is_new(7) && !gate.is_new(7));
        for input in 0..MEMORY as u64 {
            gate.is_new(1_000 + input);
        }
        assert!(gate.is_new(7));
        assert_eq!(gate.known.len(), MEMORY);
    }
}
