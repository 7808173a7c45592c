//! A small model of the model: which category an input should get. It lets lagged and decoupled
//! replies be told from replies that merely repeat, and a shift of the traffic from a collapse.
//!
//! Softmax regression on the standardised sketch, 64 random ReLU features and a constant, fitted
//! with Adam (Kingma and Ba, 2015), its temperature calibrated on rows that were held out (Guo
//! et al., 2017). 3 % of the prior is mixed in, so that no probability is ever near zero.

use super::rows::SKETCH;
use super::scales::{Random, Sketch};
use serde::{Deserialize, Serialize};

const HIDDEN: usize = 64;
const BLOCK: usize = 16;
const FEATURES: usize = SKETCH + HIDDEN + 1;
/// Categories at the most.
const MOST: usize = 16;
const STEPS: i32 = 160;
/// Rows of one step; the rows are gone through in turn.
const BATCH: usize = 128;
const RATE: f32 = 0.03;
const DECAY: f32 = 2e-3;
const PRIOR: f64 = 0.03;
const TEMPERATURES: [f32; 8] = [0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 9.0, 20.0];
/// Share of the rows that are fitted; the others calibrate.
pub(super) const FITTED: f64 = 0.6;

/// One number for each category; those beyond the categories stay 0.
type Row = [f32; MOST];

/// Predicts categories.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Surrogate {
    /// Blocks of random directions that fit into registers, a row for each column of the sketch.
    hidden: Vec<Vec<[f32; BLOCK]>>,
    bias: Vec<f32>,
    /// A row for each feature.
    weights: Vec<Row>,
    temperature: f32,
    pub(super) prior: Vec<f64>,
}

impl Surrogate {
    /// Learns from at least a few rows; `categories` is at most 16.
    pub(super) fn learn(rows: &[(Sketch, usize)], categories: usize) -> Self {
        let n = rows.len();
        let mut counts = vec![0.5; categories.min(MOST)];
        for (_, category) in rows {
            counts[*category] += 1.0;
        }
        let total = n as f64 + 0.5 * counts.len() as f64;
        let mut random = Random::new(13);
        let spread = 1.5 / (SKETCH as f64).sqrt();
        let mut surrogate = Surrogate {
            hidden: (0..HIDDEN / BLOCK)
                .map(|_| {
                    (0..SKETCH)
                        .map(|_| std::array::from_fn(|_| (random.normal() * spread) as f32))
                        .collect()
                })
                .collect(),
            bias: (0..HIDDEN).map(|_| random.normal() as f32).collect(),
            weights: vec![[0.0; MOST]; FEATURES],
            temperature: 1.0,
            prior: counts.iter().map(|count| count / total).collect(),
        };
        let features: Vec<[f32; FEATURES]> = rows
            .iter()
            .map(|(sketch, _)| surrogate.features(sketch))
            .collect();
        let fitted = (n as f64 * FITTED) as usize;
        surrogate.fit(&features[..fitted], &rows[..fitted]);
        surrogate.calibrate(&features[fitted..], &rows[fitted..]);
        surrogate
    }

    /// Whether all parts have the sizes that are looked up.
    pub(super) fn fits(&self, categories: usize) -> bool {
        categories <= MOST
            && self.prior.len() == categories
            && self.hidden.len() == HIDDEN / BLOCK
            && self.hidden.iter().all(|block| block.len() == SKETCH)
            && self.bias.len() == HIDDEN
            && self.weights.len() == FEATURES
    }

    /// Probability of each category.
    pub(super) fn predict(&self, sketch: &Sketch) -> Vec<f64> {
        self.probabilities(&self.features(sketch))
    }

    fn features(&self, sketch: &Sketch) -> [f32; FEATURES] {
        let mut features = [1.0; FEATURES];
        let (inputs, hidden) = features.split_at_mut(SKETCH);
        for (slot, x) in inputs.iter_mut().zip(sketch) {
            *slot = x.clamp(-6.0, 6.0);
        }
        let blocks = hidden.chunks_exact_mut(BLOCK).zip(&self.hidden);
        for ((slots, weights), bias) in blocks.zip(self.bias.chunks_exact(BLOCK)) {
            let mut sums = [0.0; BLOCK];
            for (x, row) in inputs.iter().zip(weights) {
                for (sum, weight) in sums.iter_mut().zip(row) {
                    *sum += x * weight;
                }
            }
            for ((slot, sum), bias) in slots.iter_mut().zip(sums).zip(bias) {
                *slot = (sum + bias).max(0.0);
            }
        }
        features
    }

