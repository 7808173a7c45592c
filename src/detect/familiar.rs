//! Inputs of a kind that the warm-up never held: the surrogate knows nothing of them, so that
//! what the model says there is no evidence against it.
//!
//! Thirty-two centres by k-means (Lloyd 1982, seeded as Arthur and Vassilvitskii 2007) over the
//! standardised sketches; farther from all of them than 99.5 % of the rows that were held out is
//! unfamiliar.

use super::rows::SKETCH;
use super::scales::{Random, Sketch};
use serde::{Deserialize, Serialize};

const CENTRES: usize = 32;
const ROUNDS: usize = 3;
/// Rows that the centres are learned from; the others give the reach.
const LEARNED: usize = 512;
const HELD_OUT: usize = 1024;
const QUANTILE: f64 = 0.995;
/// Room beyond the quantile.
const SLACK: f32 = 1.1;

/// Where the warm-up's inputs were.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Familiar {
    centres: Vec<Vec<f32>>,
    /// Squared distance within which an input is familiar.
    reach: f32,
}

impl Familiar {
    /// Learns from at least a few rows.
    pub(super) fn learn(rows: &[Sketch]) -> Self {
        let (learned, held_out) = rows.split_at(rows.len().min(LEARNED));
        let mut familiar = Familiar {
            centres: seeds(learned),
            reach: f32::INFINITY,
        };
        for _ in 0..ROUNDS {
            familiar.move_centres(learned);
        }
        let mut distances: Vec<f32> = held_out
            .iter()
            .take(HELD_OUT)
            .map(|row| familiar.nearest(row).1)
            .collect();
        distances.sort_by(f32::total_cmp);
        let at = (distances.len() as f64 * QUANTILE) as usize;
        if let Some(reach) = distances.get(at) {
            familiar.reach = reach * SLACK * SLACK;
        }
        familiar
    }

    /// Whether all parts have the sizes that are looked up.
    pub(super) fn fits(&self) -> bool {
        self.centres.iter().all(|centre| centre.len() == SKETCH)
    }

    /// Whether the surrogate can be asked about this input.
    pub(super) fn knows(&self, row: &Sketch) -> bool {
        let near = |centre: &Vec<f32>| distance(centre, row) <= self.reach;
        self.centres.iter().any(near)
    }

    fn nearest(&self, row: &Sketch) -> (usize, f32) {
        let mut best = (0, f32::INFINITY);
        for (i, centre) in self.centres.iter().enumerate() {
            let distance = distance(centre, row);
            if distance < best.1 {
                best = (i, distance);
            }
        }
        best
    }

    fn move_centres(&mut self, rows: &[Sketch]) {
        let mut sums = vec![(vec![0.0_f32; SKETCH], 0.0_f32); self.centres.len()];
        for row in rows {
            let (sum, count) = &mut sums[self.nearest(row).0];
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            *count += 1.0;
        }
        for (centre, (sum, count)) in self.centres.iter_mut().zip(sums) {
            if count > 0.0 {
                *centre = sum.into_iter().map(|x| x / count).collect();
            }
        }
    }
}

/// Rows far from each other.
fn seeds(rows: &[Sketch]) -> Vec<Vec<f32>> {
    let mut random = Random::new(23);
    let mut centres: Vec<Vec<f32>> = Vec::new();
    let mut nearest = vec![f32::INFINITY; rows.len()];
    let mut next = random.below(rows.len());
    while centres.len() < CENTRES.min(rows.len()) {
        centres.push(rows[next].to_vec());
        let added = &centres[centres.len() - 1];
        for (nearest, row) in nearest.iter_mut().zip(rows) {
            *nearest = nearest.min(distance(added, row));
        }
        let total: f32 = nearest.iter().sum();
        let mut at = random.unit() as f32 * total;
        next = nearest
            .iter()
            .position(|d| {
                at -= d;
                at <= 0.0
            })
            .unwrap_or(0);
    }
    centres
}

/// Squared distance.
fn distance(centre: &[f32], row: &Sketch) -> f32 {
    let mut sums = [0.0_f32; 16];
    for (a, b) in centre.chunks_exact(16).zip(row.chunks_exact(16)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum()
}
