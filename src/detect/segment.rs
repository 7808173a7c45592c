//! Segments: a category that outgrows its prediction in one region of the inputs only.
//!
//! Regions are 32 quantile bins along each of the two main axes of the inputs (principal
//! components of the standardised sketch, by power iteration), and the values of columns that
//! have few. The suspect is the pair of region and category with the largest running excess,
//! chosen before the row is looked at; rows outside the region are not looked at.
//! `X = 1[category = m] / G_3(max(p(m | x), r_m, floor))`, where `r_m` bounds the category's rate
//! in that region in the warm-up: `k/n + 2 sqrt(p(1-p)/n) + 2/n`. Mean at most 1 in health.

use super::ecusum::{Rate, grow};
use super::mode::{self, ODDS};
use super::rows::SKETCH;
use super::scales::{Random, Sketch};
use serde::{Deserialize, Serialize};

pub(super) const AXES: usize = 2;
pub(super) const BINS: usize = 32;
/// Rounds of power iteration, and rows that the axes are learned from.
const ROUNDS: usize = 8;
const LEARNED: usize = 1024;
/// Values of a column that make regions of their own, and such columns at the most.
const FEW: usize = 8;
const COLUMNS: usize = 8;
/// Rows of a region over which its excess is added up.
const MEMORY: f32 = 24.0;
/// Excess below this is no suspicion.
const LEAST: f32 = 3.0;
const FLOOR: f64 = 0.05;

/// The regions, and how often each category comes in them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Regions {
    axes: Vec<(Vec<f32>, Vec<f32>)>,
    columns: Vec<(usize, Vec<f32>)>,
    /// Bound of the rate of each category in each region.
    bounds: Vec<Vec<f64>>,
}

impl Regions {
    /// Learns from the warm-up's rows and their categories.
    pub(super) fn learn(rows: &[(Sketch, usize)], categories: usize) -> Self {
        let mut regions = Regions {
            axes: Vec::new(),
            columns: few_valued(rows),
            bounds: Vec::new(),
        };
        for _ in 0..AXES {
            let axis = main_axis(rows, &regions.axes);
            let mut along: Vec<f32> = rows.iter().map(|(row, _)| dot(&axis, row)).collect();
            along.sort_by(f32::total_cmp);
            let edges = (1..BINS).map(|bin| along[along.len() * bin / BINS]);
            let edges = edges.collect();
            regions.axes.push((axis, edges));
        }
        let mut counts = vec![vec![Rate::default(); categories]; regions.count()];
        for (row, category) in rows {
            for region in regions.of(row) {
                for (c, count) in counts[region].iter_mut().enumerate() {
                    count.add(c == *category);
                }
            }
        }
        regions.bounds = counts
            .into_iter()
            .map(|rates| rates.iter().map(|rate| rate.bound(1.0, FLOOR)).collect())
            .collect();
        regions
    }

    /// Whether all parts have the sizes that are looked up.
    pub(super) fn fits(&self, categories: usize) -> bool {
        let axes = self.axes.iter();
        self.axes.len() == AXES
            && axes
                .clone()
                .all(|(axis, edges)| axis.len() == SKETCH && edges.len() < BINS)
            && self.columns.len() <= COLUMNS
            && self
                .columns
                .iter()
                .all(|(at, values)| *at < SKETCH && values.len() <= FEW)
            && self.bounds.len() == self.count()
            && self.bounds.iter().all(|bounds| bounds.len() == categories)
    }

    fn count(&self) -> usize {
        AXES * BINS + self.columns.len() * FEW
    }

    /// The regions that an input lies in.
    pub(super) fn of(&self, row: &Sketch) -> impl Iterator<Item = usize> {
        let axes = self.axes.iter().enumerate().map(|(i, (axis, edges))| {
            let along = dot(axis, row);
            i * BINS + edges.partition_point(|edge| *edge <= along)
        });
        let columns = self
            .columns
            .iter()
            .enumerate()
            .filter_map(|(i, (column, values))| {
                let at = values.iter().position(|value| value == &row[*column])?;
                Some(AXES * BINS + i * FEW + at)
            });
        axes.chain(columns)
    }
}

