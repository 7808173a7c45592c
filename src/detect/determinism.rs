//! Determinism: an input that came before gets another reply than the first time.
//!
//! `X = 1[reply differs]` per repeated input, against the first reply stored for it, because a
//! comparison with the last would give one pulse a fault; once for the exact reply and once for
//! its category. Null mean: the warm-up's rate, its odds allowed to grow by 1.3, floor 0.002.
//! A model that draws at random differs nearly always: the test is off then.

use super::ecusum::{Null, Off, Rate};

const ODDS: f64 = 1.3;
const FLOOR: f64 = 0.002;
/// Null means above this leave nothing to find.
const MOST: f64 = 0.9;

/// The null from repeats in the warm-up.
pub(super) fn null(changed: Rate) -> Null {
    let mu = changed.bound(ODDS, FLOOR);
    let off = if !changed.is_learned() {
        Some(Off::FewRepeats)
    } else if mu >= MOST {
        Some(Off::Stochastic)
    } else {
        None
    };
    Null { mu, off }
}
