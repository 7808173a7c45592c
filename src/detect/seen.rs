//! "Seen for a different input": an output that came before in the window, for an input that is
//! not near. Linear in the collapsed share, where entropy and Simpson's index are quadratic.

use super::rows::SKETCH;
use super::scales::{Scales, Sketch};
use crate::fingerprint::print_map::PrintMap;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Scored rows that an output is remembered for.
pub(super) const WINDOW: usize = 2048;

/// What the window says of one row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// The exact output came for another input before.
    pub(super) exact: bool,
    /// So did its cell.
    pub(super) quantised: bool,
    /// The exact one came in this very call.
    pub(super) in_call: bool,
    /// The exact one came twice in the warm-up.
    pub(super) usual: bool,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    rows: u32,
    /// Place of its last row in the window.
    last_row: u32,
    /// The lower half of its last call's number.
    last_call: u32,
}

/// The outputs of the last [`WINDOW`] scored rows, and the input of each.
#[derive(Debug, Default)]
pub(super) struct Seen {
    exact: PrintMap<Entry>,
    quantised: HashMap<u64, Entry>,
    /// `(exact, quantised)` of row `r` at `r % WINDOW`.
    outputs: Vec<(u64, u64)>,
    /// Its standardised input.
    inputs: Vec<Sketch>,
    rows: u64,
}

impl Seen {
    /// Looks the row up, then remembers it.
    pub(super) fn observe(
        &mut self,
        scales: &Scales,
        input: &Sketch,
        exact: u64,
        quantised: u64,
        call: u64,
    ) -> Sight {
        let usual = scales.usual.contains(&exact);
        let seen_exact = !usual && self.elsewhere(scales, self.exact.get(&exact), input);
        let sight = Sight {
            usual,
            exact: seen_exact,
            quantised: !scales.usual_quantised.contains(&quantised)
                && self.elsewhere(scales, self.quantised.get(&quantised), input),
            in_call: seen_exact
                && self
                    .exact
                    .get(&exact)
                    .is_some_and(|entry| entry.last_call == call as u32),
        };
        self.remember(input, exact, quantised, call);
        sight
    }

    fn elsewhere(&self, scales: &Scales, entry: Option<&Entry>, input: &Sketch) -> bool {
        entry.is_some_and(|entry| {
            let other = &self.inputs[entry.last_row as usize];
            !scales.near(input, other)
        })
    }

    fn remember(&mut self, input: &Sketch, exact: u64, quantised: u64, call: u64) {
        let at = (self.rows % WINDOW as u64) as usize;
        if self.outputs.len() < WINDOW {
            self.outputs.push((exact, quantised));
            self.inputs.push(*input);
        } else {
            let (old_exact, old_quantised) =
                std::mem::replace(&mut self.outputs[at], (exact, quantised));
            self.inputs[at] = *input;
            forget(&mut self.exact, old_exact);
            forget(&mut self.quantised, old_quantised);
        }
        let (row, call) = (at as u32, call as u32);
        note(&mut self.exact, exact, row, call);
        note(&mut self.quantised, quantised, row, call);
        self.rows += 1;
    }
}

fn note<H: BuildHasher>(map: &mut HashMap<u64, Entry, H>, key: u64, row: u32, call: u32) {
    let entry = map.entry(key).or_insert(Entry {
        rows: 0,
        last_row: 0,
        last_call: 0,
    });
    *entry = Entry {
        rows: entry.rows + 1,
        last_row: row,
        last_call: call,
    };
}

fn forget<H: BuildHasher>(map: &mut HashMap<u64, Entry, H>, key: u64) {
    if let Some(entry) = map.get_mut(&key) {
        entry.rows -= 1;
        if entry.rows == 0 {
            map.remove(&key);
        }
    }
}

const _: () = assert!(
    WINDOW * SKETCH * 4 <= 512 << 10,
    "the inputs of the window fit half a mebibyte"
);
