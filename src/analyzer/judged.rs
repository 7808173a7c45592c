//! Which causes a report judges anew: judging costs more than all else that is told of a series,
//! and there may be 256 that fire.

use super::series::{Series, SeriesKey};
use super::{Analyzer, State};
use crate::diagnose::{Judgement, judge};
use std::cell::RefCell;

/// Series judged anew by one report; the others keep what was said of them last.
const AT_ONCE: usize = 48;

/// What was said of a series last, and the number of that judgement among all.
#[derive(Debug, Default)]
pub(super) struct Judged(RefCell<Option<(u64, Judgement)>>);

impl Analyzer {
    /// The causes of every series, in order.
    pub(super) fn judgements(&self) -> Vec<Judgement> {
        let mut troubled = Vec::new();
        for (key, series) in &self.series {
            if series.alert.state() == State::Inactive {
                // The next trouble has causes of its own.
                series.judged.0.take();
            } else {
                troubled.push((key, series));
            }
        }
        let last = |series: &Series| series.judged.0.borrow().as_ref().map(|(number, _)| *number);
        let numbers: Vec<_> = troubled.iter().map(|(_, series)| last(series)).collect();
        for index in anew(&numbers) {
            let (key, series) = troubled[index];
            self.judge(key, series);
        }
        let said = |series: &Series| Some(series.judged.0.borrow().as_ref()?.1.clone());
        let all = self.series.values();
        all.map(|series| said(series).unwrap_or_default()).collect()
    }

    /// Judges a series that is not quiet.
    pub(super) fn judge(&self, key: &SeriesKey, series: &Series) -> Judgement {
        let judgement = judge(&self.facts(key, series));
        let number = self.judged.get() + 1;
        self.judged.set(number);
        series.judged.0.replace(Some((number, judgement.clone())));
        judgement
    }
}

/// Which to judge, by the numbers of their last judgements: all that were never judged, and of the
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
    fn few_are_judged_every_time_and_many_in_turns() {
        assert_eq!(anew(&[Some(2), None, Some(1)]), [1, 2, 0]);
        let mut last: Vec<_> = (1..=140).map(Some).collect();
        let mut number = 140;
        for _ in 0..3 {
            let turn = anew(&last);
            assert_eq!(turn.len(), AT_ONCE);
            for index in turn {
                number += 1;
                last[index] = Some(number);
            }
        }
        // Three reports, and nobody was left out.
        assert!(last.iter().all(|last| *last > Some(140)), "{last:?}");
        assert_eq!(anew(&[None; 100]).len(), 100);
    }
}
