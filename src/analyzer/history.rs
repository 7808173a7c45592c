//! What the rules of diagnosis may look back on: the last rows and calls of a series, as facts.

use crate::detect::rows::CallRows;
use crate::fingerprint::call::{Call, InputFact, Output, VersionAsked};
use std::collections::VecDeque;
use std::sync::Arc;

/// Rows kept; at about 150 bytes each.
const ROWS: usize = 1024;
/// Calls kept.
const CALLS: usize = 224;

/// Calls from before a trouble that those since are held against.
const BEFORE: usize = 32;

/// The last rows and calls, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) rows: VecDeque<RowFact>,
    pub(super) calls: VecDeque<CallFact>,
}

/// One row.
#[derive(Debug, Clone)]
pub(super) struct RowFact {
    /// Number in the series.
    pub row: u64,
    /// Number of its call.
    pub call: u64,
    /// Rows of its call.
    pub of: u32,
    pub raw: u64,
    pub effective: u64,
    pub output: u64,
    pub finite: bool,
    pub latency_nanos: i64,
    /// Entropy of the class scores over `ln(classes)`; `None` if the row holds no class scores.
    pub entropy: Option<f32>,
    /// Smallest and largest number of the row, as kept.
    pub low: f32,
    pub high: f32,
    /// First number of the row.
    pub first: f32,
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct CallFact {
    pub call: u64,
    /// When the reply was complete, nanoseconds since the Unix epoch.
    pub at_nanos: i64,
    pub user_agent: String,
    pub asked: VersionAsked,
    pub inputs: Arc<Vec<InputFact>>,
    pub batch: Option<u64>,
    pub followed: bool,
    pub echo_of: Option<String>,
    /// Whether every output of the reply equals an input.
    pub all_echo: bool,
    /// Whether some output of the reply has a row for each row of the request.
    pub any_followed: bool,
    /// Whether a part of the inputs that varies from call to call is the same in all rows.
    pub grouped: bool,
    /// Type and shape of the output.
    pub dtype: &'static str,
    pub dims: Vec<u64>,
}

impl CallFact {
    pub(super) fn new(
        number: u64,
        at_nanos: i64,
        user_agent: &str,
        call: &Call,
        output: &Output,
    ) -> Self {
        CallFact {
            call: number,
            at_nanos,
            user_agent: user_agent
                .char_indices()
                .nth(200)
                .map_or(user_agent, |(end, _)| &user_agent[..end])
                .to_owned(),
            asked: call.asked.clone(),
            inputs: Arc::clone(&call.inputs),
            batch: output.batch,
            followed: output.followed,
            echo_of: output.echo_of.clone(),
            all_echo: call.all_echo,
            any_followed: call.any_followed,
            grouped: false,
            dtype: output.dtype,
            dims: output.dims.clone(),
        }
    }
}

impl RowFact {
    pub(super) fn new(row: u64, call: &CallRows, i: usize, values: &[f64], scores: bool) -> Self {
        RowFact {
            row,
            call: call.call,
            of: call.outputs.exact.len() as u32,
            raw: call.inputs.raw[i],
            effective: call.inputs.effective[i],
            output: call.outputs.exact[i],
            finite: call.outputs.numbers[i].are_finite(),
            latency_nanos: call.latency_nanos,
            // Wide rows are kept as a sketch, which is no distribution any more.
            entropy: (scores && values.len() == call.outputs.width)
                .then(|| relative_entropy(values)),
            low: values.iter().copied().fold(f64::INFINITY, f64::min) as f32,
            high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max) as f32,
            first: values.first().copied().unwrap_or(0.0) as f32,
        }
    }
}

impl History {
    /// The newest calls, 32 at the most, all of whose rows came before `row`; none where `row` is so
    /// long ago that this is not known.
    pub(super) fn before(&self, row: u64) -> impl Iterator<Item = &CallFact> {
        let first = self.rows.partition_point(|fact| fact.row < row);
        let end = match self.rows.get(first) {
            Some(fact) if first > 0 => fact.call,
            _ => 0,
        };
        let before = self.calls.partition_point(|call| call.call < end);
        self.calls.range(before.saturating_sub(BEFORE)..before)
    }

    /// The newest calls, 32 at the most.
    pub(super) fn newest(&self) -> Vec<&CallFact> {
        self.calls.iter().rev().take(BEFORE).collect()
    }

    pub(super) fn begin(&mut self, call: CallFact) {
        if self.calls.len() == CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    pub(super) fn push(&mut self, row: RowFact) {
        if self.rows.len() == ROWS {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
    }
}

/// Shannon entropy divided by that of a uniform guess, 0 to 1.
fn relative_entropy(scores: &[f64]) -> f32 {
    let entropy: f64 = scores
        .iter()
        .filter(|p| **p > 0.0)
        .map(|p| -p * p.ln())
        .sum();
    (entropy / (scores.len() as f64).ln()) as f32
}

#[cfg(test)]
mod tests {
    use super::relative_entropy;

    #[test]
    fn entropy_of_a_guess_and_of_certainty() {
        assert!((relative_entropy(&[0.25; 4]) - 1.0).abs() < 1e-6);
        assert_eq!(relative_entropy(&[1.0, 0.0]), 0.0);
    }
}
