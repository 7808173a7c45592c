//! Vocabulary: a value that was never seen, from a model that has few.
//!
//! `X = 1[output never seen before]` per scored row. Null mean: the warm-up's rate, its odds
//! allowed to triple, floor 0.01. Only a null below 0.1 makes a new value evidence: a continuous
//! output is always new.

use super::ecusum::{Null, Off, Rate};

const ODDS: f64 = 3.0;
const FLOOR: f64 = 0.01;
const MOST: f64 = 0.1;
/// New values among outputs other than the commonest, at the most.
const MOST_OF_RARE: f64 = 0.2;

/// The null from the scored rows of the warm-up. `of_rare` leaves the commonest output out: a
/// score that is 0 for most and continuous for the rest has no vocabulary.
pub(super) fn null(new_values: Rate, of_rare: Rate) -> Null {
    let mu = new_values.bound(ODDS, FLOOR);
    let open = mu >= MOST || !of_rare.is_learned() || of_rare.share() > MOST_OF_RARE;
    Null {
        mu,
        off: open.then_some(Off::OpenVocabulary),
    }
}
