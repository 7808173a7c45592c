//! What was seen, in sentences with numbers.

use super::seat::Seat;
use super::shares::{share, top};
use crate::detect::baseline::NAMES;

/// Sentences on the rows since the onset.
pub(super) fn lines(seats: &[&Seat], scored: &[&Seat], test: usize) -> Vec<String> {
    let mut lines = vec![format!(
        "the test `{}` found it in {} rows with new inputs",
        NAMES[test],
        scored.len()
    )];
    let bad = seats.iter().filter(|seat| !seat.finite).count();
    if bad > 0 {
        lines.push(format!(
            "{bad} of {} rows hold NaN or infinity",
            seats.len()
        ));
    }
    let repeats: Vec<&Seat> = scored.iter().copied().filter(|seat| seat.repeats).collect();
    if !repeats.is_empty() {
        lines.push(format!(
            "{:.1} % of them got an output that another input had got before; the commonest output has a share of {:.1} %",
            100.0 * repeats.len() as f64 / scored.len() as f64,
            100.0 * top(scored, |seat| seat.exact)
        ));
        let others: Vec<&Seat> = scored
            .iter()
            .copied()
            .filter(|seat| !seat.repeats)
            .collect();
        if let (Some(a), Some(b)) = (median(&repeats), median(&others)) {
            lines.push(format!(
                "median latency of such replies {a:.2} ms, of the others {b:.2} ms"
            ));
        }
        let in_call = share(&repeats, |seat| seat.in_call);
        if in_call > 0.5 {
            lines.push(format!(
                "{:.0} % of the repeats stand in one reply",
                100.0 * in_call
            ));
        }
    }
    let changed = seats.iter().filter(|seat| seat.changed.is_some()).count();
    if changed > 0 {
        lines.push(format!(
            "{changed} inputs that were sent again got another reply than the first time"
        ));
    }
    lines
}

fn median(seats: &[&Seat]) -> Option<f32> {
    let mut latencies: Vec<f32> = seats.iter().map(|seat| seat.latency_ms).collect();
    latencies.sort_by(f32::total_cmp);
    latencies.get(latencies.len() / 2).copied()
}
