//! What fits by its onset, when nothing else explains it: D9, D22, D10, D11, D15, D20.

use super::{ENOUGH, doctor, folder, likely};
use crate::diagnose::facts::Facts;
use crate::diagnose::{Opinion, confirm};
use crate::report::Kind;

/// Scores this close to uniform are those of weights that learned nothing.
const UNIFORM: f64 = 0.97;
/// Scores this far from uniform are all but decided.
const SATURATED: f64 = 0.02;
/// Variables or assets that shrank to this part since the version before are not all there.
const SHRUNK: u64 = 4;

/// D9: the inputs are not preprocessed as in training.
pub(super) fn d9(facts: &Facts) -> Opinion {
    if facts.kind == Some(Kind::NonFinite) && facts.is_fed_non_finite() {
        return likely(
            0.85,
            vec![format!(
                "the inputs hold NaN, infinity or numbers beyond 1e19 in {} of the {} calls whose outputs do",
                facts.non_finite_fed, facts.non_finite_calls
            )],
            doctor(facts, true),
        );
    }
    let Some(shift) = &facts.input_shift else {
        if facts.inputs_known {
            return Opinion::Against(
                "the inputs lie where they lay just before the onset".to_owned(),
            );
        }
        return Opinion::Silent;
    };
    let mut evidence = vec![format!("the inputs changed at the onset: {shift}")];
    if !facts.from_first_reply && !facts.never_finite {
        evidence.push(format!(
            "version {} was the same before and after",
            facts.version
        ));
    }
    if saturated_by_the_inputs(facts) {
        evidence.push("the scores are saturated: all but one are next to 0".to_owned());
    }
    // Saturated outputs repeat as a cache's do, but they are not quicker.
    let quick = facts.latency.is_some_and(|l| l.is_quick());
    let copies = matches!(facts.kind, Some(Kind::Stale | Kind::Lagged))
        || facts.kind == Some(Kind::CacheLike) && quick;
    likely(
        if copies { 0.3 } else { 0.8 },
        evidence,
        doctor(facts, true),
    )
}

/// The scores are all but decided since the inputs lie elsewhere.
pub(super) fn saturated_by_the_inputs(facts: &Facts) -> bool {
    facts.input_shift.is_some() && facts.relative_entropy.is_some_and(|e| e < SATURATED)
}

/// D22: one model goes wrong on one replica when another is loaded.
pub(super) fn d22(facts: &Facts) -> Opinion {
    match &facts.truth.other_load_at_onset {
        Some(other) if !facts.from_first_reply => {
            let mut evidence = vec![format!(
                "model `{other}` was loaded within a minute of the onset; this one had answered well until then"
            )];
            // What such a device gives, as far as it was ever reported. Loads are frequent elsewhere.
            let broken = facts.zero_share >= 0.9 || facts.kind == Some(Kind::NonFinite);
            if broken {
                evidence.push(
                    "its outputs are zeros or no numbers, as of memory that was lost".to_owned(),
                );
                return likely(0.7, evidence, doctor(facts, true));
            }
            evidence.push("its outputs are no zeros, so that the load may be chance".to_owned());
            likely(0.4, evidence, doctor(facts, true))
        }
        Some(_) => Opinion::Silent,
        None if facts.truth.status.is_some() => {
            Opinion::Against("no other model was loaded near the onset".to_owned())
        }
        None => Opinion::Silent,
    }
}

/// D10: weights re-initialised at export: near-uniform scores with a small, real spread.
pub(super) fn d10(facts: &Facts) -> Opinion {
    let Some(entropy) = facts.relative_entropy else {
        return Opinion::Silent;
    };
    // One winner alone has an entropy of -0.
    let line = format!(
        "entropy of the class scores is {:.3} of that of a uniform guess",
        entropy.max(0.0)
    );
    let spread = facts.output_spread.unwrap_or(0.0);
    if entropy >= UNIFORM && spread > 0.0 && facts.from_first_reply {
        return likely(
            0.8,
            vec![
                line,
                format!("they differ by up to {spread:.2e} between inputs: computed, not copied"),
            ],
            confirm::variables(&folder(facts)),
        );
    }
    Opinion::Against(line)
}

/// D11: weights overwritten at load, or absent from the export.
pub(super) fn d11(facts: &Facts) -> Opinion {
    let confirm = format!(
        "ls -l {}/variables; saved_model_cli show --dir {} --all",
        folder(facts),
        folder(facts)
    );
    if let Some((now, before)) = facts.variables {
        let line = format!(
            "the variables of version {} have {now} bytes, those of the version before {before}",
            facts.version
        );
        if now * SHRUNK < before {
            return likely(0.75, vec![line], confirm);
        }
        return Opinion::Against(line);
    }
    if facts.from_first_reply && facts.relative_entropy.is_some_and(|e| e >= UNIFORM) {
        return likely(
            0.3,
            vec![format!(
                "version {} is near uniform from its first reply",
                facts.version
            )],
            confirm,
        );
    }
    Opinion::Silent
}

/// D15: assets or vocabulary missing, so that every token is unknown.
pub(super) fn d15(facts: &Facts) -> Opinion {
    if !facts.only_text_varies {
        if facts.inputs.is_empty() {
            return Opinion::Silent;
        }
        return Opinion::Against("it is not text alone that tells the inputs apart".to_owned());
    }
    if !facts.from_first_reply {
        return Opinion::Against(format!(
            "version {} understood its words before",
            facts.version
        ));
    }
    let mut evidence = vec![format!(
        "{} distinct texts, {} distinct outputs, from the first reply of version {}",
        facts.distinct_effective, facts.distinct_outputs, facts.version
    )];
    let disk = facts.truth.disk.as_ref();
    let bytes = |version: &i64| disk?.assets.get(version).copied();
    let before = facts.previous.as_ref().and_then(|p| bytes(&p.version));
    let weight = match (bytes(&facts.version), before) {
        (Some(now), Some(before)) => {
            evidence.push(format!(
                "its assets have {now} bytes, those of the version before {before}"
            ));
            if now * SHRUNK < before { 0.8 } else { 0.25 }
        }
        (Some(now), None) => {
            evidence.push(format!("its assets have {now} bytes"));
            if now == 0 { 0.72 } else { 0.25 }
        }
        (None, _) => 0.72,
    };
    likely(
        weight,
        evidence,
        format!(
            "ls -l {}/assets; flatline lint {}",
            folder(facts),
            folder(facts)
        ),
    )
}

/// D20: collapsed training: constant from the version's first reply, for all clients and batches.
pub(super) fn d20(facts: &Facts) -> Opinion {
    let flat = matches!(
        facts.kind,
        Some(Kind::Constant | Kind::NearConstant | Kind::Top1Constant)
    );
    if !flat || facts.distinct_effective < ENOUGH {
        return Opinion::Silent;
    }
    if !facts.from_first_reply {
        return Opinion::Against(format!(
            "version {} varied before: its training did not collapse since",
            facts.version
        ));
    }
    let mut evidence = vec![format!(
        "{} distinct inputs, {} distinct outputs (the commonest {:.0} %), from the first reply of version {}",
        facts.distinct_effective,
        facts.distinct_outputs,
        100.0 * facts.top_output_share,
        facts.version
    )];
    let mut weight: f64 = 0.5;
    if let Some(previous) = &facts.previous
        && previous.distinct_outputs * 2 >= previous.distinct_inputs
    {
        weight = 0.7;
        evidence.push(format!(
            "version {} gave {} distinct outputs for {} inputs",
            previous.version, previous.distinct_outputs, previous.distinct_inputs
        ));
    }
    likely(weight, evidence, doctor(facts, true))
}
