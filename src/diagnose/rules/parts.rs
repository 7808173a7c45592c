//! A part of the traffic that is flat beside one that varies: D4, D7.

use super::{LONG, certain, doctor, folder, likely, percent};
use crate::diagnose::facts::{Facts, Part, Split};
use crate::diagnose::{Opinion, confirm};

/// Certain, unless the same replies came too quickly to have been computed: whoever asks through a
/// cache may differ in what he sends as well.
pub(super) fn unless_cached(facts: &Facts, evidence: Vec<String>, confirm: String) -> Opinion {
    match facts.latency {
        Some(latency) if latency.is_quick() => likely(0.5, evidence, confirm),
        _ => certain(evidence, confirm),
    }
}

/// Why it is not proved that this alone has made the difference.
pub(super) fn changed_as_well(facts: &Facts) -> String {
    match &facts.input_shift {
        Some(shift) => format!("other inputs changed as well: {shift}"),
        None => "other inputs of these calls changed as well, or hold what cannot be measured"
            .to_owned(),
    }
}

/// D4: tf.Example feature names changed, so that the parser's defaults are used.
pub(super) fn d4(facts: &Facts) -> Opinion {
    let confirm = confirm::reads(&facts.example_features, &folder(facts));
    let mut parts = facts.example_keys.iter();
    let flat = parts.find(|(_, part)| part.rows_before <= LONG && part.now.is_flat());
    let varied = facts
        .example_keys
        .iter()
        .find(|(_, part)| part.now.varies());
    if let (Some((bad, flat)), Some((good, varied))) = (flat, varied) {
        let line = |names: &str, part: &Part| {
            format!(
                "tf.Examples with {names}: {} distinct inputs, {} distinct outputs",
                part.now.distinct_inputs, part.now.distinct_outputs
            )
        };
        let mut evidence = vec![line(bad, flat), line(good, varied)];
        if facts.input_shift.is_some() || flat.moved {
            evidence.push(changed_as_well(facts));
            return likely(0.75, evidence, confirm);
        }
        return unless_cached(facts, evidence, confirm);
    }
    match &facts.example_keys_changed {
        Some(change) => likely(
            0.85,
            vec![format!(
                "the feature names inside the tf.Example inputs changed at the onset: {change}"
            )],
            confirm,
        ),
        None => Opinion::Silent,
    }
}

/// D7: a control input (dropout, phase) has the wrong value, and only there the output is flat.
pub(super) fn d7(facts: &Facts) -> Opinion {
    for (name, values) in &facts.controls {
        let flat: Vec<_> = values.iter().filter(|(_, p)| p.now.is_flat()).collect();
        let varied: Vec<_> = values.iter().filter(|(_, p)| p.now.varies()).collect();
        if let ([(bad, flat)], Some((good, varied))) = (flat.as_slice(), varied.first())
            && flat.rows_before <= LONG
        {
            let line = |value: &str, of: &Split| {
                format!(
                    "with `{name}` = {value}: {} distinct inputs, {} distinct outputs",
                    of.distinct_inputs, of.distinct_outputs
                )
            };
            let mut evidence = vec![line(bad, &flat.now), line(good, &varied.now)];
            let with = |value: &str| {
                let set = confirm::quoted(&format!("{name}={value}"));
                format!("{} --set {set}", doctor(facts, true))
            };
            let confirm = format!("{}; {}", with(bad), with(good));
            if facts.input_shift.is_some() || flat.moved {
                evidence.push(changed_as_well(facts));
                return likely(0.75, evidence, confirm);
            }
            return unless_cached(facts, evidence, confirm);
        }
    }
    if let Some(change) = &facts.control_changed {
        return likely(
            0.85,
            vec![format!("a control input changed at the onset: {change}")],
            doctor(facts, true),
        );
    }
    if facts.controls.is_empty() {
        return Opinion::Silent;
    }
    let names: Vec<_> = facts.controls.keys().map(String::as_str).collect();
    let rows: u64 = facts
        .controls
        .values()
        .flat_map(|v| v.values())
        .map(|part| part.now.rows)
        .sum();
    Opinion::Against(format!(
        "no value of `{}` separates flat from varied replies ({:.0} % of rows looked at)",
        names.join("`, `"),
        percent(rows.min(facts.rows), facts.rows)
    ))
}
