//! Whether a cache in front of or behind the server answers: D19.

use super::origin::saturated_by_the_inputs;
use super::{doctor, likely};
use crate::diagnose::Opinion;
use crate::diagnose::facts::{Facts, Latency};
use crate::report::Kind;

/// D19: a response cache with a stale or bad key.
pub(super) fn d19(facts: &Facts) -> Opinion {
    let known = facts.latency.filter(Latency::is_known);
    let cache_kind = matches!(
        facts.kind,
        Some(Kind::CacheLike | Kind::Stale | Kind::Lagged | Kind::Partial)
    );
    if let Some(l) = known {
        let line = format!(
            "outputs seen before for other inputs came in {:.2} ms (median of {}), the others in {:.2} ms (median of {})",
            l.repeats_ms, l.repeats, l.others_ms, l.others
        );
        if l.is_quick() && facts.distinct_outputs > 1 {
            return likely(0.9, vec![line], doctor(facts, true));
        }
        if !cache_kind || facts.kind == Some(Kind::Partial) {
            return Opinion::Against(format!("{line}: no quicker than computing it"));
        }
    }
    match facts.kind {
        // Any model gives few outputs there, and no cache changes what the clients send.
        Some(Kind::CacheLike) if saturated_by_the_inputs(facts) => likely(
            0.2,
            vec![format!(
                "{} distinct effective inputs share {} outputs, as saturated scores do without a cache",
                facts.distinct_effective, facts.distinct_outputs
            )],
            doctor(facts, true),
        ),
        Some(Kind::CacheLike) => likely(
            0.7,
            vec![format!(
                "{} distinct effective inputs share {} outputs, many values and not one",
                facts.distinct_effective, facts.distinct_outputs
            )],
            doctor(facts, true),
        ),
        Some(Kind::Stale) => likely(
            0.75,
            vec!["replies are those of an earlier state of the model".to_owned()],
            doctor(facts, true),
        ),
        Some(Kind::Lagged) => likely(
            0.6,
            vec![
                "each reply fits the request before it: an answer handed to the wrong call"
                    .to_owned(),
            ],
            doctor(facts, true),
        ),
        Some(Kind::Constant | Kind::NearConstant)
            if facts.distinct_outputs <= 1 && facts.latency.is_none() =>
        {
            Opinion::Against("one output for every input: a cache would keep several".to_owned())
        }
        _ => Opinion::Silent,
    }
}
