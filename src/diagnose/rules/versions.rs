//! What the server, the disk and models.config say about the version: D12, D13, D14, D16, D17, D18.
//!
//! These can be true without explaining a collapse; alone they weigh little unless the fact is
//! about the very version that answers.

use super::{doctor, folder, likely};
use crate::diagnose::facts::Facts;
use crate::diagnose::{Opinion, confirm};

/// A version that answers because another could not: more than "training collapsed" in general,
/// less than a version that is seen to be worse than the one before.
const KEPT: f64 = 0.6;
/// An older version that is asked for by its label is likely meant.
const WANTED: f64 = 0.3;

/// D12: the version's folder is only partly there.
pub(super) fn d12(facts: &Facts) -> Opinion {
    let Some(disk) = &facts.truth.disk else {
        return Opinion::Silent;
    };
    match disk.incomplete.get(&facts.version) {
        Some(what) => likely(
            0.9,
            vec![format!(
                "the folder of version {} is not complete: {what}",
                facts.version
            )],
            format!("ls -lR {}", folder(facts)),
        ),
        None if disk.versions.contains(&facts.version) => Opinion::Against(format!(
            "the folder of version {} has all its files",
            facts.version
        )),
        None => Opinion::Silent,
    }
}

/// A version that answered well for a while did so beside the same others: they may be a finding, and
/// are no cause.
fn varied_before(facts: &Facts) -> Opinion {
    Opinion::Against(format!(
        "version {} answered well at first, whatever stands beside it",
        facts.version
    ))
}

/// D13: a newer version failed to load, the old one was kept.
pub(super) fn d13(facts: &Facts) -> Opinion {
    let Some(status) = &facts.truth.status else {
        return Opinion::Silent;
    };
    match status
        .iter()
        .find(|v| v.version > facts.version && v.has_failed())
    {
        Some(_) if !facts.from_first_reply => varied_before(facts),
        Some(failed) => likely(
            KEPT,
            vec![format!(
                "version {} is in state {} with error {}: {}; version {} answers in its place",
                failed.version, failed.state, failed.code, failed.message, facts.version
            )],
            doctor(facts, false),
        ),
        None => Opinion::Against(format!(
            "the server reports no error for any version newer than {}",
            facts.version
        )),
    }
}

/// D14: another model under the right name.
pub(super) fn d14(facts: &Facts) -> Opinion {
    if !facts.from_first_reply {
        return Opinion::Silent;
    }
    match &facts.signature_changed {
        Some(change) => likely(
            KEPT,
            vec![format!(
                "version {} does not promise what the version before did: {change}",
                facts.version
            )],
            doctor(facts, false),
        ),
        None => Opinion::Silent,
    }
}

/// D16: the newest folder's name is no version, so that it is skipped without an error.
pub(super) fn d16(facts: &Facts) -> Opinion {
    let Some(disk) = &facts.truth.disk else {
        return Opinion::Silent;
    };
    match disk.skipped.as_slice() {
        [] => Opinion::Against("every folder beside the versions has an integer name".to_owned()),
        _ if !facts.from_first_reply => varied_before(facts),
        names => likely(
            KEPT,
            vec![format!(
                "TensorFlow Serving skips the folders `{}`: their names are no integers",
                names.join("`, `")
            )],
            format!("ls -l {}", confirm::quoted(&disk.base)),
        ),
    }
}

/// D17: a pinned or stale version answers.
pub(super) fn d17(facts: &Facts) -> Opinion {
    let truth = &facts.truth;
    let newest = truth
        .disk
        .iter()
        .flat_map(|d| d.versions.iter().copied())
        .chain(
            truth
                .status
                .iter()
                .flatten()
                .filter(|v| v.code == 0)
                .map(|v| v.version),
        )
        .max();
    let Some(newest) = newest else {
        return Opinion::Silent;
    };
    if newest <= facts.version {
        return Opinion::Against(format!(
            "version {} is the newest that is known",
            facts.version
        ));
    }
    if !facts.from_first_reply {
        return varied_before(facts);
    }
    let mut evidence = vec![format!(
        "version {} answers while version {newest} exists",
        facts.version
    )];
    if let Some(config) = truth.config.as_ref().filter(|c| !c.pinned.is_empty()) {
        evidence.push(format!(
            "models.config pins the versions {:?}",
            config.pinned
        ));
    }
    if let Some(calls) = truth.asked.versions.get(&facts.version) {
        evidence.push(format!(
            "{calls} calls asked for version {} by number",
            facts.version
        ));
    }
    for (label, calls) in &truth.asked.labels {
        evidence.push(format!("{calls} calls asked for the label `{label}`"));
    }
    // Who asks by label wants an older one beside the newest, as a canary needs it.
    let wanted = !truth.asked.labels.is_empty();
    let weight = if wanted { WANTED } else { KEPT };
    likely(weight, evidence, doctor(facts, false))
}

/// D18: the folder was overwritten in place, which the server does not notice.
pub(super) fn d18(facts: &Facts) -> Opinion {
    let Some(disk) = &facts.truth.disk else {
        return Opinion::Silent;
    };
    if disk.overwritten.contains(&facts.version) {
        return likely(
            0.4,
            vec![format!(
                "files of version {} are newer than its first reply: they were overwritten in place and not loaded",
                facts.version
            )],
            format!("ls -lR --time-style=full-iso {}", folder(facts)),
        );
    }
    Opinion::Against(format!(
        "no file of version {} changed since it serves",
        facts.version
    ))
}
