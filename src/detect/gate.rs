//! The evidence gate: only an input that was not seen lately, and is not near to several recent
//! ones, says anything about the model. And determinism: what an input got the first time.

use super::scales::{Scales, Sketch};
use crate::fingerprint::print_map::PrintMap;
use std::collections::VecDeque;

/// Inputs remembered: 24 to 28 bytes each in the map, 8 in the queue, about 3 MiB at the most.
const MEMORY: usize = 65_536;
/// Earlier calls that an input is compared with, and how many of them make it near.
const CALLS: usize = 8;
const ENOUGH: usize = 2;

/// What the gate says of one row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Pass {
    /// The input is new.
    pub(super) novel: bool,
    /// The reply to a repeated input is not its first one; `None` for a new input.
    pub(super) changed: Option<bool>,
    /// Both replies as one number each, the first one first, where they differ.
    pub(super) change: Option<(f32, f32)>,
    /// The same of its category.
    pub(super) category_changed: Option<bool>,
}

#[derive(Debug, Clone, Copy)]
struct First {
    /// Exact fingerprint of the first finite reply.
    output: Option<u32>,
    /// The same as one number.
    along: f32,
    /// Its category.
    category: Option<u8>,
}

/// The inputs seen last.
#[derive(Debug, Default)]
pub(super) struct Gate {
    known: PrintMap<First>,
    order: VecDeque<u64>,
    /// The last new input of each of the last calls.
    recent: VecDeque<Sketch>,
}

impl Gate {
    /// Looks the input up and remembers it with its reply, which is `along` as one number.
    /// `output` is `None` for a reply that is not finite.
    pub(super) fn pass(
        &mut self,
        input: u64,
        output: Option<u64>,
        along: f32,
        category: Option<usize>,
    ) -> Pass {
        // Half of a fingerprint is enough to tell two replies to one input apart.
        let output = output.map(|print| print as u32);
        let category = category.map(|c| c as u8);
        if let Some(first) = self.known.get_mut(&input) {
            let changed = first.output.zip(output).map(|(a, b)| a != b);
            let pass = Pass {
                novel: false,
                changed,
                change: (changed == Some(true)).then_some((first.along, along)),
                category_changed: first.category.zip(category).map(|(a, b)| a != b),
            };
            if first.output.is_none() {
                (first.output, first.along) = (output, along);
            }
            first.category = first.category.or(category);
            return pass;
        }
        let first = First {
            output,
            along,
            category,
        };
        self.known.insert(input, first);
        self.order.push_back(input);
        if self.order.len() > MEMORY
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        Pass {
            novel: true,
            ..Pass::default()
        }
    }

    /// Whether the input is near to one row of at least two of the last calls.
    pub(super) fn is_near(&self, scales: &Scales, input: &Sketch) -> bool {
        self.recent
            .iter()
            .filter(|other| scales.near(input, other))
            .count()
            >= ENOUGH
    }

    /// Remembers the last new input of a call.
    pub(super) fn end_call(&mut self, last: Option<Sketch>) {
        let Some(last) = last else { return };
        if self.recent.len() == CALLS {
            self.recent.pop_front();
        }
        self.recent.push_back(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_first() {
        let mut gate = Gate::default();
        assert!(gate.pass(7, None, 0.0, None).novel && !gate.pass(7, None, 0.0, None).novel);
        for input in 0..MEMORY as u64 {
            gate.pass(1_000 + input, Some(1), 0.0, None);
        }
        assert!(gate.pass(7, None, 0.0, None).novel);
        assert_eq!(gate.known.len(), MEMORY);
    }

    #[test]
    fn a_repeat_is_compared_with_the_first_finite_reply() {
        let mut gate = Gate::default();
        gate.pass(1, None, 0.0, None);
        assert_eq!(gate.pass(1, Some(5), 0.5, Some(2)).changed, None);
        assert_eq!(
            gate.pass(1, Some(6), 0.6, Some(2)),
            Pass {
                novel: false,
                changed: Some(true),
                change: Some((0.5, 0.6)),
                category_changed: Some(false)
            }
        );
        assert_eq!(gate.pass(1, Some(5), 0.5, None).changed, Some(false));
    }
}
