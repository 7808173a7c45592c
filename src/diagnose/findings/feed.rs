//! What the calls themselves say: D2, D3, D5, D6, D25.

use super::{Recent, finding};
use crate::report::{Category, Finding};

/// Fewer calls may be somebody trying things out.
const ENOUGH: u64 = 4;
/// So many calls with one value for all elements are no single odd input, after so many rows that
/// held more.
const NARROW: u64 = 16;
const WIDE: u64 = 64;
/// So many inputs on one output, of a reply that has no row for each, are no quiet hour.
const INPUTS: u64 = 64;
/// So many repeats of an input tell whether its reply repeats.
const REPEATS: u64 = 8;

/// D2: values in a field that TensorFlow does not read for the type.
pub(super) fn d2(recent: &Recent) -> Option<Finding> {
    // One odd call among many is somebody trying things out.
    let counts = |calls: u64| calls >= ENOUGH || calls * 2 > recent.calls;
    let lines: Vec<String> = recent
        .unread
        .iter()
        .filter(|(_, unread)| counts(unread.calls))
        .map(|(name, unread)| {
            let clients: Vec<_> = unread.clients.iter().map(String::as_str).collect();
            let takes = match unread.filled {
                (_, 0) => "it takes zeros".to_owned(),
                (declared, 1) => format!("it repeats the 1 value in the right field for all {declared} elements"),
                (declared, given) => format!("it repeats the last of the {given} values in the right field up to {declared} elements"),
            };
            format!(
                "input `{name}` of signature `{}` is {} and its values sit in `{}`, which TensorFlow does not read: {takes}, in {} of the last {} calls, from `{}`",
                recent.signature, unread.dtype, unread.field, unread.calls, recent.calls,
                clients.join("`, `")
            )
        })
        .collect();
    if lines.is_empty() {
        return one_value(recent);
    }
    Some(finding(
        "D2",
        &recent.model,
        Category::Signature,
        true,
        lines,
        recent.probe(),
    ))
}

/// One value in the right field, where there were many: legal, and so never certain.
fn one_value(recent: &Recent) -> Option<Finding> {
    let most = recent.narrow >= NARROW && recent.narrow * 2 > recent.since_narrow;
    if !most || recent.narrow_inputs < REPEATS || recent.wide_before < WIDE {
        return None;
    }
    Some(finding(
        "D2",
        &recent.model,
        Category::Signature,
        false,
        vec![format!(
            "in {} of {} calls to signature `{}` no input holds more than one value, which TensorFlow repeats for all elements; the {} rows before held more",
            recent.narrow, recent.since_narrow, recent.signature, recent.wide_before
        )],
        recent.probe(),
    ))
}

/// D3: an input of the signature that live requests never send.
pub(super) fn d3(recent: &Recent) -> Option<Finding> {
    let wanted = &recent.signature_def.as_ref()?.inputs;
    if recent.before_asked < ENOUGH {
        return None;
    }
    let missing: Vec<&str> = wanted
        .keys()
        .filter(|name| !recent.sent.contains_key(*name))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return None;
    }
    Some(finding(
        "D3",
        &recent.model,
        Category::Signature,
        true,
        vec![format!(
            "signature `{}` of version {} lists {} inputs, and none of the last {} calls sent `{}`; they succeeded, so the exported default is used",
            recent.signature,
            recent.version,
            wanted.len(),
            recent.calls,
            missing.join("`, `")
        )],
        recent.probe(),
    ))
}

/// D5: the output does not follow the batch though it should.
pub(super) fn d5(recent: &Recent) -> Option<Finding> {
    if recent.batches_not_followed < ENOUGH || recent.batches_not_followed * 10 < recent.batches * 9
    {
        return None;
    }
    let free = |dims: Option<&Vec<i64>>| dims.and_then(|d| d.first()).is_some_and(|d| *d < 0);
    let promised = recent.signature_def.as_ref().is_some_and(|signature| {
        let output = signature.outputs.get(&recent.output);
        free(output.and_then(|spec| spec.dims.as_ref()))
            && signature
                .inputs
                .values()
                .any(|spec| free(spec.dims.as_ref()))
    });
    let constant = !recent.is_meant
        && recent.is_telling
        && recent.nothing_followed * 10 >= recent.batches * 9
        && recent.distinct_inputs >= INPUTS
        && recent.distinct_outputs == 1;
    // As many rows whatever the request: boxes or tokens, which are many or few, follow no batch.
    // A list of labels beside the scores is the same for all rows.
    let fixed = promised && !recent.is_meant && recent.batch_sizes > 1 && recent.output_sizes == 1;
    if !fixed && !constant {
        return None;
    }
    let mut evidence = vec![format!(
        "output `{}` of version {} had another number of rows than the request in {} of {} calls of several rows",
        recent.output, recent.version, recent.batches_not_followed, recent.batches
    )];
    if fixed {
        evidence.push("the signature lets the first dimension of both be of any size".to_owned());
    }
    if recent.distinct_outputs > 1 {
        evidence.push(format!(
            "it takes {} values all the same: it may be one answer to the request as a whole",
            recent.distinct_outputs
        ));
    }
    if constant {
        evidence.push(format!(
            "and it was one and the same for {} distinct inputs: the graph does not read them",
            recent.distinct_inputs
        ));
    }
    Some(finding(
        "D5",
        &recent.model,
        Category::Signature,
        constant && fixed,
        evidence,
        recent.probe(),
    ))
}

/// D6: an output unlike the metadata, or one that is an input.
pub(super) fn d6(recent: &Recent) -> Option<Finding> {
    let mut evidence: Vec<String> = recent.mismatch.iter().cloned().collect();
    // A model may be there to give back what it gets; no model is there to break its own signature.
    let certain = recent.mismatch.is_some();
    if let Some(input) = &recent.echo_of {
        evidence.push(format!(
            "output `{}` of version {} equals input `{input}` in each of the last {} calls",
            recent.output, recent.version, recent.calls
        ));
    }
    (!evidence.is_empty()).then(|| {
        finding(
            "D6",
            &recent.model,
            Category::Signature,
            certain,
            evidence,
            recent.probe(),
        )
    })
}

/// D25: the same input gets different answers.
pub(super) fn d25(recent: &Recent) -> Option<Finding> {
    // What is left out may well tell two requests apart.
    if recent.ignores || recent.repeats < REPEATS || recent.repeats_changed * 2 < recent.repeats {
        return None;
    }
    Some(finding(
        "D25",
        &recent.model,
        Category::Runtime,
        true,
        vec![
            format!(
                "output `{}` of version {}: a request that was sent again got another answer in {} of {} rows, by more than rounding",
                recent.output, recent.version, recent.repeats_changed, recent.repeats
            ),
            "as dropout left on in the exported graph does, or state; a model that samples does so by design".to_owned(),
        ],
        recent.probe(),
    ))
}
