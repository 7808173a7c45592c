//! What kind of trouble an alarm is, from the rows since its onset.

mod evidence;
mod extent;
mod seat;
mod shares;

pub(super) use seat::Seat;

use super::baseline::{
    Baseline, DECOUPLING, DETERMINISM, DETERMINISM_CATEGORY, FAST_DECOUPLING, LAG, LAG_CONNECTION,
    NON_FINITE, SEEN, SEEN_QUANTISED, VOCABULARY,
};
use super::scales::{Scales, Sketch};
use super::verdict::Extent;
use crate::report::Kind;
use shares::{
    converges, is_one_call, outgrown, pull, rows_equal, share, spread, to_or_from_one, top, varied,
};
use std::collections::VecDeque;

/// Rows before the alarm that are looked at, at the most.
const REACH: u64 = 1000;
/// Rows in which a share says something.
const ENOUGH: usize = 8;
/// An output with this share is the only one.
const ALL: f64 = 0.9;
/// Outputs that all lie within this part of what they did in health, as a standard deviation, differ
/// by rounding, unless nearly each has one of its own.
const ROUNDING: f64 = 1e-4;
/// Outputs that spread less than this part of what they did in health are noise around one.
const NARROW: f64 = 0.15;
/// Of rows that differ by noise, more than this share have an output of their own.
const VARIED: f64 = 0.6;
/// Noise around one output hits the same value this seldom.
const FEW_EQUAL: f64 = 0.3;
/// Outputs that spread less than this part of what they did move towards one point.
const SHRUNK: f64 = 0.8;
/// Rows of a part that say something.
const FEW: usize = 6;
/// With fewer rows since the onset than this, a part and all look alike.
const HASTY: usize = 12;
/// Newest rows that are looked at for equal neighbours.
const LATEST: usize = 40;
/// Equal outputs in a row that are no part of the traffic.
const RUN: usize = 5;
/// A change of replies that follows the first reply this closely pulls all of them to one point.
const PULLED: f64 = -0.88;

/// What an alarm is named from, beside the rows.
pub(super) struct Scene<'a> {
    pub(super) scales: &'a Scales,
    pub(super) baseline: &'a Baseline,
    /// Evidence of each test.
    pub(super) evidence: &'a [f64],
    /// The test that alarmed.
    pub(super) test: usize,
    /// Standardised inputs of the newest scored rows, and what their columns are; none where that
    /// changes from call to call.
    pub(super) inputs: &'a VecDeque<(u64, Sketch)>,
    pub(super) columns: &'a [(String, u64)],
}

/// A name for an incident.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) kind: Kind,
    /// The rows do not fit one kind clearly.
    pub(super) vague: bool,
    /// All of it stands in one reply: the next one will tell.
    pub(super) early: bool,
    pub(super) evidence: Vec<String>,
    pub(super) extent: Extent,
}

/// Names what was found between rows `onset` and `row`.
pub(super) fn name(history: &VecDeque<Seat>, scene: &Scene<'_>, onset: u64, row: u64) -> Named {
    let from = onset.max(row.saturating_sub(REACH));
    let seats: Vec<&Seat> = history.iter().filter(|seat| seat.row >= from).collect();
    let scored: Vec<&Seat> = seats.iter().copied().filter(|seat| seat.scored).collect();
    let (mut kind, vague) = kind(&seats, &scored, scene);
    if kind == Kind::NearConstant && scene.scales.deviation_along == 0.0 {
        // Integers and labels are equal or not.
        kind = Kind::Partial;
    }
    Named {
        kind,
        vague,
        early: is_early(&scored, kind),
        evidence: evidence::lines(&seats, &scored, scene.test),
        extent: extent::of(&seats, &scored, kind, scene),
    }
}

/// One reply with equal rows may be a collapse, or rows that were filled with the first.
fn is_early(scored: &[&Seat], kind: Kind) -> bool {
    if scored.len() < HASTY && !matches!(kind, Kind::Lagged | Kind::NonFinite) {
        return true;
    }
    if kind == Kind::RowsEqual && is_one_call(scored) {
        return true;
    }
    let Some(newest) = scored.last() else {
        return false;
    };
    let mut equal = scored.iter().filter(|seat| seat.exact == newest.exact);
    let rows = equal.clone().count();
    let unsure = matches!(
        kind,
        Kind::Constant | Kind::Partial | Kind::CacheLike | Kind::NearConstant
    );
    unsure && rows > 1 && equal.all(|seat| seat.call == newest.call)
}

