//! Shapes, echoes and batches: D5, D6, D8.

use super::{ENOUGH, doctor, folder, likely};
use crate::diagnose::Opinion;
use crate::diagnose::facts::Facts;
use crate::report::Kind;

/// Outputs of single rows that spread this much less than those of batches hardly vary.
const NARROW: f64 = 1e-3;

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
            format!("saved_model_cli show --dir {} --all", folder(facts)),
        );
    }
    if facts.from_first_reply && facts.kind == Some(Kind::Constant) {
        let mut evidence = vec![format!(
            "one byte-equal output for {} distinct inputs, from the first reply of version {}",
            facts.distinct_effective, facts.version
        )];
        let fixed = fixed_shape(facts);
        evidence.extend(fixed.clone());
        return likely(
            if fixed.is_some() { 0.85 } else { 0.4 },
            evidence,
            format!("saved_model_cli show --dir {} --all", folder(facts)),
        );
    }
    Opinion::Against(format!(
        "the output follows the batch in {} of {} calls, and varied before",
        facts.batches, facts.batches
    ))
}

/// The signature takes any batch and promises one fixed shape: a constant has that.
fn fixed_shape(facts: &Facts) -> Option<String> {
    let signature = facts.signature_def.as_ref()?;
    let free = |dims: &Option<Vec<i64>>| dims.as_ref().is_some_and(|d| d.first() == Some(&-1));
    let spec = signature.outputs.get(&facts.output)?;
    let fixed = spec.dims.as_ref()?.iter().all(|size| *size >= 0);
    (fixed && signature.inputs.values().any(|input| free(&input.dims))).then(|| {
        format!(
            "the signature takes a batch of any size and promises an output of shape {}",
            spec.shape()
        )
    })
}

/// D6: the wrong tensor was exported: an echo of an input, or another shape than promised.
pub(super) fn d6(facts: &Facts) -> Opinion {
    // A client that repeats itself says nothing of what the outputs are.
    let client = facts.kind == Some(Kind::InputCollapse);
    if let Some(input) = facts.echo_of.as_ref().filter(|_| !client) {
        let line = format!(
            "output `{}` equals input `{input}` in every one of {} calls",
            facts.output, facts.calls
        );
        // Two tensors of zeros are equal by chance, and some models are there to give back what they get.
        let weight = if facts.echo_varies { 0.95 } else { 0.75 };
        return likely(weight, vec![line], doctor(facts, true));
    }
    match &facts.shape_mismatch {
        Some(what) => likely(0.72, vec![what.clone()], doctor(facts, false)),
        None if facts.signature_def.is_some() => Opinion::Against(
            "dtype and shape of the output are those of the signature, and it equals no input"
                .to_owned(),
        ),
        None => Opinion::Against("the output equals no input".to_owned()),
    }
}

/// D8: dropout or batch normalisation left in training mode.
pub(super) fn d8(facts: &Facts) -> Opinion {
    let narrow = facts
        .single_spread
        .zip(facts.batched_spread)
        .is_some_and(|(single, batched)| single < NARROW * batched);
    let enough = facts.single.distinct_inputs >= ENOUGH;
    if (facts.single.is_flat() || enough && narrow) && facts.batched.varies() {
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
