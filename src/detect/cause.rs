//! What kind of trouble an alarm is, from the rows since its onset.

use super::baseline::{
    Baseline, DECOUPLING, DETERMINISM, DETERMINISM_CATEGORY, FAST_DECOUPLING, LAG, LAG_CONNECTION,
    MODE, NAMES, NON_FINITE, SEEN, SEEN_QUANTISED, VOCABULARY,
};
use super::watch::{CallFacts, Row};
use crate::report::Kind;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Rows before the alarm that are looked at, at the most.
const REACH: u64 = 1000;

/// One row as far as naming goes.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    row: u64,
    call: u64,
    scored: bool,
    finite: bool,
    repeats: bool,
    in_call: bool,
    exact: u64,
    quantised: u64,
    category: Option<usize>,
    latency_ms: f64,
    fast: bool,
    changed: bool,
    pub(super) lag: Option<f64>,
    pub(super) decoupled: Option<bool>,
}

impl Seat {
    pub(super) fn new(row: &Row, call: CallFacts, fast: bool) -> Self {
        Seat {
            row: row.row,
            call: call.call,
            scored: row.scored,
            finite: row.finite,
            repeats: row.sight.is_some_and(|sight| sight.exact),
            in_call: row.sight.is_some_and(|sight| sight.in_call),
            exact: row.exact,
            quantised: row.quantised,
            category: row.category,
            latency_ms: call.latency_ms,
            fast,
            changed: row.pass.changed == Some(true),
            lag: None,
            decoupled: None,
        }
    }
}

/// A name for an incident.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) kind: Kind,
    /// The rows do not fit one kind clearly.
    pub(super) vague: bool,
    pub(super) evidence: Vec<String>,
}

/// Names what `test` found between rows `onset` and `row`.
pub(super) fn name(
    history: &VecDeque<Seat>,
    baseline: &Baseline,
    excess: &[f64],
    test: usize,
    onset: u64,
    row: u64,
) -> Named {
    let from = onset.max(row.saturating_sub(REACH));
    let seats: Vec<&Seat> = history
        .iter()
        .filter(|seat| (from..=row).contains(&seat.row))
        .collect();
    let scored: Vec<&Seat> = seats.iter().copied().filter(|seat| seat.scored).collect();
    let (kind, vague) = kind(&seats, &scored, baseline, excess, test);
    Named {
        kind,
        vague,
        evidence: evidence(&seats, &scored, test),
    }
}

