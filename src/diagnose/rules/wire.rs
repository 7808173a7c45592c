//! What the request itself proves: D1, D2, D3.

use super::parts::{changed_as_well, unless_cached};
use super::{ENOUGH, LONG, certain, doctor, likely};
use crate::diagnose::Opinion;
use crate::diagnose::facts::{Facts, LeftOut};
use crate::report::Kind;

/// The onset is known to so many rows.
const FEW: u64 = 16;
/// Calls as seldom as this may be those of several health checkers.
const SELDOM_NANOS: f64 = 0.3e9;

/// D1: the client sends one buffer again and again.
pub(super) fn d1(facts: &Facts) -> Opinion {
    // Where the signature takes no input, nothing can vary.
    if facts.rows == 0 || facts.inputs.is_empty() && facts.calls > 0 {
        return Opinion::Silent;
    }
    let repeated = facts.kind == Some(Kind::InputCollapse) && facts.distinct_raw * 2 <= facts.rows
        || (facts.rows >= 20 && facts.distinct_raw * 20 <= facts.rows);
    if !repeated {
        return Opinion::Against(format!(
            "{} distinct inputs in {} rows: the client does vary what it sends",
            facts.distinct_raw, facts.rows
        ));
    }
    // Requests without their varying part look alike, and D2 or D3 says which part that is.
    if facts.calls > 0 && facts.unread.calls == facts.calls {
        return Opinion::Against(
            "the requests are alike because an input of theirs holds no value that is read"
                .to_owned(),
        );
    }
    if facts.calls > 0 && facts.narrow.calls == facts.calls && is_narrow_since_onset(facts) {
        return Opinion::Against(
            "the requests are alike because one value stands for every element of theirs"
                .to_owned(),
        );
    }
    if let Some((name, _)) = left_out_lately(facts) {
        return Opinion::Against(format!(
            "the requests are alike since they leave out `{name}`"
        ));
    }
    let mut evidence = vec![
        format!(
            "{} rows held only {} distinct raw inputs",
            facts.rows, facts.distinct_raw
        ),
        format!(
            "they came from {} client libraries",
            facts.clients.len().max(1)
        ),
    ];
    // The model is not to blame where its outputs follow inputs that vary.
    let confirm = doctor(facts, true);
    if facts.pause_nanos >= SELDOM_NANOS {
        evidence.push(format!(
            "one call in {:.1} s: those who ask whether the server is well may do the same",
            facts.pause_nanos / 1e9
        ));
        return likely(0.7, evidence, confirm);
    }
    // Outputs that differ for it come from something that is not in it.
    let one = facts.distinct_raw == 1 && facts.distinct_outputs <= 1 && !facts.ignores;
    if one && facts.rows >= ENOUGH && facts.kind != Some(Kind::NonFinite) {
        return certain(evidence, confirm);
    }
    likely(0.8, evidence, confirm)
}

/// D2: values in the wrong typed field, too few or none, which TensorFlow fills in silence.
pub(super) fn d2(facts: &Facts) -> Opinion {
    let unread = &facts.unread;
    if unread.calls == 0 && facts.narrow.calls * 2 > facts.calls {
        return one_value(facts);
    }
    if unread.calls == 0 {
        if facts.distinct_raw < ENOUGH {
            return Opinion::Silent;
        }
        return Opinion::Against(format!(
            "{} raw inputs decode to {} effective tensors, and every input holds values in the field that is read",
            facts.distinct_raw, facts.distinct_effective
        ));
    }
    if unread.late {
        return Opinion::Against(
            "values that are not read were sent only after the alert had fired".to_owned(),
        );
    }
    let client = facts.kind == Some(Kind::InputCollapse);
    if unread.rows_before > LONG && !client {
        return Opinion::Against(format!(
            "values that are not read were sent for {} rows before the trouble began as well",
            unread.rows_before
        ));
    }
    let mut evidence = vec![format!(
        "{} distinct raw inputs decode to {} effective tensors, in {} of {} calls",
        unread.distinct_raw, unread.distinct_effective, unread.calls, facts.calls
    )];
    let bad = facts.inputs.iter().filter(|(_, e)| e.calls_unread > 0);
    for (name, e) in bad {
        let (declared, given) = e.example;
        let mut line = format!(
            "input `{name}` ({}) declares {declared} elements and fills {given} in its own field, in {} of {} calls",
            e.dtype, e.calls_unread, e.calls
        );
        if given > 0 {
            line.push_str("; the last of them stands for the rest");
        }
        if let Some(field) = &e.foreign_field {
            line.push_str(&format!(
                "; the values sit in `{field}`, which TensorFlow does not read for {}",
                e.dtype
            ));
        }
        evidence.push(line);
    }
    if facts.clients.len() == 1
        && let Some(agent) = facts.clients.keys().next()
    {
        evidence.push(format!("all of it from one client library: `{agent}`"));
    }
    // Where what is read as it should be is as flat, that is what has to be explained.
    let others = facts.rows.saturating_sub(unread.rows);
    let vary = facts.distinct_outputs > unread.distinct_outputs.max(1);
    if unread.collapses() && (vary || others < ENOUGH || unread.rows > others) {
        return certain(evidence, doctor(facts, true));
    }
    // An input that is sent without values, and the others tell the calls apart: its zeros may be meant.
    let foreign = facts
        .inputs
        .values()
        .any(|e| e.calls_unread > 0 && e.foreign_field.is_some());
    if !foreign && unread.distinct_effective * 2 >= unread.distinct_raw && !client {
        return likely(0.2, evidence, doctor(facts, true));
    }
    // One input of several is lost; or nothing at all was sent, and the calls are alike.
    let weight = match (unread.calls * 2 >= facts.calls, client) {
        (_, true) => 0.9,
        (true, false) => 0.85,
        (false, false) => 0.2,
    };
    likely(weight, evidence, doctor(facts, true))
}

