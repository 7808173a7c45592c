//! The tests that need no baseline: they stand in until it is learned.

use super::constant::{Capacity, Constant, Prior};
use super::non_finite::NonFinite;
use super::recent::Recent;
use super::rows::CallRows;
use super::spread::Spread;
use super::verdict::Verdict;
use crate::alert::Level;

/// Tests with hard thresholds.
#[derive(Debug, Default)]
pub(super) struct Cold {
    recent: Recent,
    constant: Constant,
    spread: Spread,
    non_finite: NonFinite,
}

impl Cold {
    pub(super) fn new(prior: Option<Prior>) -> Self {
        Cold {
            spread: Spread::new(prior.and_then(|prior| prior.deviation)),
            constant: Constant::new(prior),
            ..Cold::default()
        }
    }

    pub(super) fn expect(&mut self, capacity: Option<Capacity>) {
        self.constant.expected = capacity;
    }

    /// Takes row `i` of a call. `learning` is over once the baseline stands: from then on only an
    /// alarm of before is followed to its end.
    pub(super) fn observe(
        &mut self,
        row: u64,
        call: &CallRows,
        i: usize,
        scored: bool,
        learning: bool,
    ) {
        let outputs = &call.outputs;
        self.non_finite
            .observe(row, outputs.numbers[i].are_finite());
        if !scored {
            return;
        }
        let columns = outputs.values.len() / outputs.exact.len().max(1);
        let values = &outputs.values[i * columns..(i + 1) * columns];
        self.recent.observe(row, outputs.exact[i], values);
        if learning || self.constant.is_firing() {
            self.constant
                .observe(&self.recent, call.call, outputs.kind, outputs.width);
        }
        if learning {
            self.spread.observe(&self.recent, values, outputs.kind);
        }
    }

    /// The strongest that any of the tests has to say.
    pub(super) fn verdict(&self) -> Verdict {
        let verdicts = [
            self.non_finite.verdict(),
            self.constant.verdict(),
            self.spread.verdict(),
        ];
        // The first of the strongest: a constant is also a small spread.
        verdicts
            .into_iter()
            .rev()
            .max_by_key(|verdict| verdict.level)
            .unwrap_or_else(Verdict::quiet)
    }

    /// An alarm that was raised before the baseline stood and is not over yet.
    pub(super) fn standing(&self) -> Option<Verdict> {
        Some(self.constant.verdict())
            .filter(|verdict| verdict.level == Level::Damning && self.constant.is_firing())
    }

    /// What this version's rows say of its output.
    pub(super) fn prior(&self) -> Option<Prior> {
        let prior = self.constant.prior(&self.recent)?;
        Some(Prior {
            deviation: self.spread.widest(),
            ..prior
        })
    }
}
