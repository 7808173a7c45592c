//! What is left unread while the analyzer cannot keep up.
//!
//! Which calls are read is decided by a keyed hash of their inputs, not by chance: equal inputs
//! share their fate, so that repeats stay together and a share of the inputs is seen whole. A
//! lower rate reads a part of what a higher one reads, so a change of rate tears no repeats apart
//! either.

use crate::fingerprint::ticket::Ticket;
use std::time::Duration;

/// Each step halves the rate; at the last, one input in 256 is read.
const STEPS: u32 = 8;

/// Time between two looks at the queue: a burst that the queue holds is over by then.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks without pressure before more is read again.
const CALM: u32 = 10;

/// How many of the inputs are read at present.
#[derive(Debug, Default)]
pub(super) struct Thinning {
    step: u32,
    looked: Duration,
    calm: u32,
}

impl Thinning {
    /// Share of the inputs that are read, 1 without pressure.
    pub(super) fn rate(&self) -> f64 {
        1.0 / f64::from(1_u32 << self.step)
    }

    /// Whether a call with these inputs is read. `ticket` is only asked for while it matters.
    pub(super) fn reads(&self, ticket: impl FnOnce() -> Option<Ticket>) -> bool {
        // What cannot be read says so itself, cheaply.
        self.step == 0 || ticket().is_none_or(|ticket| ticket.is_within(self.rate()))
    }

    /// Takes note at `now`, since any start, that of the queue or of its bytes the share `filled`
    /// is in use. Reads less while more than half is, and more again when next to nothing has been
    /// for a second.
    pub(super) fn feel(&mut self, now: Duration, filled: f64) {
        if now.saturating_sub(self.looked) < LOOK_EVERY {
            return;
        }
        self.looked = now;
        if filled > 0.5 {
            self.step = (self.step + 1).min(STEPS);
            self.calm = 0;
        } else if filled < 0.05 {
            self.calm += 1;
            if self.calm >= CALM {
                self.step = self.step.saturating_sub(1);
                self.calm = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_less_under_pressure_and_all_of_it_again_later() {
        let mut thinning = Thinning::default();
        let mut now = Duration::ZERO;
        let mut feel = |thinning: &mut Thinning, looks: u32, filled: f64| {
            for _ in 0..looks {
                now += LOOK_EVERY;
                thinning.feel(now, filled);
                // Another call at once changes nothing.
                thinning.feel(now + LOOK_EVERY / 2, 1.0 - filled);
            }
        };
        feel(&mut thinning, 100, 0.4);
        assert_eq!(thinning.rate(), 1.0);
        feel(&mut thinning, 3, 0.6);
        assert_eq!(thinning.rate(), 0.125);
        feel(&mut thinning, 100, 0.9);
        assert_eq!(thinning.rate(), 1.0 / 256.0, "some are always read");
        feel(&mut thinning, CALM * STEPS - 1, 0.0);
        assert_eq!(thinning.rate(), 0.5);
        feel(&mut thinning, 1, 0.0);
        assert_eq!(thinning.rate(), 1.0);
    }
}