/// One value in the right field is legal, so this is never certain: what speaks is that the inputs
/// held values of their own until the trouble began.
fn one_value(facts: &Facts) -> Opinion {
    let narrow = &facts.narrow;
    if narrow.late {
        return Opinion::Against(
            "inputs of one value for all elements were sent only after the alert had fired"
                .to_owned(),
        );
    }
    if is_narrow_long_before(facts) {
        return Opinion::Against(format!(
            "inputs of one value for all elements were sent for {} rows before the trouble began as well",
            narrow.rows_before
        ));
    }
    let mut evidence = vec![format!(
        "in {} of {} calls no input holds more than one value, which TensorFlow repeats, so that all elements are equal",
        narrow.calls, facts.calls
    )];
    for (name, e) in facts.inputs.iter().filter(|(_, e)| e.one_value > 1) {
        evidence.push(format!(
            "input `{name}` ({}) declares {} elements and is given 1 value",
            e.dtype, e.one_value
        ));
    }
    if is_narrow_since_onset(facts) {
        evidence.push(format!(
            "before that, the inputs of {} rows held more",
            facts.wide_before
        ));
        return likely(0.85, evidence, doctor(facts, true));
    }
    likely(0.3, evidence, doctor(facts, true))
}

/// The inputs held values of their own, and shrank to one when the trouble began.
fn is_narrow_since_onset(facts: &Facts) -> bool {
    facts.wide_before > LONG && !is_narrow_long_before(facts)
}

/// A client that repeats itself is looked back on by the newest calls alone: its onset says little.
fn is_narrow_long_before(facts: &Facts) -> bool {
    facts.narrow.rows_before > LONG && facts.kind != Some(Kind::InputCollapse)
}

/// D3: an input of the signature is left out and the exported default is used.
pub(super) fn d3(facts: &Facts) -> Opinion {
    let contrast = facts
        .left_out
        .iter()
        .find(|(_, l)| !l.late && l.rows_before <= LONG && l.without.is_flat() && l.with.varies());
    let Some((name, left_out)) = contrast.or_else(|| left_out_lately(facts)) else {
        return match (&facts.signature_def, facts.left_out.iter().next()) {
            (_, Some((name, l))) if l.late => Opinion::Against(format!(
                "`{name}` was left out only after the alert had fired"
            )),
            (_, Some((name, l))) => Opinion::Against(format!(
                "`{name}` was left out for {} rows before the trouble began as well",
                l.rows_before
            )),
            (Some(signature), None) => Opinion::Against(format!(
                "all {} inputs of the signature are sent",
                signature.inputs.len()
            )),
            (None, None) => Opinion::Silent,
        };
    };
    // The calls succeeded, so the server filled the input in: that much is certain.
    let mut evidence = vec![
        match &facts.signature_def {
            Some(signature) => format!(
                "the signature lists {} inputs; {} of {} calls left out `{name}`",
                signature.inputs.len(),
                left_out.calls,
                facts.calls
            ),
            None => format!(
                "{} of {} calls left out `{name}`, which earlier calls had",
                left_out.calls, facts.calls
            ),
        },
        "the calls succeeded all the same: the exported default is used".to_owned(),
    ];
    if left_out.with.rows > 0 {
        evidence.push(format!(
            "without it {} distinct inputs got {} distinct outputs, with it {} got {}",
            left_out.without.distinct_inputs,
            left_out.without.distinct_outputs,
            left_out.with.distinct_inputs,
            left_out.with.distinct_outputs
        ));
    }
    let confirm = doctor(facts, true);
    let flat = matches!(
        facts.kind,
        Some(
            Kind::Constant
                | Kind::NearConstant
                | Kind::Top1Constant
                | Kind::Partial
                | Kind::InputCollapse
        )
    );
    let stopped = flat && left_out.calls == facts.calls && left_out.sent_before > LONG;
    let others = facts.left_out.len() > 1 || facts.control_changed.is_some();
    if facts.input_shift.is_some() || left_out.moved || others {
        evidence.push(changed_as_well(facts));
        return likely(
            if contrast.is_some() || stopped {
                0.75
            } else {
                0.4
            },
            evidence,
            confirm,
        );
    }
    // With another version two things changed at once.
    if left_out.flat_with >= ENOUGH {
        evidence.push(format!(
            "the last {} rows with it got the same output",
            left_out.flat_with
        ));
        return likely(0.4, evidence, confirm);
    }
    // Rows without it that came before may well have varied, and another model may have come in its
    // place.
    let before = left_out.rows_before > FEW;
    let overwritten = facts
        .truth
        .disk
        .iter()
        .any(|d| d.overwritten.contains(&facts.version));
    let alone = !before && !overwritten && left_out.sent_here > LONG;
    if contrast.is_some() || stopped && alone {
        return unless_cached(facts, evidence, confirm);
    }
    if stopped {
        return likely(0.6, evidence, confirm);
    }
    // Never sent: many an input has a default that is meant.
    let never = left_out.with.rows + left_out.sent_before == 0;
    likely(if never { 0.4 } else { 0.5 }, evidence, confirm)
}

/// The input that most calls leave out, and did not leave out long before the trouble.
fn left_out_lately(facts: &Facts) -> Option<(&String, &LeftOut)> {
    facts
        .left_out
        .iter()
        .filter(|(_, l)| !l.late && l.calls * 2 > facts.calls && l.rows_before <= LONG)
        .max_by_key(|(_, l)| l.calls)
}
