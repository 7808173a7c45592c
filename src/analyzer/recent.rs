//! How a series looked over the last minutes: what the status page draws.

use crate::window::Window;
use std::collections::VecDeque;

/// Time between two samples, by the clock of the exchanges.
const EVERY_NANOS: i64 = 2_000_000_000;
/// Samples kept: three minutes of steady traffic.
const KEPT: usize = 90;

/// The sliding window at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When, nanoseconds since the Unix epoch.
    pub at_nanos: i64,
    /// Distinct inputs as the client sent them.
    pub inputs: u32,
    /// Distinct outputs.
    pub outputs: u32,
}

/// The last samples of one series; 1.5 KiB at most.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<Sample>);

impl Recent {
    /// Takes a sample if it is time for one.
    pub(super) fn look(&mut self, now_nanos: i64, window: &Window) {
        let last = self.0.back().map(|sample| sample.at_nanos);
        if last.is_some_and(|last| now_nanos < last.saturating_add(EVERY_NANOS)) {
            return;
        }
        let stats = window.stats_at(now_nanos);
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Sample {
            at_nanos: now_nanos,
            inputs: u32::try_from(stats.distinct_inputs).unwrap_or(u32::MAX),
            outputs: u32::try_from(stats.distinct_outputs).unwrap_or(u32::MAX),
        });
    }

    /// Oldest first.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.0.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Row;
    use std::time::Duration;

    #[test]
    fn samples_are_far_apart_and_few() {
        let mut window = Window::new(Duration::from_secs(60), 100);
        let mut recent = Recent::default();
        for second in 0..1000_i64 {
            let row = Row {
                raw: second as u64,
                effective: second as u64,
                output: 1,
            };
            window.record(second * 1_000_000_000, row);
            recent.look(second * 1_000_000_000, &window);
        }
        let samples = recent.samples();
        assert_eq!(samples.len(), KEPT);
        assert_eq!(
            samples[KEPT - 1].at_nanos - samples[0].at_nanos,
            178_000_000_000
        );
        assert_eq!((samples[0].inputs, samples[0].outputs), (61, 1));
    }
}
