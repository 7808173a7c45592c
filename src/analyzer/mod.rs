//! One exchange through the pure core for its series. Live traffic and capture files run this
//! same code; time is an argument.

use crate::proto::flatline::v1::Exchange;
use crate::report::{Report, Transition};
use crate::skip::Skip;
use std::time::Duration;

/// What the analyzer may keep and what it should leave out.
#[derive(Debug, Clone)]
pub struct Options {
    /// Length of the sliding window in time.
    pub window: Duration,
    /// Length of the sliding window in rows.
    pub window_rows: usize,
    /// Most series kept at once; the least recently used leaves.
    pub max_series: usize,
    /// Inputs left out of the fingerprint, such as a request id.
    pub ignore_inputs: Vec<String>,
    /// Most transitions kept for the report; `usize::MAX` offline.
    pub max_transitions: usize,
    /// Bound on a decompressed message, bytes.
    pub max_message: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            window: Duration::from_secs(60),
            window_rows: 4096,
            max_series: 256,
            ignore_inputs: Vec::new(),
            max_transitions: 1000,
            max_message: 64 << 20,
        }
    }
}

/// What one exchange did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Rows observed (0 when skipped).
    pub rows: u64,
    /// Why the exchange was not read, if it was not.
    pub skipped: Option<Skip>,
    /// Changes of state that it brought about.
    pub transitions: Vec<Transition>,
}

/// The state of every series.
#[derive(Debug)]
pub struct Analyzer {
    options: Options,
}

impl Analyzer {
    /// An analyzer that has seen nothing. `key` keys the fingerprints; it changes no verdict.
    #[must_use]
    pub fn new(options: Options, _key: [u8; 32]) -> Self {
        Analyzer { options }
    }

    /// Takes one Predict exchange.
    pub fn observe(&mut self, _exchange: &Exchange) -> Outcome {
        Outcome::default()
    }

    /// Counts a call that never became an exchange.
    pub fn skip(&mut self, _reason: Skip) {}

    /// Drops the series that the last exchange belonged to: after a panic its state is not to
    /// be trusted.
    pub fn forget_last(&mut self) {}

    /// Everything there is to say at `now`, nanoseconds since the Unix epoch. Changes nothing.
    #[must_use]
    pub fn report(&self, _now_nanos: i64) -> Report {
        let _ = &self.options;
        Report {
            schema: 1,
            at: String::new(),
            observed: crate::report::Observed::default(),
            series: Vec::new(),
            transitions: Vec::new(),
            findings: Vec::new(),
        }
    }
}
