//! What fits by its onset, when nothing else explains it: D9, D22, D10, D11, D15, D20.

use super::{ENOUGH, doctor, likely};
use crate::diagnose::Opinion;
use crate::diagnose::facts::Facts;
use crate::report::Kind;

/// Scores this close to uniform are those of weights that learned nothing.
const UNIFORM: f64 = 0.97;

/// D9: the inputs are not preprocessed as in training.
pub(super) fn d9(facts: &Facts) -> Opinion {
    match &facts.input_shift {
        Some(shift) => likely(
            0.8,
            vec![
                format!("the inputs changed at the onset: {shift}"),
                "the version did not".to_owned(),
            ],
            "compare what the client sends now with a request from before the onset".to_owned(),
        ),
        None => Opinion::Silent,
    }
}

/// D22: one model goes wrong on one replica when another is loaded.
pub(super) fn d22(facts: &Facts) -> Opinion {
    match &facts.truth.other_load_at_onset {
        Some(other) if !facts.from_first_reply => likely(
            0.7,
            vec![format!(
                "model `{other}` was loaded within a minute of the onset; this one had answered well until then"
            )],
            "restart this replica only, and compare it with its siblings".to_owned(),
        ),
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
    let line = format!(
        "entropy of the class scores is {:.3} of that of a uniform guess",
        entropy
    );
    let spread = facts.output_spread.unwrap_or(0.0);
    if entropy >= UNIFORM && spread > 0.0 && facts.from_first_reply {
        return likely(
            0.8,
            vec![
                line,
                format!("they differ by up to {spread:.2e} between inputs: computed, not copied"),
            ],
            "compare the variables of this version with the training checkpoint".to_owned(),
        );
    }
    Opinion::Against(line)
}

/// D11: weights overwritten at load, or absent from the export.
pub(super) fn d11(facts: &Facts) -> Opinion {
    if facts.from_first_reply && facts.relative_entropy.is_some_and(|e| e >= UNIFORM) {
        return likely(
            0.3,
            vec![format!(
                "version {} is near uniform from its first reply",
                facts.version
            )],
            "saved_model_cli show --dir <model dir>/<version> --all".to_owned(),
        );
    }
    Opinion::Silent
}

/// D15: assets or vocabulary missing, so that every token is unknown.
pub(super) fn d15(facts: &Facts) -> Opinion {
    if !facts.strings_only {
        if facts.inputs.is_empty() {
            return Opinion::Silent;
        }
        return Opinion::Against("the signature is not fed with strings".to_owned());
    }
    likely(
        0.6,
        vec![format!(
            "{} distinct string inputs, {} distinct outputs",
            facts.distinct_effective, facts.distinct_outputs
        )],
        "saved_model_cli show --dir <model dir>/<version> --all".to_owned(),
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