    fn logits(&self, features: &[f32; FEATURES]) -> Row {
        let mut logits = [0.0; MOST];
        for (x, row) in features.iter().zip(&self.weights) {
            for (logit, weight) in logits.iter_mut().zip(row) {
                *logit += x * weight;
            }
        }
        logits
    }

    fn probabilities(&self, features: &[f32; FEATURES]) -> Vec<f64> {
        let mut row = self.logits(features);
        softmax(&mut row[..self.prior.len()], self.temperature);
        let mixed = row.iter().zip(&self.prior);
        mixed
            .map(|(p, prior)| (1.0 - PRIOR) * f64::from(*p) + PRIOR * prior)
            .collect()
    }

    fn fit(&mut self, features: &[[f32; FEATURES]], rows: &[(Sketch, usize)]) {
        let zero = vec![[0.0_f32; MOST]; FEATURES];
        let (mut first, mut second) = (zero.clone(), zero.clone());
        let batch = rows.len().min(BATCH);
        let share = 1.0 / batch.max(1) as f32;
        let mut turn = features.iter().zip(rows).cycle();
        for step in 1..=STEPS {
            let mut gradient = zero.clone();
            for (features, (_, category)) in turn.by_ref().take(batch) {
                let mut error = self.logits(features);
                softmax(&mut error[..self.prior.len()], 1.0);
                error[*category] -= 1.0;
                error[self.prior.len()..].fill(0.0);
                error.iter_mut().for_each(|e| *e *= share);
                for (x, row) in features.iter().zip(&mut gradient) {
                    for (g, e) in row.iter_mut().zip(&error) {
                        *g += x * e;
                    }
                }
            }
            let (c1, c2) = (1.0 - 0.9_f32.powi(step), 1.0 - 0.99_f32.powi(step));
            let weights = self.weights.iter_mut().flatten();
            let moments = first.iter_mut().flatten().zip(second.iter_mut().flatten());
            for ((w, g), (m, v)) in weights.zip(gradient.iter().flatten()).zip(moments) {
                let g = g + DECAY * *w;
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.99 * *v + 0.01 * g * g;
                *w -= RATE * (*m / c1) / ((*v / c2).sqrt() + 1e-8);
            }
        }
    }

    fn calibrate(&mut self, features: &[[f32; FEATURES]], rows: &[(Sketch, usize)]) {
        let mut best = (f64::INFINITY, 1.0);
        for temperature in TEMPERATURES {
            self.temperature = temperature;
            let loss: f64 = features
                .iter()
                .zip(rows)
                .map(|(features, (_, category))| -self.probabilities(features)[*category].ln())
                .sum();
            if loss < best.0 {
                best = (loss, temperature);
            }
        }
        self.temperature = best.1;
    }
}

fn softmax(logits: &mut [f32], temperature: f32) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for logit in logits.iter_mut() {
        *logit = ((*logit - highest) / temperature).exp();
        total += *logit;
    }
    logits.iter_mut().for_each(|p| *p /= total);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_a_boundary_and_stays_unsure_of_noise() {
        let mut random = Random::new(3);
        let rows: Vec<(Sketch, usize)> = (0..1000)
            .map(|_| {
                let mut sketch = [0.0; SKETCH];
                sketch[0] = random.normal() as f32;
                sketch[1] = random.normal() as f32;
                (sketch, usize::from(sketch[0] + sketch[1] > 0.0))
            })
            .collect();
        let learned = Surrogate::learn(&rows, 2);
        let right = rows
            .iter()
            .filter(|(s, c)| learned.predict(s)[*c] > 0.5)
            .count();
        assert!(right > 930, "{right}");
        let noise: Vec<_> = rows.iter().map(|(s, _)| (*s, random.below(2))).collect();
        let unsure = Surrogate::learn(&noise, 2);
        let strong = rows
            .iter()
            .filter(|(s, _)| unsure.predict(s)[0] > 0.8)
            .count();
        assert!(strong < 100, "{strong}");
    }
}
