//! Shapes, echoes and batches: D5, D6, D8.

use super::{ENOUGH, certain, doctor, likely};
use crate::diagnose::Opinion;
use crate::diagnose::facts::Facts;
use crate::report::Kind;

/// D5: the graph does not read its input: exact equality, and the batch is not followed.
pub(super) fn d5(facts: &Facts) -> Opinion {
    if facts.distinct_effective < ENOUGH {
        return Opinion::Silent;
    }
    if facts.distinct_outputs > 1 {
        return Opinion::Against(format!(
            "{} distinct outputs: a graph that reads no input gives one",
            facts.distinct_outputs
        ));
    }
    if facts.batches_not_followed > 0 {
        return likely(
            0.95,
            vec![
                format!(
                    "one byte-equal output for {} distinct inputs",
                    facts.distinct_effective
                ),
                format!(
                    "{} of {} requests of several rows got a reply of another number of rows",
                    facts.batches_not_followed, facts.batches
                ),
            ],
            "saved_model_cli show --dir <model dir>/<version> --all".to_owned(),
        );
    }
    if facts.from_first_reply && facts.kind == Some(Kind::Constant) {
        return likely(
            0.4,
            vec![format!(
                "one byte-equal output for {} distinct inputs, from the first reply of version {}",
                facts.distinct_effective, facts.version
            )],
            "saved_model_cli show --dir <model dir>/<version> --all".to_owned(),
        );
    }
    Opinion::Against(format!(
        "the output follows the batch in {} of {} calls, and varied before",
        facts.batches, facts.batches
    ))
}

/// D6: the wrong tensor was exported: an echo of an input, or another shape than promised.
pub(super) fn d6(facts: &Facts) -> Opinion {
    if let Some(input) = &facts.echo_of {
        return certain(
            vec![format!(
                "output `{}` equals input `{input}` in every one of {} calls",
                facts.output, facts.calls
            )],
            doctor(facts, true),
        );
    }
    match &facts.shape_mismatch {
        Some(what) => likely(0.6, vec![what.clone()], doctor(facts, false)),
        None if facts.signature_inputs.is_some() => Opinion::Against(
            "dtype and shape of the output are those of the signature, and it equals no input"
                .to_owned(),
        ),
        None => Opinion::Against("the output equals no input".to_owned()),
    }
}

/// D8: dropout or batch normalisation left in training mode.
pub(super) fn d8(facts: &Facts) -> Opinion {
    if facts.single.is_flat() && facts.batched.varies() {
        return likely(
            0.9,
            vec![
                format!(
                    "calls of one row: {} distinct inputs, {} distinct outputs",
                    facts.single.distinct_inputs, facts.single.distinct_outputs
                ),
                format!(
                    "calls of several rows: {} distinct inputs, {} distinct outputs",
                    facts.batched.distinct_inputs, facts.batched.distinct_outputs
                ),
            ],
            doctor(facts, true),
        );
    }
    if facts.repeats >= ENOUGH && facts.repeats_changed * 2 > facts.repeats {
        return likely(
            0.5,
            vec![format!(
                "the same effective input got another reply in {} of {} repeats",
                facts.repeats_changed, facts.repeats
            )],
            doctor(facts, true),
        );
    }
    if facts.repeats >= ENOUGH {
        return Opinion::Against(format!(
            "the same input gets the same reply ({} of {} repeats), whatever the batch",
            facts.repeats - facts.repeats_changed,
            facts.repeats
        ));
    }
    Opinion::Silent
}