fn kind(seats: &[&Seat], scored: &[&Seat], scene: &Scene<'_>) -> (Kind, bool) {
    if scene.test == NON_FINITE {
        return (Kind::NonFinite, false);
    }
    let changed: Vec<&Seat> = seats
        .iter()
        .copied()
        .filter(|seat| seat.changed.is_some())
        .collect();
    if lagged(scored, scene) {
        return (Kind::Lagged, false);
    }
    // The call of the onset may hold rows from before.
    let onset = scored.first().map(|seat| seat.call);
    let later = scored.iter().position(|seat| Some(seat.call) != onset);
    let later = &scored[later.unwrap_or(0)..];
    if is_rounding(later, scene) {
        return (Kind::Constant, false);
    }
    if rows_equal(scored)
        || rows_equal(later)
        || rows_equal(&scored[scored.len().saturating_sub(LATEST)..])
    {
        return (Kind::RowsEqual, false);
    }
    if let Some(kind) = one_value(scored, scene) {
        return (kind, false);
    }
    let repeats: Vec<&Seat> = scored.iter().copied().filter(|seat| seat.repeats).collect();
    let usual = scene.baseline.nulls[SEEN].mu * scored.len() as f64;
    if scene.baseline.is_on(SEEN) && repeats.len() > 2 && repeats.len() as f64 > 2.0 * usual {
        // Exact repeats are the plainest sign, whichever test was quicker.
        let exact = top(&repeats, |seat| seat.exact);
        return match top(&repeats, |seat| seat.quantised) >= 0.8 {
            _ if exact >= 0.55 => (Kind::Partial, false),
            true if exact < FEW_EQUAL => (Kind::NearConstant, false),
            true => (Kind::Partial, false),
            false => (Kind::CacheLike, false),
        };
    }
    if share(scored, |seat| seat.fast) > 0.15 && scene.test != SEEN_QUANTISED {
        return (Kind::CacheLike, false);
    }
    if matches!(scene.test, DETERMINISM | DETERMINISM_CATEGORY) {
        return by_changes(&changed, scene);
    }
    part(scored, &changed, scene)
}

/// Replies fit the input before, clearly more often than they fit any other input.
fn lagged(scored: &[&Seat], scene: &Scene<'_>) -> bool {
    let lags: Vec<f64> = scored.iter().filter_map(|seat| seat.lag).collect();
    let lagging = lags.iter().filter(|lag| **lag > 1.0).count() as f64 / lags.len().max(1) as f64;
    let decoupled: Vec<&Seat> = scored
        .iter()
        .copied()
        .filter(|seat| seat.decoupled.is_some())
        .collect();
    let apart = share(&decoupled, |seat| seat.decoupled == Some(true));
    let by_lag = matches!(scene.test, LAG | LAG_CONNECTION)
        || scene.evidence[LAG].max(scene.evidence[LAG_CONNECTION]) > 1e3;
    let could = by_lag
        || matches!(
            scene.test,
            DETERMINISM | DETERMINISM_CATEGORY | DECOUPLING | FAST_DECOUPLING
        ) && lags.len() > 10;
    could && lagging > 0.7 && (lagging > apart + 0.1 || by_lag && lagging > apart)
}

/// One output for all, exactly, but for noise, or in its winning class.
fn one_value(scored: &[&Seat], scene: &Scene<'_>) -> Option<Kind> {
    // The onset is estimated early rather than late: the newer half is the trouble itself.
    let newer = &scored[scored.len() / 2..];
    let newer = if newer.len() < ENOUGH { scored } else { newer };
    let exact = top(newer, |seat| seat.exact);
    if exact > ALL && newer.len() >= ENOUGH || run_of_newest(scored) {
        return Some(Kind::Constant);
    }
    if newer.len() < ENOUGH {
        return None;
    }
    let quantised = top(newer, |seat| seat.quantised);
    let narrow = spread(newer, scene.scales.deviation_along).is_some_and(|s| s < NARROW);
    if varied(newer) > VARIED && exact < FEW_EQUAL && (quantised > ALL || narrow) {
        return Some(Kind::NearConstant);
    }
    let prior = &scene.baseline.surrogate.prior;
    let unsure_before = prior.iter().copied().fold(0.0, f64::max) < 0.8;
    let category = top(newer, |seat| seat.category);
    (scene.baseline.categories.is_argmax()
        && category > 0.95
        && exact < 0.6
        && quantised < 0.6
        && unsure_before)
        .then_some(Kind::Top1Constant)
}

