//! How far an incident reaches: share of the traffic, segment, batch position, latency.

use super::Scene;
use super::seat::Seat;
use crate::detect::verdict::Extent;
use crate::report::Kind;
use std::collections::{HashMap, HashSet};

/// Rows on either side without which no segment is named.
const FEWEST: usize = 12;
/// A segment holds this share of the affected rows, and this share of its rows is affected.
const HOLDS: f64 = 0.8;

/// The extent of what was found in `scored` rows.
pub(super) fn of(seats: &[&Seat], scored: &[&Seat], kind: Kind, scene: &Scene<'_>) -> Extent {
    if kind == Kind::NonFinite {
        let bad = seats.iter().filter(|seat| !seat.finite).count();
        return Extent {
            share: Some(bad as f64 / seats.len().max(1) as f64),
            batch_position: position(seats, |seat| !seat.finite),
            ..Extent::default()
        };
    }
    // The onset is estimated early rather than late.
    let newer = &scored[scored.len() / 2..];
    let affected = affected(newer, kind);
    if newer.is_empty() || affected.is_empty() {
        return Extent::default();
    }
    let is_affected = |seat: &Seat| affected.contains(&seat.row);
    let (hit, spared): (Vec<&Seat>, Vec<&Seat>) =
        newer.iter().copied().partition(|seat| is_affected(seat));
    Extent {
        share: Some(hit.len() as f64 / newer.len() as f64),
        segment: segment(&hit, &spared, scene),
        batch_position: position(newer, is_affected),
        latency_ms: median(&hit).zip(median(&spared)),
    }
}

/// The rows that the kind is about.
fn affected(rows: &[&Seat], kind: Kind) -> HashSet<u64> {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    for seat in rows {
        *counts.entry(seat.exact).or_insert(0) += 1;
    }
    let top = counts.into_iter().max_by_key(|(exact, n)| (*n, *exact));
    let is = |seat: &&&Seat| match kind {
        Kind::Constant | Kind::Partial => top.is_some_and(|(exact, _)| seat.exact == exact),
        Kind::NearConstant => !seat.usual && (seat.in_segment || seat.decoupled == Some(true)),
        Kind::RowsEqual => seat.in_call,
        Kind::CacheLike => seat.repeats || seat.fast,
        Kind::Lagged => seat.lag.is_some_and(|lag| lag > 1.0),
        _ => seat.decoupled == Some(true),
    };
    rows.iter().filter(is).map(|seat| seat.row).collect()
}

fn segment(hit: &[&Seat], spared: &[&Seat], scene: &Scene<'_>) -> Option<String> {
    if hit.len() < FEWEST || spared.len() < FEWEST {
        return None;
    }
    let inputs: HashMap<u64, &[f32]> = scene
        .inputs
        .iter()
        .map(|(row, sketch)| (*row, &sketch[..]))
        .collect();
    let mut best: Option<(f64, String)> = None;
    let mut column = 0;
    for (name, width) in scene.columns {
        for element in 0..*width {
            let of = |seats: &[&Seat]| -> Option<Vec<f32>> {
                let rows = seats.iter().filter_map(|seat| inputs.get(&seat.row));
                rows.map(|row| scene.scales.original(row[column], column))
                    .collect()
            };
            let label = match width {
                1 => format!("input `{name}`"),
                _ => format!("input `{name}[{element}]`"),
            };
            if let Some((hit, spared)) = of(hit).zip(of(spared))
                && let Some((score, words)) = explain(&label, &hit, &spared)
                && best.as_ref().is_none_or(|(most, _)| score > *most)
            {
                best = Some((score, words));
            }
            column += 1;
        }
    }
    best.map(|(_, words)| words)
}

/// One value, or one range, of a column that holds the affected rows and few others.
fn explain(label: &str, hit: &[f32], spared: &[f32]) -> Option<(f64, String)> {
    if hit.is_empty() || spared.is_empty() {
        return None;
    }
    let mut sorted = hit.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    let (low, high) = (at(0.05), at(0.95));
    let within = |values: &[f32]| values.iter().filter(|v| (low..=high).contains(*v)).count();
    let (inside, others) = (within(hit) as f64, within(spared) as f64);
    let precision = inside / (inside + others);
    let holds = inside / hit.len() as f64;
    if precision < HOLDS || holds < HOLDS {
        return None;
    }
    let range = if number(low) == number(high) {
        format!("= {}", number(low))
    } else {
        format!("from {} to {}", number(low), number(high))
    };
    let outside = (hit.len() + spared.len()) as f64 - inside - others;
    let words = format!(
        "{label} {range}: {:.0} % of the rows there are affected, {:.0} % elsewhere",
        100.0 * precision,
        100.0 * (hit.len() as f64 - inside) / outside.max(1.0)
    );
    Some((precision * holds, words))
}

/// To four decimals, which is finer than the inputs survive being standardised.
fn number(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

/// In words, if it is always or never the first row of a reply.
fn position(seats: &[&Seat], is: impl Fn(&Seat) -> bool) -> Option<String> {
    let (mut first, mut later) = ((0, 0), (0, 0));
    let mut call = None;
    for seat in seats {
        let count = if call == Some(seat.call) {
            &mut later
        } else {
            &mut first
        };
        call = Some(seat.call);
        count.0 += u32::from(is(seat));
        count.1 += 1;
    }
    let share = |(n, all): (u32, u32)| f64::from(n) / f64::from(all.max(1));
    if first.1 < 4 || later.1 < 8 {
        return None;
    }
    match (share(first), share(later)) {
        (a, b) if a < 0.2 && b > 0.8 => Some("every row of a reply but the first".to_owned()),
        (a, b) if a > 0.8 && b < 0.2 => Some("the first row of a reply only".to_owned()),
        _ => None,
    }
}

fn median(seats: &[&Seat]) -> Option<f64> {
    let mut latencies: Vec<f32> = seats.iter().map(|seat| seat.latency_ms).collect();
    latencies.sort_by(f32::total_cmp);
    latencies.get(latencies.len() / 2).copied().map(f64::from)
}
