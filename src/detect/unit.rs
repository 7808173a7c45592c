//! What the rows of one unit say to each test.

use super::baseline::TESTS;

/// Sums and numbers of `X` over one unit, by test.
#[derive(Debug, Default)]
pub(super) struct Unit {
    pub(super) sums: [f64; TESTS],
    pub(super) counts: [f64; TESTS],
}

impl Unit {
    pub(super) fn add(&mut self, test: usize, x: f64) {
        self.sums[test] += x;
        self.counts[test] += 1.0;
    }

    pub(super) fn value(&mut self, test: usize, x: Option<f64>) {
        if let Some(x) = x {
            self.add(test, x);
        }
    }

    pub(super) fn flag(&mut self, test: usize, x: Option<bool>) {
        self.value(test, x.map(|x| f64::from(u8::from(x))));
    }
}