/// One output but for its last bits, as calls of other sizes are rounded in another way.
fn is_rounding(scored: &[&Seat], scene: &Scene<'_>) -> bool {
    let along = || scored.iter().map(|seat| seat.along);
    let range = along().fold(f32::MIN, f32::max) - along().fold(f32::MAX, f32::min);
    scored.len() >= ENOUGH
        && varied(scored) <= VARIED
        && f64::from(range) < ROUNDING * scene.scales.deviation_along
}

/// Since the newest row's output first came, nothing else did.
fn run_of_newest(scored: &[&Seat]) -> bool {
    let Some(newest) = scored.last().filter(|seat| !seat.usual) else {
        return false;
    };
    let first = scored.iter().position(|seat| seat.exact == newest.exact);
    let run = &scored[first.unwrap_or(0)..];
    run.len() >= RUN && share(run, |seat| seat.exact == newest.exact) > ALL
}

/// Inputs that came again got other replies.
fn by_changes(changed: &[&Seat], scene: &Scene<'_>) -> (Kind, bool) {
    if share(changed, |seat| seat.fast) > 0.5 {
        return (Kind::CacheLike, false);
    }
    let exact = top(changed, |seat| seat.exact);
    let equal = exact * changed.len() as f64;
    if exact >= 0.7 || exact >= 0.5 && equal >= 3.0 || to_or_from_one(changed) {
        return (Kind::Partial, false);
    }
    let pulled = pull(changed).is_some_and(|correlation| correlation < PULLED);
    if pulled || converges(changed) || top(changed, |seat| seat.quantised) >= 0.7 {
        return (Kind::NearConstant, false);
    }
    let deviation = scene.scales.deviation_along;
    let small = |seat: &Seat| {
        seat.changed
            .is_some_and(|(first, now)| f64::from((now - first).abs()) < 0.1 * deviation)
    };
    if share(changed, small) > 0.5 && pull(changed).is_none_or(|correlation| correlation < -0.4) {
        // A slow pull: the first steps are small and of different size.
        return (Kind::NearConstant, true);
    }
    let coarse = scene.baseline.usual >= 0.5;
    (if coarse { Kind::CacheLike } else { Kind::Stale }, true)
}

/// A part of the traffic: what its outputs have in common.
fn part(scored: &[&Seat], changed: &[&Seat], scene: &Scene<'_>) -> (Kind, bool) {
    let of = |keep: &dyn Fn(&Seat) -> bool| -> Vec<&Seat> {
        scored.iter().copied().filter(|seat| keep(seat)).collect()
    };
    let near = |part: &[&Seat]| {
        let narrow = spread(part, scene.scales.deviation_along).is_some_and(|s| s < NARROW);
        let equal = top(part, |s| s.exact);
        let repeats = equal >= FEW_EQUAL && equal * part.len() as f64 >= 3.0;
        let one_cell = top(part, |s| s.quantised) > 0.5;
        part.len() >= FEW && varied(part) > VARIED && !repeats && (narrow || one_cell)
    };
    let coarse = scene.baseline.usual >= 0.5;
    let in_segment = of(&|seat| seat.in_segment);
    let wrong = of(&|seat| seat.decoupled == Some(true));
    if coarse && near(&of(&|seat| !seat.usual)) || near(&in_segment) || near(&wrong) {
        return (Kind::NearConstant, false);
    }
    // Replies that do not fit their inputs: all of one category, or as different as replies are.
    let alone = outgrown(scored).or_else(|| {
        let elsewhere = scene.evidence[DECOUPLING].max(scene.evidence[FAST_DECOUPLING]) > 1e3;
        outgrown(&in_segment).filter(|_| !elsewhere)
    });
    if let Some(category) = alone {
        let grown = of(&|seat| seat.category == Some(category));
        if top(&grown, |seat| seat.exact) > 0.5 {
            // One output for a part pulls replies towards it, too.
            return (Kind::Partial, false);
        }
        let pulled =
            converges(changed) || pull(changed).is_some_and(|correlation| correlation < -0.4);
        let other_values = !coarse && varied(&grown) > VARIED;
        return if near(&grown) || pulled || other_values {
            (Kind::NearConstant, !near(&grown))
        } else {
            (Kind::Partial, false)
        };
    }
    // A cache gives what it gave before; a continuous output that never came before is none.
    let continuous = scene.baseline.is_on(SEEN) && varied(scored) > 0.95;
    let newer = &scored[scored.len() / 2..];
    let shrunk = spread(newer, scene.scales.deviation_along).is_some_and(|s| s < SHRUNK);
    if scene.test == VOCABULARY || converges(changed) || continuous && shrunk {
        return (Kind::NearConstant, true);
    }
    (Kind::CacheLike, true)
}