/// The running excess of each category in each region.
#[derive(Debug)]
pub(super) struct Segment {
    excess: Vec<f32>,
    /// The category with the largest excess in each region, and that excess.
    most: Vec<(usize, f32)>,
    categories: usize,
    suspect: (usize, usize),
}

impl Segment {
    pub(super) fn new(regions: &Regions, categories: usize) -> Self {
        Segment {
            excess: vec![0.0; regions.count() * categories],
            most: vec![(0, 0.0); regions.count()],
            categories,
            suspect: (0, 0),
        }
    }

    /// `X` of a row, `None` for one outside the suspected region; then the row is learned.
    pub(super) fn add(
        &mut self,
        regions: &Regions,
        row: &Sketch,
        category: usize,
        predicted: &[f64],
        floors: &[f64],
    ) -> Option<f64> {
        let (region, m) = self.suspect;
        let mut x = None;
        for at in regions.of(row) {
            if at == region && self.most[region].1 >= LEAST {
                let p = predicted[m].max(regions.bounds[region][m]).max(floors[m]);
                x = Some(f64::from(u8::from(category == m)) / grow(p, ODDS));
            }
            let excess = &mut self.excess[at * self.categories..][..self.categories];
            for (c, (excess, p)) in excess.iter_mut().zip(predicted).enumerate() {
                let difference = f32::from(u8::from(c == category)) - *p as f32;
                *excess = *excess * (1.0 - 1.0 / MEMORY) + difference;
            }
            // The sudden growth of a rare category may be a new kind of input.
            let usual = excess.iter().zip(floors).enumerate();
            let usual = usual.filter(|(_, (_, floor))| **floor <= mode::FLOOR);
            let largest = usual.map(|(c, (excess, _))| (c, excess));
            let largest = largest.max_by(|a, b| a.1.total_cmp(b.1));
            self.most[at] = largest.map_or((0, 0.0), |(c, excess)| (c, *excess));
        }
        let regions = self.most.iter().enumerate();
        if let Some((region, (m, _))) = regions.max_by(|a, b| a.1.1.total_cmp(&b.1.1)) {
            self.suspect = (region, *m);
        }
        x
    }
}

/// Columns with few values, in the warm-up's first rows, and those values.
fn few_valued(rows: &[(Sketch, usize)]) -> Vec<(usize, Vec<f32>)> {
    let mut found = Vec::new();
    for column in 0..SKETCH {
        let mut values: Vec<f32> = Vec::new();
        for (row, _) in rows {
            if !values.contains(&row[column]) {
                values.push(row[column]);
            }
            if values.len() > FEW {
                break;
            }
        }
        if (2..=FEW).contains(&values.len()) && found.len() < COLUMNS {
            found.push((column, values));
        }
    }
    found
}

/// The direction along which the rows spread most, at right angles to those found before.
fn main_axis(rows: &[(Sketch, usize)], found: &[(Vec<f32>, Vec<f32>)]) -> Vec<f32> {
    let mut random = Random::new(29);
    let mut axis: Vec<f32> = (0..SKETCH).map(|_| random.normal() as f32).collect();
    for _ in 0..ROUNDS {
        let mut next = vec![0.0_f32; SKETCH];
        for (row, _) in rows.iter().take(LEARNED) {
            let along = dot(&axis, row);
            for (next, x) in next.iter_mut().zip(row) {
                *next += along * x;
            }
        }
        for (other, _) in found {
            let along = other.iter().zip(&next).map(|(a, b)| a * b).sum::<f32>();
            for (next, x) in next.iter_mut().zip(other) {
                *next -= along * x;
            }
        }
        let length = next.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
        axis = next.into_iter().map(|x| x / length).collect();
    }
    axis
}

fn dot(axis: &[f32], row: &Sketch) -> f32 {
    let mut sums = [0.0_f32; 16];
    for (a, b) in axis.chunks_exact(16).zip(row.chunks_exact(16)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b.clamp(-6.0, 6.0);
        }
    }
    sums.iter().sum()
}
