//! What the first rows teach: how inputs and outputs are spread, and which outputs are usual.

use super::rows::{SKETCH, ValueKind};
use super::warmup::Warmup;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Rows farther from each other than all but this share of random pairs are not near.
const NEAR_QUANTILE: f64 = 0.01;
/// Random pairs looked at.
const PAIRS: usize = 4000;
/// Cells of a quantised output in one standard deviation.
const CELLS: f64 = 16.0;
/// Columns of an output that are quantised.
const QUANTISED: usize = 10;

/// Columns that are worked on at once; divides [`SKETCH`].
const LANES: usize = 16;

/// A column that never varied in the warm-up and does now is any number of its deviations away:
/// uncut, it would leave nothing of the others in single precision.
const FARTHEST: f32 = 100.0;

/// A standardised input sketch.
pub(super) type Sketch = [f32; SKETCH];

/// Learned scales of one series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Scales {
    mean: Vec<f32>,
    deviation: Vec<f32>,
    /// Inputs nearer than this are no evidence; 0 where even that is no measure.
    near: f32,
    /// Whether the column that differs most is left out of distances.
    trims: bool,
    steps: Vec<f64>,
    /// Standard deviation of [`along`] over the outputs; 0 if they are no floats.
    pub(super) deviation_along: f64,
    /// Exact outputs, and quantised ones, that came at least twice: usual, and no evidence.
    pub(super) usual: HashSet<u64>,
    pub(super) usual_quantised: HashSet<u64>,
    /// The output that came most often.
    pub(super) commonest: u64,
}

impl Scales {
    pub(super) fn learn(warmup: &Warmup, kind: ValueKind) -> Self {
        let n = warmup.len();
        let (mut mean, mut deviation) = (vec![0.0_f32; SKETCH], vec![0.0_f32; SKETCH]);
        for (column, (mean, deviation)) in mean.iter_mut().zip(&mut deviation).enumerate() {
            let values = (0..n).map(|i| f64::from(warmup.sketch(i)[column]));
            let m = values.clone().sum::<f64>() / n as f64;
            let v = values.map(|x| (x - m).powi(2)).sum::<f64>() / n as f64;
            (*mean, *deviation) = (m as f32, v.sqrt() as f32 + 1e-6);
        }
        let mut scales = Scales {
            mean,
            deviation,
            near: 0.0,
            trims: true,
            steps: steps(warmup, kind),
            deviation_along: deviation_along(warmup, kind),
            usual: HashSet::new(),
            usual_quantised: HashSet::new(),
            commonest: commonest(warmup),
        };
        scales.near = scales.near_radius(warmup);
        if scales.near == 0.0 {
            // One column that varies, or few values: without the largest nothing is left.
            scales.trims = false;
            scales.near = scales.near_radius(warmup);
        }
        scales.usual = twice((0..n).map(|i| warmup.exact(i)));
        scales.usual_quantised = twice((0..n).map(|i| scales.quantised(warmup.values(i))));
        scales
    }

    /// The sketch in units of its columns' standard deviations, cut at [`FARTHEST`].
    pub(super) fn standard(&self, sketch: &[f32]) -> Sketch {
        let mut standard = [0.0; SKETCH];
        for (i, slot) in standard.iter_mut().enumerate() {
            *slot = ((sketch[i] - self.mean[i]) / self.deviation[i]).clamp(-FARTHEST, FARTHEST);
        }
        standard
    }

    /// A standardised number as it was in the sketch; `None` for one that was cut.
    pub(super) fn original(&self, standard: f32, column: usize) -> Option<f32> {
        (standard.abs() < FARTHEST).then(|| standard * self.deviation[column] + self.mean[column])
    }

    /// Whether all parts have the sizes that are looked up.
    pub(super) fn fits(&self) -> bool {
        self.mean.len() == SKETCH && self.deviation.len() == SKETCH
    }

    /// Whether two standardised inputs differ by no more than an id column and noise.
    pub(super) fn near(&self, a: &Sketch, b: &Sketch) -> bool {
        self.near > 0.0 && self.distance(a, b) <= self.near
    }

