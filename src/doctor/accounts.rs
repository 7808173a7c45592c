//! The five accounts of the version: request, reply, status, disk, models.config.

use super::{Probe, Questions};
use crate::diagnose::accounts;
pub use crate::diagnose::accounts::Account;
use crate::diagnose::facts::{ModelTruth, Signature, TensorSpec};
use crate::proto::tensorflow::serving::model_spec::VersionChoice;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

pub(super) fn all(
    questions: &Questions,
    no_status: Option<String>,
    reply: Result<i64, String>,
    probe: Option<&Probe>,
    truth: &ModelTruth,
) -> Vec<Account> {
    vec![
        request(questions),
        replied(reply, probe),
        status(no_status, truth),
        disk(questions, truth),
        config(questions, truth),
    ]
}

fn known(account: &'static str, says: String) -> Account {
    Account::new(account, Ok(says))
}

fn unknown(account: &'static str, why: &str) -> Account {
    Account::new(account, Err(why))
}

fn request(questions: &Questions) -> Account {
    if let Some(version) = questions.version {
        let says = format!("version {version} by number (asked by the doctor)");
        return known("request", says);
    }
    let Some(recorded) = &questions.recorded else {
        return known(
            "request",
            "the newest version (asked by the doctor)".to_owned(),
        );
    };
    let spec = recorded.model_spec.clone().unwrap_or_default();
    let asked = match spec.version_choice {
        None => "the newest version".to_owned(),
        Some(VersionChoice::Version(version)) => format!("version {version} by number"),
        Some(VersionChoice::VersionLabel(label)) => format!("the label `{label}`"),
    };
    known("request", format!("{asked} (as recorded)"))
}

fn replied(reply: Result<i64, String>, probe: Option<&Probe>) -> Account {
    match (reply, probe.and_then(|probe| probe.version)) {
        (Ok(version), Some(probed)) if probed != version => known(
            "reply",
            format!("version {probed} answers Predict, version {version} GetModelMetadata"),
        ),
        (Ok(version), _) => known("reply", format!("version {version}")),
        (Err(why), _) => unknown("reply", &why),
    }
}

fn status(no_status: Option<String>, truth: &ModelTruth) -> Account {
    let why = no_status.unwrap_or_default();
    Account::new("status", accounts::status(truth).ok_or(&why))
}

fn disk(questions: &Questions, truth: &ModelTruth) -> Account {
    let why = match &questions.volume.model_dir {
        None => "no --model-dir".to_owned(),
        Some(dir) => format!("nothing in {} is known to be this model", dir.display()),
    };
    Account::new("disk", accounts::disk(truth).ok_or(&why))
}

fn config(questions: &Questions, truth: &ModelTruth) -> Account {
    let says = match (accounts::config(truth), &questions.volume.models_config) {
        (None, None) => Err("no --models-config"),
        (None, Some(path)) => Ok(format!("no entry for this model in {}", path.display())),
        (Some(says), _) => Ok(says),
    };
    Account::new("models.config", says)
}

/// Signatures as JSON: `{name: {inputs: {name: {dtype, shape}}, outputs: …}}`.
pub(super) fn signatures<S: Serializer>(
    signatures: &BTreeMap<String, Signature>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Tensor<'a> {
        dtype: &'a str,
        shape: Option<&'a Vec<i64>>,
    }
    #[derive(Serialize)]
    struct Both<'a> {
        inputs: BTreeMap<&'a str, Tensor<'a>>,
        outputs: BTreeMap<&'a str, Tensor<'a>>,
    }
    fn tensors(specs: &BTreeMap<String, TensorSpec>) -> BTreeMap<&str, Tensor<'_>> {
        let tensor = |(name, spec)| {
            let (name, spec): (&String, &TensorSpec) = (name, spec);
            let tensor = Tensor {
                dtype: &spec.dtype,
                shape: spec.dims.as_ref(),
            };
            (name.as_str(), tensor)
        };
        specs.iter().map(tensor).collect()
    }
    let mut map = serializer.serialize_map(Some(signatures.len()))?;
    for (name, signature) in signatures {
        let both = Both {
            inputs: tensors(&signature.inputs),
            outputs: tensors(&signature.outputs),
        };
        map.serialize_entry(name, &both)?;
    }
    map.end()
}
