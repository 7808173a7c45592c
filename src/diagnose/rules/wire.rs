//! What the request itself proves: D1, D2, D3, D4, D7.

use super::{ENOUGH, certain, doctor, likely, percent};
use crate::diagnose::Opinion;
use crate::diagnose::facts::Facts;
use crate::report::Kind;

/// D1: the client sends one buffer again and again.
pub(super) fn d1(facts: &Facts) -> Opinion {
    if facts.rows == 0 {
        return Opinion::Silent;
    }
    let repeated = facts.kind == Some(Kind::InputCollapse)
        || (facts.rows >= 20 && facts.distinct_raw * 20 <= facts.rows);
    if !repeated {
        return Opinion::Against(format!(
            "{} distinct inputs in {} rows: the client does vary what it sends",
            facts.distinct_raw, facts.rows
        ));
    }
    let evidence = vec![
        format!(
            "{} rows held only {} distinct raw inputs",
            facts.rows, facts.distinct_raw
        ),
        format!(
            "they came from {} client libraries",
            facts.clients.len().max(1)
        ),
    ];
    let confirm =
        "log a checksum of the request buffer in the client just before the call".to_owned();
    if facts.distinct_raw == 1 {
        return certain(evidence, confirm);
    }
    likely(0.8, evidence, confirm)
}

/// D2: values in the wrong typed field, too few or none, which TensorFlow fills in silence.
pub(super) fn d2(facts: &Facts) -> Opinion {
    if facts.distinct_raw < ENOUGH {
        return Opinion::Silent;
    }
    let collapsed = facts.distinct_effective * 8 <= facts.distinct_raw;
    let bad: Vec<_> = facts
        .inputs
        .iter()
        .filter(|(_, e)| e.calls_foreign > 0 || e.calls_filled > 0)
        .collect();
    if !collapsed {
        return Opinion::Against(format!(
            "{} raw inputs decode to {} effective tensors: the encoding keeps them apart",
            facts.distinct_raw, facts.distinct_effective
        ));
    }
    let mut evidence = vec![format!(
        "{} distinct raw inputs decode to {} effective tensors",
        facts.distinct_raw, facts.distinct_effective
    )];
    for (name, e) in bad {
        let (declared, given) = e.example;
        let mut line = format!(
            "input `{name}` ({}) declares {declared} elements and fills {given} in its own field, in {} of {} calls",
            e.dtype,
            e.calls_filled.max(e.calls_foreign),
            e.calls
        );
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
    certain(evidence, doctor(facts, true))
}

/// D3: an input of the signature is left out and the exported default is used.
pub(super) fn d3(facts: &Facts) -> Opinion {
    let Some(wanted) = &facts.signature_inputs else {
        return Opinion::Silent;
    };
    let missing: Vec<_> = wanted
        .iter()
        .filter(|name| !facts.inputs.contains_key(*name))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Opinion::Against(format!(
            "all {} inputs of the signature are sent",
            wanted.len()
        ));
    }
    // The call succeeded, so the server filled the input in: that much is certain.
    certain(
        vec![
            format!(
                "the signature lists {} inputs; {} calls never sent `{}`",
                wanted.len(),
                facts.calls,
                missing.join("`, `")
            ),
            "the calls succeeded all the same: the exported default is used".to_owned(),
        ],
        format!(
            "send `{}` with two different values and compare: {}",
            missing[0],
            doctor(facts, true)
        ),
    )
}

/// D4: tf.Example feature names changed, so that the parser's defaults are used.
pub(super) fn d4(facts: &Facts) -> Opinion {
    match &facts.example_keys_changed {
        Some(change) => likely(
            0.85,
            vec![format!("the feature names inside the tf.Example inputs changed at the onset: {change}")],
            "compare the feature names the client writes with the serving_input_receiver's parsing spec".to_owned(),
        ),
        None => Opinion::Silent,
    }
}

/// D7: a control input (dropout, phase) has the wrong value, and only there the output is flat.
pub(super) fn d7(facts: &Facts) -> Opinion {
    for (name, values) in &facts.controls {
        let flat: Vec<_> = values.iter().filter(|(_, s)| s.is_flat()).collect();
        let varied: Vec<_> = values.iter().filter(|(_, s)| s.varies()).collect();
        if let ([(bad, flat)], Some((good, varied))) = (flat.as_slice(), varied.first()) {
            return certain(
                vec![
                    format!(
                        "with `{name}` = {bad}: {} distinct inputs, {} distinct outputs",
                        flat.distinct_inputs, flat.distinct_outputs
                    ),
                    format!(
                        "with `{name}` = {good}: {} distinct inputs, {} distinct outputs",
                        varied.distinct_inputs, varied.distinct_outputs
                    ),
                ],
                format!("send one input twice, with `{name}` = {bad} and = {good}"),
            );
        }
    }
    if facts.controls.is_empty() {
        return Opinion::Silent;
    }
    let names: Vec<_> = facts.controls.keys().map(String::as_str).collect();
    let rows: u64 = facts
        .controls
        .values()
        .flat_map(|v| v.values())
        .map(|s| s.rows)
        .sum();
    Opinion::Against(format!(
        "no value of `{}` separates flat from varied replies ({:.0} % of rows looked at)",
        names.join("`, `"),
        percent(rows.min(facts.rows), facts.rows)
    ))
}
