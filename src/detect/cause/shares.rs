//! Shares and spreads over the rows of an incident.

use super::seat::Seat;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Changes that say something about a direction.
const CHANGES: usize = 5;
/// Changes that show that all replies move to one point.
const CONVERGING: usize = 8;

/// Share of the commonest value, 0 to 1; 0 without rows.
pub(super) fn top<K: Eq + Hash>(seats: &[&Seat], of: impl Fn(&Seat) -> K) -> f64 {
    let mut counts: HashMap<K, u32> = HashMap::new();
    for seat in seats {
        *counts.entry(of(seat)).or_insert(0) += 1;
    }
    f64::from(counts.into_values().max().unwrap_or(0)) / seats.len().max(1) as f64
}

/// Distinct outputs over rows, 0 to 1; 0 without rows.
pub(super) fn varied(seats: &[&Seat]) -> f64 {
    let distinct: HashSet<u64> = seats.iter().map(|seat| seat.exact).collect();
    distinct.len() as f64 / seats.len().max(1) as f64
}

/// Share of the rows for which `of` holds, 0 to 1; 0 without rows.
pub(super) fn share(seats: &[&Seat], of: impl Fn(&Seat) -> bool) -> f64 {
    seats.iter().filter(|seat| of(seat)).count() as f64 / seats.len().max(1) as f64
}

/// Range of the middle 70 % of the outputs, in units of that of a normal one with `deviation`;
/// `None` where the outputs are no floats.
pub(super) fn spread(seats: &[&Seat], deviation: f64) -> Option<f64> {
    if deviation <= 0.0 || seats.is_empty() {
        return None;
    }
    let mut along: Vec<f32> = seats.iter().map(|seat| seat.along).collect();
    along.sort_by(f32::total_cmp);
    let at = |share: f64| f64::from(along[((along.len() - 1) as f64 * share).round() as usize]);
    Some((at(0.85) - at(0.15)) / (2.07 * deviation))
}

/// Correlation between the first reply to an input and the change of it, -1 to 1: near -1, all
/// replies move towards one point; `None` with too few changes.
pub(super) fn pull(changed: &[&Seat]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = changed
        .iter()
        .filter_map(|seat| seat.changed)
        .map(|(first, now)| (f64::from(first), f64::from(now) - f64::from(first)))
        .collect();
    let n = pairs.len() as f64;
    if pairs.len() < CHANGES {
        return None;
    }
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        xy += (a - x) * (b - y);
        xx += (a - x).powi(2);
        yy += (b - y).powi(2);
    }
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

/// The category that outgrew its prediction, if one alone did: more than 60 % of all growth, and
/// four standard deviations of it.
pub(super) fn outgrown(seats: &[&Seat]) -> Option<usize> {
    let categories = seats.iter().map(|seat| seat.predicted.len()).max()?;
    let mut excess = vec![(0.0, 0.0); categories];
    for seat in seats {
        for (c, (p, (sum, variance))) in seat.predicted.iter().zip(&mut excess).enumerate() {
            let p = f64::from(*p);
            *sum += f64::from(u8::from(seat.category == Some(c))) - p;
            *variance += p * (1.0 - p);
        }
    }
    let growth: f64 = excess.iter().map(|(sum, _)| sum.max(0.0)).sum();
    let best = excess.iter().enumerate();
    let (category, (sum, variance)) = best.max_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
    (*sum > 0.6 * growth && *sum > 4.0 * variance.sqrt()).then_some(category)
}

/// Whether all replies move towards one point: the changes of replies below it go up, and of
/// those above it go down, with one exception in twenty. `false` with fewer than eight changes.
pub(super) fn converges(changed: &[&Seat]) -> bool {
    let mut changes: Vec<(f32, f32)> = changed.iter().filter_map(|seat| seat.changed).collect();
    if changes.len() < CONVERGING {
        return false;
    }
    changes.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Exceptions with the point below all replies, then moved up past one reply after the other.
    let mut exceptions = changes.iter().filter(|(first, now)| now > first).count();
    let mut fewest = exceptions;
    for (first, now) in &changes {
        if now > first {
            exceptions -= 1;
        } else {
            exceptions += 1;
        }
        fewest = fewest.min(exceptions);
    }
    fewest * 20 <= changes.len()
}

/// Whether seven of ten changes of replies are to one output or away from it, and three of ten to
/// it: a part of the traffic gets that output, and which part changes.
pub(super) fn to_or_from_one(changed: &[&Seat]) -> bool {
    let mut counts: HashMap<u64, (u32, f32)> = HashMap::new();
    for seat in changed {
        counts.entry(seat.exact).or_insert((0, seat.along)).0 += 1;
    }
    let most = counts
        .into_iter()
        .max_by_key(|(exact, (n, _))| (*n, *exact));
    let Some((exact, (n, along))) = most.filter(|_| changed.len() >= CONVERGING) else {
        return false;
    };
    let away = |seat: &Seat| seat.changed.is_some_and(|(first, _)| first == along);
    f64::from(n) >= 0.3 * changed.len() as f64
        && share(changed, |seat| seat.exact == exact || away(seat)) >= 0.7
}

/// Outputs of calls of several rows that are all equal, and in how many calls each stands.
fn of_equal_rows(scored: &[&Seat]) -> HashMap<u64, u32> {
    let mut outputs = HashMap::new();
    for call in scored.chunk_by(|a, b| a.call == b.call) {
        if call.len() > 1 && call.iter().all(|seat| seat.exact == call[0].exact) {
            *outputs.entry(call[0].exact).or_insert(0) += 1;
        }
    }
    outputs
}

/// Whether one call alone, at the most, holds equal rows.
pub(super) fn is_one_call(scored: &[&Seat]) -> bool {
    of_equal_rows(scored).into_values().sum::<u32>() < 2
}

/// Neighbours within a call are equal, neighbours across calls are not, and the calls whose rows
/// are equal do not share one output.
pub(super) fn rows_equal(scored: &[&Seat]) -> bool {
    let outputs = of_equal_rows(scored);
    let calls: u32 = outputs.values().sum();
    let most = outputs.into_values().max().unwrap_or(0);
    if most >= 2 && most * 2 > calls {
        return false;
    }
    // A reply of a replica that went flat is alone among others.
    let mut newest = scored.chunk_by(|a, b| a.call == b.call).rev();
    let newest = newest.find(|call| call.len() > 1);
    if newest.is_some_and(|call| call.iter().any(|seat| seat.exact != call[0].exact)) {
        return false;
    }
    let (mut within, mut across) = ((0, 0), (0, 0));
    for pair in scored.windows(2) {
        let count = if pair[0].call == pair[1].call {
            &mut within
        } else {
            &mut across
        };
        count.0 += u32::from(pair[0].exact == pair[1].exact);
        count.1 += 1;
    }
    let rate = |(equal, all): (u32, u32)| f64::from(equal) / f64::from(all.max(1));
    within.1 >= 6 && across.1 >= 1 && rate(within) > 0.9 && rate(across) < 0.6
}
