//! What the accounts of the version say against each other: D12, D13, D16, D17, D18.

use super::{Answered, finding};
use crate::diagnose::facts::{Disk, ModelTruth, VersionStatus};
use crate::diagnose::{Reach, confirm};
use crate::report::{Category, Finding};

/// Calls that ask for an older version, by number or by label, and none for the newest, before that
/// is said.
const ASKED: u64 = 20;
const ASKED_LABEL: u64 = 100;

/// What is known of one model.
pub(super) struct Scene<'a> {
    pub model: &'a str,
    pub reach: &'a Reach,
    pub truth: &'a ModelTruth,
    pub answered: &'a Answered,
}

impl Scene<'_> {
    fn doctor(&self) -> String {
        self.reach.doctor(self.model)
    }

    fn status(&self) -> &[VersionStatus] {
        self.truth.status.as_deref().unwrap_or_default()
    }

    /// The newest version that answers, by the replies or else by the server's word.
    fn serving(&self) -> Option<i64> {
        let available = self.status().iter().filter(|v| v.is_available());
        let available = available.map(|v| v.version).max();
        let replied = self.answered.versions.keys().copied().max();
        replied.max(available)
    }

    fn found(
        &self,
        rule: &str,
        category: Category,
        version: Option<i64>,
        evidence: Vec<String>,
        confirm: String,
    ) -> Option<Finding> {
        (!evidence.is_empty()).then(|| Finding {
            version,
            ..finding(rule, self.model, category, true, evidence, confirm)
        })
    }
}

/// D12: the folder of the version that serves, or of a newer one, is only partly there.
pub(super) fn d12(scene: &Scene<'_>) -> Option<Finding> {
    let disk = scene.truth.disk.as_ref()?;
    let serving = scene.serving().unwrap_or(i64::MIN);
    let incomplete = disk.incomplete.iter();
    let incomplete: Vec<_> = incomplete
        .filter(|(version, _)| **version >= serving && !disk.young.contains(version))
        .collect();
    let evidence = incomplete
        .iter()
        .map(|(version, what)| format!("the folder of version {version} is not complete: {what}"));
    let newest = disk.versions.last().copied().unwrap_or_default();
    scene.found(
        "D12",
        Category::Loading,
        incomplete.last().map(|(version, _)| **version),
        evidence.collect(),
        format!("ls -lR {}", confirm::path(&disk.base, newest)),
    )
}

/// D13: a newer version failed to load, the old one was kept.
pub(super) fn d13(scene: &Scene<'_>) -> Option<Finding> {
    let available = scene.status().iter().filter(|v| v.is_available());
    let serving = available.map(|v| v.version).max();
    let failed = scene.status().iter();
    let failed: Vec<_> = failed
        .filter(|v| v.has_failed() && serving.is_none_or(|serving| v.version > serving))
        // Whoever took the folder away has answered it.
        .filter(|v| {
            let disk = scene.truth.disk.as_ref();
            disk.is_none_or(|disk| disk.versions.is_empty() || disk.versions.contains(&v.version))
        })
        .collect();
    let evidence = failed.iter().map(|failed| {
        let instead = serving.map_or_else(
            || "no version answers".to_owned(),
            |v| format!("version {v} answers in its place"),
        );
        format!(
            "version {} is in state {} with error {}: {}; {instead}",
            failed.version,
            failed.state,
            failed.code,
            failed.message.chars().take(300).collect::<String>()
        )
    });
    let newest = failed.iter().map(|v| v.version).max();
    let evidence = evidence.collect();
    scene.found("D13", Category::Loading, newest, evidence, scene.doctor())
}

/// D16: a folder beside the versions is skipped for its name.
pub(super) fn d16(scene: &Scene<'_>) -> Option<Finding> {
    let disk = scene.truth.disk.as_ref()?;
    let evidence = disk.skipped.iter().map(|name| {
        format!("TensorFlow Serving skips the folder `{name}`: its name is no whole number")
    });
    scene.found(
        "D16",
        Category::Configuration,
        None,
        evidence.collect(),
        format!("ls -l {}", confirm::quoted(&disk.base)),
    )
}

/// D17: a pinned or stale version answers, or the accounts of the version disagree.
pub(super) fn d17(scene: &Scene<'_>) -> Option<Finding> {
    let mut evidence = Vec::new();
    evidence.extend(pinned(scene));
    evidence.extend(newer_on_disk(scene));
    evidence.extend(answers_unlisted(scene));
    evidence.extend(label_without_version(scene));
    // Asking for it is a choice, and the newest may be a canary's alone.
    let proved = !evidence.is_empty();
    evidence.extend(asked_for_older(scene));
    let (category, serving) = (Category::Configuration, scene.serving());
    let found = scene.found("D17", category, serving, evidence, scene.doctor())?;
    Some(Finding {
        certain: proved,
        ..found
    })
}

