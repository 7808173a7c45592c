//! The scored rows that a baseline is learned from.

use super::rows::SKETCH;

/// Rows kept while learning; given back afterwards.
#[derive(Debug, Default)]
pub(super) struct Warmup {
    sketches: Vec<f32>,
    values: Vec<f64>,
    exact: Vec<u64>,
    argmax: Vec<u32>,
    /// Rows of a call, and its latency.
    pub(super) latencies: Vec<(f64, f64)>,
}

impl Warmup {
    pub(super) fn push(&mut self, sketch: &[f32], values: &[f64], exact: u64, argmax: u32) {
        self.sketches.extend_from_slice(sketch);
        self.values.extend_from_slice(values);
        self.exact.push(exact);
        self.argmax.push(argmax);
    }

    pub(super) fn len(&self) -> usize {
        self.exact.len()
    }

    /// Numbers kept of an output row.
    pub(super) fn width(&self) -> usize {
        self.values.len() / self.len().max(1)
    }

    pub(super) fn sketch(&self, row: usize) -> &[f32] {
        &self.sketches[row * SKETCH..(row + 1) * SKETCH]
    }

    pub(super) fn values(&self, row: usize) -> &[f64] {
        let width = self.width();
        &self.values[row * width..(row + 1) * width]
    }

    pub(super) fn exact(&self, row: usize) -> u64 {
        self.exact[row]
    }

    pub(super) fn argmax(&self, row: usize) -> u32 {
        self.argmax[row]
    }
}
