//! Puts the sidecar into a Pod: a pure function from a Pod to an RFC 6902 patch, which the webhook
//! and the command line share.
//!
//! A pod is patched whole, skipped with a reason, or refused with every mistake in its annotations;
//! a second pass over a patched pod changes nothing, unless a mesh came in.

mod annotations;
mod exclude;
mod flags;
mod grace;
mod health;
mod image;
mod mesh;
mod outcome;
mod patch;
mod pod;
mod port;
mod ports;
mod probes;
mod redirect;
mod resources;
mod server;
mod settings;
mod shell;
mod sidecar;
mod skip;
mod start;
mod takeover;
mod text;

pub use annotations::{INJECT, INJECTED, SKIPPED, is_log_filter};
pub use image::is_image;
pub use outcome::{Mistake, Outcome};
pub use redirect::script as redirect_script;
pub use resources::{is_enough, quantity};
pub use settings::{OnBadAnnotation, Probes, Redirect, Settings};
pub use sidecar::{ADMIN_PORT_NAME, NAME as SIDECAR_NAME, UID};
pub use skip::Skip;

use annotations::Overrides;
use outcome::{refused, skipped};
use pod::Pod;
use serde_json::Value;
use takeover::Refusal;

/// What has to be done to `pod`, an object with `metadata` and `spec` (a Pod or the template of
/// one), so that Flatline stands in front of its model server.
///
/// Never panics, whatever `pod` is. The patch of a second pass is empty, unless a mesh came in.
#[must_use]
pub fn inject(pod: &Value, settings: &Settings) -> Outcome {
    let Some(pod) = Pod::read(pod) else {
        return skipped(
            None,
            Skip::NotAPod,
            "expected metadata, spec and a list of containers, whose command and args are text (8500 \
             in quotes)",
        );
    };
    if pod.is_being_deleted() {
        return skipped(
            None,
            Skip::BeingDeleted,
            "metadata.deletionTimestamp is set",
        );
    }
    if let Some(name) = sidecar::present(&pod) {
        let detail = format!("container `{name}` is Flatline already");
        return Outcome::Skipped {
            reason: Skip::AlreadyInjected,
            detail,
            patch: health::past_mesh(&pod, name),
        };
    }
    let overrides = match Overrides::read(&pod) {
        Ok(overrides) => overrides,
        Err(mistakes) => return refused(&pod, mistakes),
    };
    if overrides.opted_out {
        let detail = format!("{INJECT} says so");
        return skipped(Some(&pod), Skip::OptedOut, &detail);
    }
    match takeover::plan(&pod, &overrides, settings) {
        Ok((patch, warnings)) => Outcome::Patched { patch, warnings },
        Err(Refusal::Skip(reason, detail)) => skipped(Some(&pod), reason, &detail),
        Err(Refusal::Mistake(mistake)) => refused(&pod, vec![mistake]),
    }
}