/// models.config names versions, and a newer one is there.
fn pinned(scene: &Scene<'_>) -> Option<String> {
    let config = scene.truth.config.as_ref()?;
    let newest_pinned = config.pinned.iter().copied().max()?;
    let newest = newest_on_disk(scene.truth.disk.as_ref()?)?;
    (newest > newest_pinned).then(|| {
        format!(
            "models.config pins the versions {:?} while version {newest} is on disk: it is never loaded",
            config.pinned
        )
    })
}

/// A version on disk that the server does not know of, though nothing keeps it from loading it.
fn newer_on_disk(scene: &Scene<'_>) -> Option<String> {
    let disk = scene.truth.disk.as_ref()?;
    let newest = newest_on_disk(disk)?;
    let serving = scene.serving()?;
    let status = scene.truth.status.as_ref();
    let pinned = scene
        .truth
        .config
        .as_ref()
        .is_some_and(|c| !c.pinned.is_empty());
    let known = status.is_some_and(|s| s.iter().any(|v| v.version == newest));
    if newest <= serving || known || pinned {
        return None;
    }
    let word = if status.is_some() {
        "and the server has no trace of it"
    } else {
        "and what the server says of it is unknown"
    };
    Some(format!(
        "version {serving} answers while version {newest} is on disk, {word}"
    ))
}

/// Every call asks for a version or label that is not the newest available one.
fn asked_for_older(scene: &Scene<'_>) -> Option<String> {
    let newest = scene
        .status()
        .iter()
        .filter(|v| v.is_available())
        .map(|v| v.version)
        .max()?;
    let answered = &scene.answered.versions;
    let (version, replies) = answered.iter().next_back()?;
    // What was answered before the newest version was known to be there says nothing.
    if *version >= newest || replies.last_nanos < scene.truth.status_nanos {
        return None;
    }
    let asked = &replies.asked;
    let by_number = asked.versions.get(version).copied().unwrap_or(0);
    let by_label: u64 = asked.labels.values().sum();
    // A canary may be asked for once in a hundred calls.
    if by_number < ASKED && by_label < ASKED_LABEL || asked.latest > 0 {
        return None;
    }
    let labels: Vec<_> = asked.labels.keys().map(String::as_str).collect();
    Some(if by_label > 0 {
        format!(
            "version {newest} is available and nobody gets it: {by_label} calls asked for the label `{}`, which is version {version}",
            labels.join("`, `")
        )
    } else {
        format!(
            "version {newest} is available and nobody gets it: {by_number} calls asked for version {version} by number"
        )
    })
}

/// A version answers that the server, asked before, says it does not serve.
fn answers_unlisted(scene: &Scene<'_>) -> Option<String> {
    let status = scene.truth.status.as_ref()?;
    let (version, _) = scene.answered.versions.iter().find(|(version, replies)| {
        let serves = status
            .iter()
            .any(|v| v.version == **version && v.state != "END");
        // Seen before and after the server was asked: it is not a version that just came or went.
        let before = replies.steady_nanos < scene.truth.status_nanos;
        let after = replies.last_nanos > scene.truth.status_nanos.saturating_add(2_000_000_000);
        **version > 0 && !serves && before && after
    })?;
    let listed: Vec<String> = status
        .iter()
        .map(|v| format!("{} {}", v.version, v.state))
        .collect();
    Some(format!(
        "replies say version {version}, the server says that it has {}: something between answers",
        listed.join(", ")
    ))
}

/// A label of models.config on a version that the server does not serve.
fn label_without_version(scene: &Scene<'_>) -> Option<String> {
    let config = scene.truth.config.as_ref()?;
    let status = scene.truth.status.as_ref()?;
    let (label, version) = config.labels.iter().find(|(_, version)| {
        !status
            .iter()
            .any(|v| v.version == **version && v.is_available())
    })?;
    Some(format!(
        "models.config gives the label `{label}` to version {version}, which is not available"
    ))
}

/// D18: the folder of a version that serves was overwritten in place.
pub(super) fn d18(scene: &Scene<'_>) -> Option<Finding> {
    let disk = scene.truth.disk.as_ref()?;
    let serving = scene.serving()?;
    if !disk.overwritten.contains(&serving) {
        return None;
    }
    let found = scene.found(
        "D18",
        Category::Configuration,
        Some(serving),
        vec![format!(
            "files of version {serving} are newer than its first reply: they were overwritten in place, and the server, which goes by numbers alone, does not load them unless it is told to"
        )],
        format!("ls -lR --time-style=full-iso {}", confirm::path(&disk.base, serving)),
    );
    // They may have been touched only, or loaded anew between two looks at the server.
    found.map(|found| Finding {
        certain: false,
        ..found
    })
}

fn newest_on_disk(disk: &Disk) -> Option<i64> {
    let old = |version: &&i64| !disk.young.contains(version);
    disk.versions.iter().filter(old).copied().max()
}
