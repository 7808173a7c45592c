//! What became of a pod.

use super::patch::Edits;
use super::pod::Pod;
use super::{INJECTED, SKIPPED, Skip};
use json_patch::Patch;
use std::fmt;

/// What became of a pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The sidecar goes in.
    Patched {
        /// RFC 6902 operations on the pod.
        patch: Patch,
        /// What the owner should know all the same.
        warnings: Vec<String>,
    },
    /// The pod stays without a sidecar.
    Skipped {
        /// Why, as a label.
        reason: Skip,
        /// Why, for the owner of this pod.
        detail: String,
        /// Writes the reason into the pod's annotations; empty where it is there already or does
        /// not belong there.
        patch: Patch,
    },
    /// The pod's annotations ask for something that cannot be done.
    Refused {
        /// All of them.
        mistakes: Vec<Mistake>,
        /// Takes away what an earlier pass said of another pod; empty where it said nothing.
        patch: Patch,
    },
}

/// An annotation with a wrong value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its key, such as `flatline.dev/port`.
    pub annotation: String,
    /// What it says.
    pub value: String,
    /// What is wrong with that.
    pub reason: String,
    /// A value that would do.
    pub example: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake {
            annotation,
            value,
            reason,
            example,
        } = self;
        write!(
            f,
            "{annotation}: `{}` {reason} (example: {annotation}: \"{example}\")",
            shortened(value)
        )
    }
}

/// The beginning of a value, which may be as long as all annotations together.
fn shortened(value: &str) -> String {
    match value.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// Refuses, and leaves no word of another outcome in the annotations of `pod`.
pub(super) fn refused(pod: &Pod<'_>, mistakes: Vec<Mistake>) -> Outcome {
    let mut edits = Edits::default();
    edits.forget(pod, INJECTED);
    edits.forget(pod, SKIPPED);
    Outcome::Refused {
        mistakes,
        patch: edits.finish(),
    }
}

/// Skips, and writes the reason into the annotations of `pod` if one is given.
pub(super) fn skipped(pod: Option<&Pod<'_>>, reason: Skip, detail: &str) -> Outcome {
    let mut edits = Edits::default();
    if let Some(pod) = pod.filter(|pod| pod.annotation(SKIPPED) != Some(reason.as_label())) {
        edits.annotate(pod, &[(SKIPPED, reason.as_label().to_owned())]);
    }
    // Left by a copy of a pod that had the sidecar: this one has none.
    if let Some(pod) = pod {
        edits.forget(pod, INJECTED);
    }
    Outcome::Skipped {
        reason,
        detail: detail.to_owned(),
        patch: edits.finish(),
    }
}
