//! What it means when the server does not answer.

use super::Questions;
use crate::diagnose::facts::{Signature, VersionStatus};
use crate::error::Error;
use crate::report::{Category, Finding};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use tonic::{Code, Status};

/// A server that is away, speaks something else, or answers neither question, is none to examine.
pub(super) fn available(
    questions: &Questions,
    status: Option<&Status>,
    signatures: Option<&Status>,
) -> Result<(), Error> {
    let away = |answer: &&Status| {
        matches!(
            answer.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled
        )
    };
    let both = status.zip(signatures).map(|(a, b)| [a, b]);
    let all = |code| both.is_some_and(|both| both.iter().all(|answer| answer.code() == code));
    let broken = both.into_iter().flatten().find(|answer| is_broken(answer));
    let reason = if let Some(answer) = broken {
        format!(
            "it does not speak gRPC here: {} (TensorFlow Serving: 8500 is its gRPC port, 8501 is REST; --upstream-tls where it speaks TLS)",
            answer.message()
        )
    } else if let Some(answer) = status.into_iter().chain(signatures).find(away) {
        answer.message().to_owned()
    } else if all(Code::Unimplemented) {
        "it is no TensorFlow Serving: it knows neither GetModelStatus nor GetModelMetadata"
            .to_owned()
    } else if let Some([status, metadata]) = both
        // That it does not know the model is an answer.
        && status.code() != Code::NotFound
    {
        format!(
            "it answers neither GetModelStatus ({}) nor GetModelMetadata ({})",
            status.message(),
            metadata.message()
        )
    } else {
        return Ok(());
    };
    Err(Error::Unavailable(format!(
        "upstream {}: {reason}",
        questions.upstream
    )))
}

/// Whether the connection broke on what came back, as it does where HTTP/1 or TLS is spoken:
/// a server's own status, and a deadline that went by, come without a source.
fn is_broken(answer: &Status) -> bool {
    let mut source = answer.source();
    while let Some(error) = source {
        if error.is::<hyper::Error>() || error.is::<h2::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// The version asked for is none that the server has.
pub(super) fn no_version(questions: &Questions, version: i64, all: &[VersionStatus]) -> Error {
    let all: Vec<_> = all
        .iter()
        .map(|found| format!("version {} {}", found.version, found.state))
        .collect();
    Error::Usage(format!(
        "version: `{}` has no version {version} that answers; the server has {}",
        questions.model,
        listed(&all)
    ))
}

/// The signature asked for is none of the version.
pub(super) fn no_signature<'a>(
    name: &str,
    version: i64,
    all: impl Iterator<Item = &'a String>,
) -> Error {
    let all: Vec<_> = all.map(|name| format!("`{name}`")).collect();
    Error::Usage(format!(
        "signature: version {version} has no signature `{name}`; it has {}",
        listed(&all)
    ))
}

/// What is set has to be an input of some signature.
pub(super) fn all_are_inputs(
    questions: &Questions,
    signatures: &BTreeMap<String, Signature>,
) -> Result<(), Error> {
    let inputs = signatures.values().flat_map(|one| one.inputs.keys());
    let inputs: BTreeSet<&String> = inputs.collect();
    let Some(name) = questions.set.keys().find(|name| !inputs.contains(name)) else {
        return Ok(());
    };
    let inputs: Vec<_> = inputs.iter().map(|name| format!("`{name}`")).collect();
    Err(Error::Usage(format!(
        "set: `{}` has no input `{name}`; it has {}",
        questions.model,
        listed(&inputs)
    )))
}

fn listed(all: &[String]) -> String {
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

pub(super) fn unknown_model(questions: &Questions, refused: &Status) -> Finding {
    Finding {
        rule: "D14".to_owned(),
        model: questions.model.clone(),
        version: None,
        category: Category::Loading,
        // Nobody but whoever asks has named it.
        certain: false,
        evidence: vec![
            format!("the server does not know this model: {}", refused.message()),
            "its name, its base path or the folder below is another: compare with --model_name or models.config of the server".to_owned(),
        ],
        confirm: questions.reach().doctor(&questions.model),
    }
}
