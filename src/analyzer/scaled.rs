//! Columns whose numbers are of another size, or of another sign, in one part of the calls: a share
//! that is sent in per cent, an amount in cents. The range of the whole input need not show it.

use super::history::CallFact;
use crate::fingerprint::call::{Column, NEGATIVE};

/// Fewer calls of either part tell nothing of a column.
const ENOUGH: usize = 8;
/// Fewer calls do not tell a sign that is chance.
const ENOUGH_SIGNS: usize = 16;
/// Medians apart by so many powers of two.
const APART: u8 = 2;
/// Standard deviations by which the ranks of both parts lie apart: 1 of 16,000 columns by chance.
const BEYOND: f64 = 4.0;

/// The column, in words; `None` where there is none or too few calls tell.
///
/// By the rank-sum test of Mann and Whitney (1947) over the size of each call's largest number, and
/// by the share of calls in which that number is negative: nine tenths here, one tenth there.
pub(super) fn scaled(part: &[&CallFact], rest: &[&CallFact]) -> Option<String> {
    let inputs = part.first()?.inputs.iter();
    let mut known = inputs.filter(|input| input.control.is_none());
    known.find_map(|input| {
        let width = input.columns.len();
        let (now, others) = (of(part, &input.name, width), of(rest, &input.name, width));
        if now.len().min(others.len()) < ENOUGH {
            return None;
        }
        (0..width).find_map(|column| {
            let words = moved(&at(&now, column), &at(&others, column))?;
            Some(format!("column {column} of `{}` {words}", input.name))
        })
    })
}

/// The sizes in the calls that have such an input.
fn of<'a>(calls: &[&'a CallFact], name: &str, width: usize) -> Vec<&'a [Column]> {
    let inputs = calls.iter().flat_map(|call| call.inputs.iter());
    let named = inputs.filter(|input| input.name == name && input.columns.len() == width);
    named.map(|input| &*input.columns).collect()
}

fn at(calls: &[&[Column]], column: usize) -> Vec<u8> {
    calls
        .iter()
        .filter_map(|columns| columns.get(column).map(|column| column.size))
        .collect()
}

fn moved(now: &[u8], others: &[u8]) -> Option<String> {
    let (a, b) = (median(now), median(others));
    if a.abs_diff(b) >= APART && ranks_apart(now, others) > BEYOND {
        let power = |size: u8| match size {
            0 => "0".to_owned(),
            size => format!("{:.1e}", (f64::from(size) - 64.0).exp2()),
        };
        return Some(format!(
            "holds numbers of about {}, in the other calls of about {}",
            power(a),
            power(b)
        ));
    }
    let negative = |sizes: &[u8]| {
        let negative = sizes.iter().filter(|size| **size & NEGATIVE != 0).count();
        negative as f64 / sizes.len() as f64
    };
    let (a, b) = (negative(now), negative(others));
    let enough = now.len().min(others.len()) >= ENOUGH_SIGNS;
    (enough && a.min(b) <= 0.1 && a.max(b) >= 0.9).then(|| "changed its sign".to_owned())
}

fn median(sizes: &[u8]) -> u8 {
    let mut sorted: Vec<u8> = sizes.iter().map(|size| size & !NEGATIVE).collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// How far the ranks of `a` among both lie from where chance puts them, in standard deviations.
fn ranks_apart(a: &[u8], b: &[u8]) -> f64 {
    let count = |sizes: &[u8]| {
        let mut counts = [0.0; 128];
        sizes
            .iter()
            .for_each(|size| counts[usize::from(size & !NEGATIVE)] += 1.0);
        counts
    };
    let (mut below, mut wins) = (0.0, 0.0);
    for (a, b) in count(a).iter().zip(count(b)) {
        wins += a * (below + b / 2.0);
        below += b;
    }
    let (n, m) = (a.len() as f64, b.len() as f64);
    (wins - n * m / 2.0).abs() / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes of normal numbers times `scale`.
    fn normal(rng: &mut fastrand::Rng, calls: usize, scale: f64) -> Vec<u8> {
        let mut one = || {
            let value = scale * (0..12).map(|_| rng.f64() - 0.5).sum::<f64>();
            let size = (value.abs().log2().floor() + 64.0).clamp(1.0, 127.0) as u8;
            if value < 0.0 { size | NEGATIVE } else { size }
        };
        (0..calls).map(|_| one()).collect()
    }

    #[test]
    fn another_unit_is_told_and_chance_is_not() {
        let mut rng = fastrand::Rng::with_seed(5);
        let mut by_chance = 0;
        for _ in 0..20_000 {
            let (now, others) = (normal(&mut rng, 8, 1.0), normal(&mut rng, 32, 1.0));
            by_chance += u32::from(moved(&now, &others).is_some());
        }
        assert!(by_chance <= 4, "{by_chance}");
        for (calls, scale) in [(12, 100.0), (12, 0.01), (60, 6.0)] {
            let missed = (0..200).filter(|_| {
                let (now, others) = (normal(&mut rng, calls, scale), normal(&mut rng, 32, 1.0));
                moved(&now, &others).is_none()
            });
            assert!(missed.count() < 10, "{calls} calls, times {scale}");
        }
    }

    #[test]
    fn a_sign_is_told() {
        let positive = vec![64; 20];
        let negative = vec![64 | NEGATIVE; 20];
        assert!(moved(&negative, &positive).is_some());
        assert!(moved(&positive, &negative).is_some());
        assert!(moved(&negative[..10], &positive).is_none(), "too few");
        assert!(moved(&positive, &positive).is_none());
    }
}