    /// A number for the cell that the output falls into.
    pub(super) fn quantised(&self, values: &[f64]) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for (value, step) in values.iter().zip(&self.steps) {
            let cell = (value / step + 0.5).floor();
            let cell = if cell.is_finite() {
                cell as i64
            } else {
                i64::MAX
            };
            hash = (hash ^ cell as u64).wrapping_mul(0x100_0000_01b3);
            hash ^= hash >> 29;
        }
        hash
    }

    fn distance(&self, a: &Sketch, b: &Sketch) -> f32 {
        let (sum, most) = squares(a, b);
        let sum = if self.trims { sum - most } else { sum };
        sum.max(0.0).sqrt()
    }

    fn near_radius(&self, warmup: &Warmup) -> f32 {
        let n = warmup.len();
        let mut random = Random::new(7);
        let mut distances: Vec<f32> = (0..PAIRS)
            .map(|_| (random.below(n), random.below(n)))
            .filter(|(i, j)| i != j)
            .map(|(i, j)| {
                self.distance(
                    &self.standard(warmup.sketch(i)),
                    &self.standard(warmup.sketch(j)),
                )
            })
            .collect();
        distances.sort_by(f32::total_cmp);
        let at = (distances.len() as f64 * NEAR_QUANTILE) as usize;
        distances.get(at).copied().unwrap_or(0.0)
    }
}

/// Squared distance, and the part of the column that differs most: an id column makes collapsed
/// inputs look distinct.
fn squares(a: &Sketch, b: &Sketch) -> (f32, f32) {
    // Lanes of their own, so that the compiler takes them at once.
    let (mut sums, mut most) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            let square = (a[lane] - b[lane]) * (a[lane] - b[lane]);
            sums[lane] += square;
            most[lane] = if square > most[lane] {
                square
            } else {
                most[lane]
            };
        }
    }
    (sums.iter().sum(), most.into_iter().fold(0.0, f32::max))
}

/// Width of a cell in each column: a sixteenth of the winsorised standard deviation; 1 for
/// integers.
fn steps(warmup: &Warmup, kind: ValueKind) -> Vec<f64> {
    let width = warmup.width().min(QUANTISED);
    if kind != ValueKind::Float {
        return vec![1.0; width];
    }
    (0..width)
        .map(|column| {
            let mut values: Vec<f64> = (0..warmup.len())
                .map(|i| warmup.values(i)[column])
                .collect();
            let all = deviation(&values);
            values.sort_by(f64::total_cmp);
            let cut = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
            let (low, high) = (cut(0.01), cut(0.99));
            let inner = deviation(
                &values
                    .iter()
                    .map(|v| v.clamp(low, high))
                    .collect::<Vec<_>>(),
            );
            (if inner > 0.0 { inner } else { all }) / CELLS + 1e-12
        })
        .collect()
}

fn deviation_along(warmup: &Warmup, kind: ValueKind) -> f64 {
    if kind != ValueKind::Float {
        return 0.0;
    }
    let along: Vec<f64> = (0..warmup.len()).map(|i| along(warmup.values(i))).collect();
    deviation(&along)
}

/// An output as one number: its columns along a fixed direction.
pub(super) fn along(values: &[f64]) -> f64 {
    let directions = (0_u32..).map(|column| 1.0 + 0.5 * f64::from(column * 7 % 11));
    let signs = (0_u32..).map(|column| if column * 5 % 3 == 1 { -1.0 } else { 1.0 });
    let weighted = values.iter().zip(directions).zip(signs);
    weighted
        .map(|((value, weight), sign)| value * weight * sign)
        .sum()
}

pub(super) fn deviation(values: &[f64]) -> f64 {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()
}

fn commonest(warmup: &Warmup) -> u64 {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    for i in 0..warmup.len() {
        *counts.entry(warmup.exact(i)).or_insert(0) += 1;
    }
    let most = counts.into_iter().max_by_key(|(print, n)| (*n, *print));
    most.map_or(0, |(print, _)| print)
}

fn twice(prints: impl Iterator<Item = u64>) -> HashSet<u64> {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    for print in prints {
        *counts.entry(print).or_insert(0) += 1;
    }
    counts
        .into_iter()
        .filter(|(_, n)| *n >= 2)
        .map(|(print, _)| print)
        .collect()
}

/// A small generator with a fixed seed: the same rows teach the same scales. Source: PCG's
/// multiplier, O'Neill (2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(2).wrapping_add(1))
    }

    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let x = self.0 ^ (self.0 >> 33);
        x.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 11
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Uniform in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        self.next() as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, by the sum of twelve uniforms.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}
