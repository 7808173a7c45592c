//! The evidence gate: only an input that was not seen lately, and is not near to several recent
//! ones, says anything about the model. And determinism: what an input got the first time.

use super::scales::{Scales, Sketch};
use hashbrown::HashTable;
use std::collections::VecDeque;

/// Inputs remembered: 17 bytes each in the ring, and 640 KiB of the table, 1.4 MiB at the most.
const MEMORY: usize = 49_152;
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

/// An input, and its first finite reply.
#[derive(Debug, Clone, Copy)]
struct First {
    input: u64,
    /// Part of the reply's exact fingerprint; 0 for none.
    output: u32,
    /// The reply as one number.
    along: f32,
}

/// No category.
const NONE: u8 = u8::MAX;

/// The inputs seen last.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// A ring; `categories` beside it are those of the first replies.
    firsts: Vec<First>,
    categories: Vec<u8>,
    next: usize,
    /// Places in the ring by input: half as large as a map that holds its keys.
    places: HashTable<u32>,
    /// The last new input of each of the last calls.
    recent: VecDeque<Sketch>,
    /// The last new inputs of this call.
    call: VecDeque<Sketch>,
    /// The input before, not standardised, and whether more than one of its columns ever changed.
    before: Vec<f32>,
    many: bool,
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
        // A part of a fingerprint is enough to tell two replies to one input apart.
        let output = output.map_or(0, |print| print as u32 | 1);
        let category = category.map_or(NONE, |c| c as u8);
        let firsts = &self.firsts;
        let known = |place: &u32| firsts[*place as usize].input == input;
        if let Some(place) = self.places.find(input, known) {
            return self.again(*place as usize, output, along, category);
        }
        self.remember(
            First {
                input,
                output,
                along,
            },
            category,
        );
        Pass {
            novel: true,
            ..Pass::default()
        }
    }

    /// Whether the input, which is not standardised, is the one before but for one column at the most,
    /// though others have changed before.
    pub(super) fn rests(&mut self, input: &[f32]) -> bool {
        let columns = self.before.iter().zip(input);
        let changed = columns.filter(|(before, now)| before != now).count();
        self.many |= changed > 1;
        let rests = self.many && changed <= 1 && self.before.len() == input.len();
        self.before.clear();
        self.before.extend_from_slice(input);
        rests
    }

    fn again(&mut self, place: usize, output: u32, along: f32, category: u8) -> Pass {
        let (first, before) = (&mut self.firsts[place], &mut self.categories[place]);
        let changed = (first.output != 0 && output != 0).then_some(first.output != output);
        let pass = Pass {
            novel: false,
            changed,
            change: (changed == Some(true)).then_some((first.along, along)),
            category_changed: (*before != NONE && category != NONE).then_some(*before != category),
        };
        if first.output == 0 {
            (first.output, first.along) = (output, along);
        }
        if *before == NONE {
            *before = category;
        }
        pass
    }

    fn remember(&mut self, first: First, category: u8) {
        let place = self.next;
        self.next = (self.next + 1) % MEMORY;
        if place < self.firsts.len() {
            let oldest = std::mem::replace(&mut self.firsts[place], first);
            self.categories[place] = category;
            let is = |at: &u32| *at as usize == place;
            if let Ok(entry) = self.places.find_entry(oldest.input, is) {
                entry.remove();
            }
        } else {
            if self.firsts.len() == self.firsts.capacity() {
                // Twice as much, but never more than is used.
                let more = self.firsts.len().max(64).min(MEMORY - self.firsts.len());
                self.firsts.reserve_exact(more);
                self.categories.reserve_exact(more);
            }
            self.firsts.push(first);
            self.categories.push(category);
        }
        let firsts = &self.firsts;
        let hash = |at: &u32| firsts[*at as usize].input;
        self.places.insert_unique(first.input, place as u32, hash);
    }

    /// Whether the input is near to one row of at least two of the last calls.
    pub(super) fn is_near(&self, scales: &Scales, input: &Sketch) -> bool {
        self.recent
            .iter()
            .filter(|other| scales.near(input, other))
            .count()
            >= ENOUGH
    }

    /// Whether the input is near to at least two of the last new ones of its own call. A call of
    /// many rows that hardly differ says no more than one row.
    pub(super) fn is_near_in_call(&mut self, scales: &Scales, input: &Sketch) -> bool {
        let near = self.call.iter();
        let near = near.filter(|other| scales.near(input, other)).count() >= ENOUGH;
        if self.call.len() == CALLS {
            self.call.pop_front();
        }
        self.call.push_back(*input);
        near
    }

    /// Remembers the last new input of a call.
    pub(super) fn end_call(&mut self) {
        let last = self.call.back().copied();
        self.call.clear();
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
        assert_eq!((gate.places.len(), gate.firsts.len()), (MEMORY, MEMORY));
    }

    #[test]
    fn a_repeat_is_compared_with_the_first_finite_reply() {
        let mut gate = Gate::default();
        gate.pass(1, None, 0.0, None);
        assert_eq!(gate.pass(1, Some(4), 0.5, Some(2)).changed, None);
        assert_eq!(
            gate.pass(1, Some(6), 0.6, Some(2)),
            Pass {
                novel: false,
                changed: Some(true),
                change: Some((0.5, 0.6)),
                category_changed: Some(false)
            }
        );
        assert_eq!(gate.pass(1, Some(4), 0.5, None).changed, Some(false));
    }
}
