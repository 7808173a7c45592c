//! What a report asks anew: causes and findings cost more than all else that is told of a series, and
//! there may be 256 of them.

use super::series::{Series, SeriesKey};
use super::{Analyzer, State};
use crate::diagnose::{Judgement, judge};
use std::cell::RefCell;

/// Series that one report asks anew; of the others it tells what was said of them last.
const AT_ONCE: usize = 32;

/// What was said of a series last, and the number of that among all.
#[derive(Debug)]
pub(super) struct Said<T>(RefCell<Option<(u64, T)>>);

impl<T> Default for Said<T> {
    fn default() -> Self {
        Said(RefCell::default())
    }
}

impl<T: Clone> Said<T> {
    fn number(&self) -> Option<u64> {
        self.0.borrow().as_ref().map(|(number, _)| *number)
    }

    fn last(&self) -> Option<T> {
        Some(self.0.borrow().as_ref()?.1.clone())
    }

    /// What is said next is asked anew.
    pub(super) fn forget(&self) {
        self.0.take();
    }
}

impl Analyzer {
    /// The causes of every series, in order.
    pub(super) fn judgements(&self) -> Vec<Judgement> {
        let mut troubled = Vec::new();
        for (key, series) in &self.series {
            if series.alert.state() == State::Inactive {
                // The next trouble has causes of its own.
                series.judged.forget();
            } else {
                troubled.push((key, series));
            }
        }
        self.in_turns(
            &troubled,
            |series| &series.judged,
            |key, series| judge(&self.facts(key, series)),
        );
        let all = self.series.values();
        all.map(|series| series.judged.last().unwrap_or_default())
            .collect()
    }

    /// Judges a series that is not quiet.
    pub(super) fn judge(&self, key: &SeriesKey, series: &Series) -> Judgement {
        let judgement = judge(&self.facts(key, series));
        self.keep(&series.judged, judgement.clone());
        judgement
    }

    /// What is said of each of these series: asked anew of those that were never asked, and in turns
    /// of the others.
    pub(super) fn in_turns<T: Clone>(
        &self,
        of: &[(&SeriesKey, &Series)],
        said: fn(&Series) -> &Said<T>,
        ask: impl Fn(&SeriesKey, &Series) -> T,
    ) -> Vec<T> {
        let numbers: Vec<_> = of.iter().map(|(_, s)| said(s).number()).collect();
        for index in anew(&numbers) {
            let (key, series) = of[index];
            self.keep(said(series), ask(key, series));
        }
        of.iter().filter_map(|(_, s)| said(s).last()).collect()
    }

    fn keep<T>(&self, said: &Said<T>, what: T) {
        let number = self.said.get() + 1;
        self.said.set(number);
        said.0.replace(Some((number, what)));
    }
}

/// Which to ask, by the numbers of what they said last: all that were never asked, and of the
/// others those whose turn it is longest.
fn anew(last: &[Option<u64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..last.len()).collect();
    order.sort_by_key(|&index| last[index]);
    let first = last.iter().filter(|last| last.is_none()).count();
    order.truncate(first.max(AT_ONCE));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_asked_every_time_and_many_in_turns() {
        assert_eq!(anew(&[Some(2), None, Some(1)]), [1, 2, 0]);
        let mut last: Vec<_> = (1..=140).map(Some).collect();
        let mut number = 140;
        for _ in 0..5 {
            let turn = anew(&last);
            assert_eq!(turn.len(), AT_ONCE);
            for index in turn {
                number += 1;
                last[index] = Some(number);
            }
        }
        // Five reports, and nobody was left out.
        assert!(last.iter().all(|last| *last > Some(140)), "{last:?}");
        assert_eq!(anew(&[None; 100]).len(), 100);
    }
}
