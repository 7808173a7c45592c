//! What the server says when it refuses calls: D12, D14.

use super::finding;
use crate::diagnose::Reach;
use crate::diagnose::facts::ModelTruth;
use crate::fingerprint::call::VersionAsked;
use crate::report::{Category, Finding};

/// Fewer calls may be somebody trying things out.
const ENOUGH: u64 = 4;

/// What a reason for refusing a call tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A variable or a table that no file gave a value to.
    Unset,
    /// The model is not there, whichever version.
    Unknown,
}

/// Codes of gRPC.
const FAILED_PRECONDITION: i32 = 9;
const NOT_FOUND: i32 = 5;

impl Reason {
    /// Reads `grpc-status` and `grpc-message`, decoded; `None` where they name no cause.
    #[must_use]
    pub fn read(status: i32, message: &str) -> Option<Reason> {
        // As TensorFlow 1 and 2 say it. Other things are uninitialized, too, as lists and arrays.
        let unset = [
            "Attempting to use uninitialized value",
            "the variable was uninitialized",
            "Could not find variable",
            "Failed to find variable",
            "Table not initialized",
        ];
        match status {
            FAILED_PRECONDITION if unset.iter().any(|words| message.contains(words)) => {
                Some(Reason::Unset)
            }
            NOT_FOUND if message.starts_with("Servable not found for request: Latest(") => {
                Some(Reason::Unknown)
            }
            _ => None,
        }
    }
}

/// Calls for one model that were refused for one reason.
#[derive(Debug, Clone)]
pub struct Refused {
    /// What it tells.
    pub reason: Reason,
    /// The reason as the server gave it last.
    pub message: String,
    /// Calls.
    pub calls: u64,
    /// What the last of them asked for.
    pub asked: VersionAsked,
    /// And its signature.
    pub signature: String,
}

/// What refused calls say of a model that is known.
#[must_use]
pub fn of_refused(
    model: &str,
    reach: &Reach,
    truth: &ModelTruth,
    refused: &Refused,
) -> Option<Finding> {
    if refused.calls < ENOUGH {
        return None;
    }
    let mut evidence = vec![format!(
        "the server refused {} calls, the last with: {}",
        refused.calls,
        refused.message.chars().take(300).collect::<String>()
    )];
    let available = truth.status.iter().flatten().filter(|v| v.is_available());
    let version = match refused.asked {
        VersionAsked::Version(version) => Some(version),
        VersionAsked::Latest => available.map(|v| v.version).max(),
        VersionAsked::Label(_) => None,
    };
    let found = match refused.reason {
        Reason::Unset => {
            evidence.push(
                "a variable or a table has no value: its files are not all there, or were exported without it"
                    .to_owned(),
            );
            let confirm = reach.probe(model, version.unwrap_or(0), &refused.signature);
            finding("D12", model, Category::Loading, false, evidence, confirm)
        }
        Reason::Unknown => {
            evidence.push(
                "it had the model before or is configured to: its base path, or the folder below, is another or empty"
                    .to_owned(),
            );
            let confirm = reach.doctor(model);
            finding("D14", model, Category::Loading, false, evidence, confirm)
        }
    };
    Some(Finding { version, ..found })
}
