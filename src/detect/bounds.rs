//! Bounds of an output: a score that is cut at 1, a price that is never below 0.
//!
//! Inputs of a kind that was rare before may all sit on a bound, and repeat it without anything
//! being wrong. So a repeat of the least or the greatest output says nothing where the surrogate
//! expects the category that it lies in; where it expects another, it counts.

use super::scales::Scales;
use super::warmup::Warmup;
use serde::{Deserialize, Serialize};

/// The least and the greatest output of the warm-up.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Bounds {
    least: f64,
    greatest: f64,
}

impl Bounds {
    /// `None` for outputs that are no single floats.
    pub(super) fn learn(warmup: &Warmup, scales: &Scales) -> Option<Self> {
        if warmup.width() != 1 || scales.deviation_along == 0.0 {
            return None;
        }
        let outputs = (0..warmup.len()).flat_map(|row| warmup.values(row).iter().copied());
        Some(Bounds::of(outputs))
    }

    fn of(outputs: impl Iterator<Item = f64>) -> Self {
        let nothing = Bounds {
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
        };
        outputs.fold(nothing, |bounds, output| Bounds {
            least: bounds.least.min(output),
            greatest: bounds.greatest.max(output),
        })
    }

    /// Whether `output` lies on or beyond a bound, and its category is what the input lets
    /// expect most.
    pub(super) fn explain(&self, output: f64, category: usize, predicted: &[f64]) -> bool {
        (output <= self.least || output >= self.greatest)
            && predicted.iter().all(|other| *other <= predicted[category])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expected_bound_explains_a_repeat_and_nothing_else_does() {
        let bounds = Bounds::of([0.25, 0.0, 1.0, 0.75].into_iter());
        let (low, high) = ([0.7, 0.2, 0.1], [0.1, 0.2, 0.7]);
        assert!(bounds.explain(0.0, 0, &low) && bounds.explain(-1.0, 0, &low));
        assert!(bounds.explain(1.0, 2, &high) && bounds.explain(1.5, 2, &high));
        // A model that went flat on its bound says it for inputs that let expect another.
        assert!(!bounds.explain(0.0, 0, &high) && !bounds.explain(1.0, 2, &low));
        assert!(!bounds.explain(0.25, 0, &low) && !bounds.explain(0.999, 2, &high));
    }
}
