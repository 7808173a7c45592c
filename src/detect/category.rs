//! Every output as one of at most sixteen categories: the value, the winning class, a bin, or
//! the signs of three random directions.

use super::rows::ValueKind;
use super::scales::Random;
use super::warmup::Warmup;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Values or classes with a category of their own; the rest is "other".
const OWN: usize = 15;
/// A scalar with at most this many values is taken by value.
const FEW: usize = 32;
/// A value with at least this share of the rows has a category of its own among bins.
const MASS: f64 = 0.03;
/// Categories by mass at the most.
const MASSES: usize = 7;
/// Bins beside the masses.
const BINS: usize = 8;
/// Directions whose signs make a category: 2^3 of them.
const DIRECTIONS: usize = 3;

/// How an output becomes a category.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Categories {
    /// By its value: all its numbers, as bits.
    Value(HashMap<u64, usize>),
    /// By the winning class.
    Argmax(HashMap<u32, usize>),
    /// By a value of its own, else by its quantile.
    Bins {
        masses: HashMap<u64, usize>,
        edges: Vec<f64>,
    },
    /// By the side of three hyperplanes.
    Signs {
        directions: Vec<Vec<f64>>,
        medians: Vec<f64>,
    },
}

impl Categories {
    /// `scores` tells that the outputs are class scores.
    pub(super) fn learn(warmup: &Warmup, kind: ValueKind, scores: bool) -> Self {
        let n = warmup.len();
        if scores {
            return Categories::Argmax(commonest((0..n).map(|i| warmup.argmax(i)), OWN));
        }
        if warmup.width() > 1 && kind == ValueKind::Float {
            return signs(warmup);
        }
        let first: Vec<f64> = (0..n)
            .map(|i| warmup.values(i).first().copied().unwrap_or(0.0))
            .collect();
        let values = commonest((0..n).map(|i| bits(warmup.values(i))), usize::MAX);
        if kind != ValueKind::Float || values.len() <= FEW {
            return Categories::Value(values.into_iter().filter(|(_, rank)| *rank < OWN).collect());
        }
        bins(first, &values)
    }

    /// Number of categories.
    pub(super) fn count(&self) -> usize {
        match self {
            Categories::Value(map) => map.len() + 1,
            Categories::Argmax(map) => map.len() + 1,
            Categories::Bins { masses, edges } => masses.len() + edges.len() + 1,
            Categories::Signs { .. } => 1 << DIRECTIONS,
        }
    }

    /// Whether no output can get a category beyond [`Self::count`].
    pub(super) fn fits(&self) -> bool {
        match self {
            Categories::Value(map) => map.len() <= OWN && map.values().all(|c| *c < map.len()),
            Categories::Argmax(map) => map.len() <= OWN && map.values().all(|c| *c < map.len()),
            Categories::Bins { masses, edges } => {
                masses.len() <= MASSES
                    && edges.len() < BINS
                    && masses.values().all(|c| *c < masses.len())
            }
            Categories::Signs {
                directions,
                medians,
            } => directions.len() == DIRECTIONS && medians.len() == DIRECTIONS,
        }
    }

    /// Whether categories are winning classes.
    pub(super) fn is_argmax(&self) -> bool {
        matches!(self, Categories::Argmax(_))
    }

    /// The category of an output.
    pub(super) fn of(&self, values: &[f64], argmax: u32) -> usize {
        let first = values.first().copied().unwrap_or(0.0);
        match self {
            Categories::Value(map) => map.get(&bits(values)).copied().unwrap_or(map.len()),
            Categories::Argmax(map) => map.get(&argmax).copied().unwrap_or(map.len()),
            Categories::Bins { masses, edges } => match masses.get(&first.to_bits()) {
                Some(mass) => *mass,
                None => masses.len() + edges.partition_point(|edge| *edge <= first),
            },
            Categories::Signs {
                directions,
                medians,
            } => directions
                .iter()
                .zip(medians)
                .enumerate()
                .map(|(bit, (direction, median))| {
                    usize::from(dot(direction, values) > *median) << bit
                })
                .sum(),
        }
    }
}

/// The bits of one number; of several, a mix of all.
fn bits(values: &[f64]) -> u64 {
    let mix = |bits: u64, value: &f64| {
        bits.rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ value.to_bits()
    };
    values.iter().fold(0, mix)
}

fn signs(warmup: &Warmup) -> Categories {
    let mut random = Random::new(11);
    let directions: Vec<Vec<f64>> = (0..DIRECTIONS)
        .map(|_| (0..warmup.width()).map(|_| random.normal()).collect())
        .collect();
    let medians = directions
        .iter()
        .map(|direction| {
            let mut along: Vec<f64> = (0..warmup.len())
                .map(|i| dot(direction, warmup.values(i)))
                .collect();
            along.sort_by(f64::total_cmp);
            along[along.len() / 2]
        })
        .collect();
    Categories::Signs {
        directions,
        medians,
    }
}

fn bins(mut first: Vec<f64>, ranks: &HashMap<u64, usize>) -> Categories {
    let least = MASS * first.len() as f64;
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for value in &first {
        *counts.entry(value.to_bits()).or_insert(0) += 1;
    }
    let masses: HashMap<u64, usize> = ranks
        .iter()
        .filter(|(value, rank)| **rank < MASSES && counts[value] as f64 >= least)
        .map(|(value, rank)| (*value, *rank))
        .collect();
    first.retain(|value| !masses.contains_key(&value.to_bits()));
    first.sort_by(f64::total_cmp);
    let mut edges: Vec<f64> = Vec::new();
    if first.len() > 60 {
        edges.extend((1..BINS).map(|bin| first[first.len() * bin / BINS]));
        edges.dedup();
    }
    Categories::Bins { masses, edges }
}

/// The `most` commonest keys, ranked; the key itself breaks ties.
fn commonest<K: Copy + Eq + std::hash::Hash + Ord>(
    keys: impl Iterator<Item = K>,
    most: usize,
) -> HashMap<K, usize> {
    let mut counts: HashMap<K, u32> = HashMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    let mut ranked: Vec<(K, u32)> = counts.into_iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked
        .into_iter()
        .take(most)
        .enumerate()
        .map(|(rank, (key, _))| (key, rank))
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
