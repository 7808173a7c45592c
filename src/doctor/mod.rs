//! `flatline doctor`: asks a running server what it knows of a model, and with a probe whether
//! its outputs follow its inputs. Works before Flatline is deployed at all.

mod probe;

use crate::config::Address;
use crate::diagnose::facts::{Disk, VersionStatus};
use crate::error::Error;
use crate::proto::tensorflow::{DataType, SignatureDef, TensorInfo};
use crate::truth::ask::{Server, Signatures};
use crate::truth::disk;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How long each question may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// What to look at.
#[derive(Debug, Clone)]
pub struct Questions {
    /// Where the server listens.
    pub upstream: Address,
    /// The model's name.
    pub model: String,
    /// The model's base path, where it is mounted.
    pub model_dir: Option<PathBuf>,
    /// Send a few calls.
    pub probe: bool,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Examination {
    /// For people.
    pub text: String,
    /// What is wrong, a sentence each.
    pub findings: Vec<String>,
}

/// Asks, and writes down what the answers say.
///
/// # Errors
/// When the server is not there, or the model volume cannot be read.
pub async fn examine(questions: &Questions) -> Result<Examination, Error> {
    let server = Server::connect(&questions.upstream, DEADLINE)
        .await
        .map_err(|error| {
            let reason = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string);
            Error::Unavailable(format!("upstream {}: {reason}", questions.upstream))
        })?;
    let mut found = Examination::default();
    let _ = writeln!(
        found.text,
        "model {} at {}\n",
        questions.model, questions.upstream
    );
    let disk = match &questions.model_dir {
        None => None,
        Some(dir) => Some(disk::read(dir, |_| None).map_err(|error| {
            Error::Config(format!(
                "model-dir: `{}`: {error} (example: --model-dir /models/digits)",
                dir.display()
            ))
        })?),
    };
    let status = server.status(&questions.model).await;
    let signatures = server.signatures(&questions.model).await;
    for answer in [status.as_ref().err(), signatures.as_ref().err()]
        .into_iter()
        .flatten()
    {
        if matches!(
            answer.code(),
            tonic::Code::Unavailable | tonic::Code::DeadlineExceeded
        ) {
            return Err(Error::Unavailable(format!(
                "upstream {}: {}",
                questions.upstream,
                answer.message()
            )));
        }
    }
    let status = status.map_err(|status| status.message().to_owned());
    let signatures = signatures.map_err(|status| status.message().to_owned());
    accounts(
        &mut found,
        status.as_deref(),
        signatures.as_ref(),
        disk.as_ref(),
    );
    if let Ok(signatures) = &signatures {
        for (name, signature) in &signatures.by_name {
            describe(&mut found.text, name, signature);
        }
    }
    if let (true, Ok(signatures)) = (questions.probe, &signatures) {
        probe::run(&server, &questions.model, signatures, &mut found).await;
    }
    if found.findings.is_empty() {
        found.text.push_str("\nnothing found\n");
    } else {
        found.text.push_str("\nfindings\n");
        for finding in &found.findings {
            let _ = writeln!(found.text, "  {finding}");
        }
    }
    Ok(found)
}

/// What status, reply and disk say of the version, side by side.
fn accounts(
    found: &mut Examination,
    status: Result<&[VersionStatus], &String>,
    signatures: Result<&Signatures, &String>,
    disk: Option<&Disk>,
) {
    found.text.push_str("versions\n");
    match status {
        Err(why) => {
            let _ = writeln!(found.text, "  status      unknown: {why}");
            found
                .findings
                .push(format!("the server does not know this model: {why}"));
        }
        Ok(versions) => {
            for version in versions {
                let error = if version.code == 0 {
                    String::new()
                } else {
                    format!(", error {}: {}", version.code, version.message)
                };
                let _ = writeln!(
                    found.text,
                    "  status      version {} {}{error}",
                    version.version, version.state
                );
            }
        }
    }
    let serving = match signatures {
        Err(why) => {
            let _ = writeln!(found.text, "  answering   unknown: {why}");
            None
        }
        Ok(signatures) => {
            let _ = writeln!(found.text, "  answering   version {}", signatures.version);
            Some(signatures.version)
        }
    };
    for version in status.unwrap_or_default().iter().filter(|v| v.code != 0) {
        let instead = serving.map_or_else(String::new, |v| {
            format!("; version {v} answers in its place")
        });
        found.findings.push(format!(
            "D13 version {} failed to load: {}{instead}",
            version.version, version.message
        ));
    }
    let Some(disk) = disk else {
        found
            .text
            .push_str("  on disk     unknown: no --model-dir\n");
        return;
    };
    let _ = writeln!(found.text, "  on disk     versions {:?}", disk.versions);
    if let (Some(newest), Some(serving)) = (disk.versions.last(), serving)
        && *newest > serving
    {
        found.findings.push(format!(
            "D17 version {serving} answers while version {newest} is on disk"
        ));
    }
    for name in &disk.skipped {
        found.findings.push(format!(
            "D16 the folder `{name}` is skipped: its name is no version number"
        ));
    }
    for (version, what) in &disk.incomplete {
        found.findings.push(format!(
            "D12 the folder of version {version} is not complete: {what}"
        ));
    }
}

fn describe(text: &mut String, name: &str, signature: &SignatureDef) {
    let _ = writeln!(text, "\nsignature {name}");
    for (kind, tensors) in [("input", &signature.inputs), ("output", &signature.outputs)] {
        let mut names: Vec<_> = tensors.iter().collect();
        names.sort_by_key(|(name, _)| *name);
        for (name, info) in names {
            let _ = writeln!(text, "  {kind:<7} {name}: {} {}", dtype(info), shape(info));
        }
    }
}

fn dtype(info: &TensorInfo) -> &'static str {
    DataType::try_from(info.dtype).map_or("unknown type", |dtype| dtype.as_str_name())
}

fn shape(info: &TensorInfo) -> String {
    match &info.tensor_shape {
        Some(shape) if !shape.unknown_rank => {
            let sizes: Vec<String> = shape
                .dim
                .iter()
                .map(|dim| {
                    if dim.size < 0 {
                        "?".to_owned()
                    } else {
                        dim.size.to_string()
                    }
                })
                .collect();
            format!("[{}]", sizes.join(", "))
        }
        _ => "of any shape".to_owned(),
    }
}