fn kind(
    seats: &[&Seat],
    scored: &[&Seat],
    baseline: &Baseline,
    excess: &[f64],
    test: usize,
) -> (Kind, bool) {
    if test == NON_FINITE {
        return (Kind::NonFinite, false);
    }
    let changed: Vec<&Seat> = seats
        .iter()
        .rev()
        .filter(|seat| seat.changed)
        .take(200)
        .copied()
        .collect();
    if matches!(test, DETERMINISM | DETERMINISM_CATEGORY) && changed.len() >= 5 {
        if share(&changed, |seat| seat.fast) > 0.5 {
            return (Kind::CacheLike, false);
        }
        if top(&changed, |seat| seat.exact) >= 0.7 {
            return (constant_or_partial(scored), false);
        }
        if top(&changed, |seat| seat.quantised) >= 0.7 {
            return (Kind::NearConstant, false);
        }
    }
    if scored.is_empty() {
        return (Kind::Stale, true);
    }
    let lags: Vec<f64> = scored.iter().filter_map(|seat| seat.lag).collect();
    let lagging = lags.iter().filter(|lag| **lag > 1.0).count() as f64 / lags.len().max(1) as f64;
    let decoupled: Vec<bool> = scored.iter().filter_map(|seat| seat.decoupled).collect();
    let apart = decoupled.iter().filter(|d| **d).count() as f64 / decoupled.len().max(1) as f64;
    let by_lag = matches!(
        test,
        LAG | LAG_CONNECTION | DETERMINISM | DETERMINISM_CATEGORY | DECOUPLING | FAST_DECOUPLING
    );
    if by_lag && lags.len() > 10 && lagging > 0.7 && lagging > apart + 0.1 {
        return (Kind::Lagged, false);
    }
    if rows_equal(scored) {
        return (Kind::RowsEqual, false);
    }
    let exact = top(scored, |seat| seat.exact);
    let quantised = top(scored, |seat| seat.quantised);
    let category = top(scored, |seat| seat.category);
    if exact > 0.9 && scored.len() >= 8 {
        return (Kind::Constant, false);
    }
    let by_class = baseline.categories.is_argmax();
    let unsure_before = baseline.surrogate.prior.iter().copied().fold(0.0, f64::max) < 0.8;
    if by_class
        && matches!(test, SEEN | SEEN_QUANTISED | MODE)
        && scored.len() >= 8
        && category > 0.95
        && exact < 0.6
        && quantised < 0.6
        && unsure_before
    {
        return (Kind::Top1Constant, false);
    }
    let repeats: Vec<&Seat> = scored.iter().copied().filter(|seat| seat.repeats).collect();
    if repeats.len() > 2 && test == SEEN {
        return match (
            top(&repeats, |seat| seat.exact) >= 0.8,
            top(&repeats, |seat| seat.quantised) >= 0.8,
        ) {
            (true, _) => (constant_or_partial(scored), false),
            (false, true) => (Kind::NearConstant, false),
            (false, false) => (Kind::CacheLike, false),
        };
    }
    if share(scored, |seat| seat.fast) > 0.15 && test != SEEN_QUANTISED && exact < 0.9 {
        return (Kind::CacheLike, false);
    }
    let suspect = excess
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map(|(i, _)| i);
    let mut part: Vec<&Seat> = scored
        .iter()
        .copied()
        .filter(|seat| seat.category == suspect)
        .collect();
    if test == SEEN_QUANTISED && !repeats.is_empty() {
        part = repeats;
    }
    if part.is_empty() || test == VOCABULARY {
        part = scored.to_vec();
    }
    let (part_exact, part_quantised) = (
        top(&part, |seat| seat.exact),
        top(&part, |seat| seat.quantised),
    );
    let by_value = matches!(test, MODE | SEEN_QUANTISED | VOCABULARY);
    if by_class && category > 0.9 && part_quantised < 0.6 {
        return (Kind::Top1Constant, false);
    }
    if part_quantised > 0.5 && (by_value || category > 0.8) {
        let kind = if part_exact > 0.5 {
            constant_or_partial(scored)
        } else {
            Kind::NearConstant
        };
        return (kind, false);
    }
    if matches!(test, MODE | SEEN_QUANTISED) {
        let cached = test == SEEN_QUANTISED && part_exact > 0.2;
        return (
            if cached {
                Kind::CacheLike
            } else {
                Kind::NearConstant
            },
            true,
        );
    }
    (
        if test == FAST_DECOUPLING {
            Kind::CacheLike
        } else {
            Kind::Stale
        },
        true,
    )
}

/// One output for nearly all, or for a part.
fn constant_or_partial(scored: &[&Seat]) -> Kind {
    if top(scored, |seat| seat.exact) > 0.9 {
        Kind::Constant
    } else {
        Kind::Partial
    }
}

/// Neighbours within a call are equal, neighbours across calls are not.
fn rows_equal(scored: &[&Seat]) -> bool {
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

fn evidence(seats: &[&Seat], scored: &[&Seat], test: usize) -> Vec<String> {
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
    let changed = seats.iter().filter(|seat| seat.changed).count();
    if changed > 0 {
        lines.push(format!(
            "{changed} inputs that were sent again got another reply than the first time"
        ));
    }
    lines
}

fn median(seats: &[&Seat]) -> Option<f64> {
    let mut latencies: Vec<f64> = seats.iter().map(|seat| seat.latency_ms).collect();
    latencies.sort_by(f64::total_cmp);
    latencies.get(latencies.len() / 2).copied()
}

/// Share of the commonest value; 0 without rows.
fn top<K: Eq + Hash>(seats: &[&Seat], of: impl Fn(&Seat) -> K) -> f64 {
    let mut counts: HashMap<K, u32> = HashMap::new();
    for seat in seats {
        *counts.entry(of(seat)).or_insert(0) += 1;
    }
    f64::from(counts.into_values().max().unwrap_or(0)) / seats.len().max(1) as f64
}

fn share(seats: &[&Seat], of: impl Fn(&Seat) -> bool) -> f64 {
    seats.iter().filter(|seat| of(seat)).count() as f64 / seats.len().max(1) as f64
}
