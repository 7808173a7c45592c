//! Whether a cache in front of or behind the server answers: D19.

use super::{doctor, likely};
use crate::diagnose::Opinion;
use crate::diagnose::facts::Facts;
use crate::report::Kind;

/// Repeats this much faster than the rest were not computed.
const FAST: f64 = 0.5;

/// D19: a response cache with a stale or bad key.
pub(super) fn d19(facts: &Facts) -> Opinion {
    // Where single rows are flat and batches vary, the batch is what makes the others slower.
    let by_batch = facts.single.is_flat() && facts.batched.varies();
    let fast = facts
        .latency
        .filter(|l| l.repeats >= 8 && l.others >= 8 && !by_batch);
    let cache_kind = matches!(
        facts.kind,
        Some(Kind::CacheLike | Kind::Stale | Kind::Lagged | Kind::Partial)
    );
    if let Some(l) = fast {
        let line = format!(
            "outputs seen before for other inputs came in {:.2} ms (median of {}), the others in {:.2} ms (median of {})",
            l.repeats_ms, l.repeats, l.others_ms, l.others
        );
        if l.repeats_ms < FAST * l.others_ms && facts.distinct_outputs > 1 {
            return likely(0.9, vec![line], confirm(facts));
        }
        if !cache_kind || facts.kind == Some(Kind::Partial) {
            return Opinion::Against(format!("{line}: no quicker than computing it"));
        }
    }
    match facts.kind {
        Some(Kind::CacheLike) => likely(
            0.7,
            vec![format!(
                "{} distinct effective inputs share {} outputs, many values and not one",
                facts.distinct_effective, facts.distinct_outputs
            )],
            confirm(facts),
        ),
        Some(Kind::Stale) => likely(
            0.75,
            vec!["replies are those of an earlier state of the model".to_owned()],
            confirm(facts),
        ),
        Some(Kind::Lagged) => likely(
            0.6,
            vec![
                "each reply fits the request before it: an answer handed to the wrong call"
                    .to_owned(),
            ],
            confirm(facts),
        ),
        Some(Kind::Constant | Kind::NearConstant)
            if facts.distinct_outputs <= 1 && facts.latency.is_none() =>
        {
            Opinion::Against("one output for every input: a cache would keep several".to_owned())
        }
        _ => Opinion::Silent,
    }
}

fn confirm(facts: &Facts) -> String {
    format!(
        "ask the server itself, past any cache, twice with different inputs: {}",
        doctor(facts, true)
    )
}
