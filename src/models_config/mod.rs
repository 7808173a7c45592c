//! `models.config`: the text form of `ModelServerConfig`, parsed by reflection, with the place of
//! every field, so that what is said about it can point at it.

mod place;

pub use place::{At, Field};

use crate::proto::tensorflow::serving as pb;
use pb::file_system_storage_path_source_config::servable_version_policy::PolicyChoice;
use pb::model_server_config::Config as Choice;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;
use thiserror::Error;

/// A file with more bytes is refused before it is read: 4 MiB are some 20,000 models.
pub const LARGEST: u64 = 4 << 20;

/// Messages in messages; a real file has five.
const DEEPEST: usize = 64;

/// Why a `models.config` cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{at}: {reason}")]
pub struct Mistake {
    /// Line and column.
    pub at: At,
    /// What is wrong, in words.
    pub reason: String,
}

/// Which versions of a model are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// The newest so many; 1 unless said otherwise.
    Latest(u32),
    /// All of them.
    All,
    /// These alone, whatever else is on disk.
    Specific(Vec<i64>),
}

/// One model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Where its entry begins, and the places of its fields.
    pub place: Field,
    /// `name`.
    pub name: String,
    /// `base_path`.
    pub base_path: String,
    /// `model_platform`; empty when it is not there.
    pub platform: String,
    /// `model_type`, which `model_platform` superseded.
    pub model_type: Option<pb::ModelType>,
    /// `model_version_policy`.
    pub policy: Policy,
    /// `version_labels`.
    pub labels: BTreeMap<String, i64>,
    /// `logging_config` is there.
    pub has_logging: bool,
}

impl Model {
    /// Where the field at `path` stands, or else the entry itself.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> At {
        self.place
            .find(path)
            .map_or(self.place.at, |field| field.at)
    }

    /// Where a label stands.
    #[must_use]
    pub fn label_at(&self, label: &str) -> At {
        self.place
            .all("version_labels")
            .find(|entry| entry.find(&["key"]).is_some_and(|key| key.says(label)))
            .map_or(self.place.at, |entry| entry.at)
    }

    /// Where a version of `specific` stands.
    #[must_use]
    pub fn version_at(&self, version: i64) -> At {
        let specific = self.place.find(&["model_version_policy", "specific"]);
        specific
            .and_then(|field| {
                let written = version.to_string();
                field
                    .all("versions")
                    .find(|f| f.says(&written))
                    .map(|f| f.at)
            })
            .unwrap_or_else(|| self.at(&["model_version_policy", "specific"]))
    }
}

/// A whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelsConfig {
    /// `model_config_list`, in order.
    pub models: Vec<Model>,
    /// Where `custom_model_config` stands, if it does.
    pub custom: Option<At>,
}

impl ModelsConfig {
    /// The entry of a model.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }
}

/// Reads a file of at most [`LARGEST`] bytes.
///
/// # Errors
/// That it cannot be read, or where and why it is no `models.config`.
pub fn read(path: &Path) -> Result<ModelsConfig, Mistake> {
    parse(&read_text(path)?)
}

/// Reads the text of a file of at most [`LARGEST`] bytes.
///
/// # Errors
/// That it cannot be read, is too large, or is no text.
pub fn read_text(path: &Path) -> Result<String, Mistake> {
    let start = |reason: String| Mistake {
        at: At::START,
        reason,
    };
    let file = std::fs::File::open(path).map_err(|e| start(format!("cannot be read: {e}")))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| start(format!("cannot be read: {e}")))?;
    if bytes.len() as u64 > LARGEST {
        let size = std::fs::metadata(path).map_or(0, |found| found.len());
        return Err(start(format!(
            "has {size} bytes, and a configuration is read up to {LARGEST}"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
        Mistake {
            at: At::of(&before, valid),
            reason: "is no UTF-8 text from here on".to_owned(),
        }
    })
}

/// Parses the text as TensorFlow Serving does.
///
/// # Errors
/// The first mistake; TensorFlow Serving would not start with this file.
pub fn parse(text: &str) -> Result<ModelsConfig, Mistake> {
    if text.starts_with('\u{feff}') {
        return Err(Mistake {
            at: At::START,
            reason: "begins with a byte order mark, at which the server gives up: save it as UTF-8 without one"
                .to_owned(),
        });
    }
    if let Some(at) = place::deeper_than(text, DEEPEST) {
        return Err(Mistake {
            at: At::of(text, at),
            reason: format!("more than {DEEPEST} messages in each other"),
        });
    }
    static DESCRIPTORS: LazyLock<DescriptorPool> = LazyLock::new(|| {
        let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/model_server_config.bin"));
        DescriptorPool::decode(bytes.as_slice()).unwrap_or_default()
    });
    let descriptor = DESCRIPTORS
        .get_message_by_name("tensorflow.serving.ModelServerConfig")
        .ok_or_else(|| Mistake {
            at: At::START,
            reason: "the built-in descriptors are broken".to_owned(),
        })?;
    let dynamic = DynamicMessage::parse_text_format(descriptor, text)
        .map_err(|error| mistake(text, &error))?;
    // By way of the wire form: the dynamic message and the generated type share nothing else.
    let config =
        pb::ModelServerConfig::decode(dynamic.encode_to_vec().as_slice()).unwrap_or_default();
    Ok(join(config, &place::fields(text)))
}

fn mistake(text: &str, error: &prost_reflect::text_format::ParseError) -> Mistake {
    use miette::Diagnostic;
    let offset = error.labels().and_then(|mut labels| labels.next());
    let reason = error.to_string();
    Mistake {
        at: At::of(text, offset.map_or(text.len(), |label| label.offset())),
        reason: match hint(&reason) {
            Some(hint) => format!("{reason}; {hint}"),
            None => reason,
        },
    }
}

/// What people write after reading old pages, and what it is called.
fn hint(reason: &str) -> Option<String> {
    let field = reason.strip_prefix("field '")?.split('\'').next()?;
    let (right, example) = match field {
        "version_policy" | "servable_version_policy" | "model_version_policies" => (
            "model_version_policy",
            "model_version_policy { latest { num_versions: 2 } }",
        ),
        "platform" | "model_platforms" => ("model_platform", "model_platform: \"tensorflow\""),
        "path" | "model_path" | "model_base_path" => ("base_path", "base_path: \"/models/digits\""),
        "model_name" => ("name", "name: \"digits\""),
        "labels" | "version_label" | "model_version_labels" => (
            "version_labels",
            "version_labels { key: \"stable\" value: 3 }",
        ),
        "version" => ("versions", "specific { versions: 3 }"),
        "models" | "model" | "model_config" | "configs" | "config"
            if reason.contains("ModelServerConfig'") =>
        {
            (
                "model_config_list",
                "model_config_list { config { name: \"digits\" } }",
            )
        }
        "models" | "model" | "model_config" | "configs" => (
            "config",
            "model_config_list { config { name: \"digits\" } }",
        ),
        _ => return None,
    };
    Some(format!(
        "the field is called `{right}` (example: {example})"
    ))
}

fn join(config: pb::ModelServerConfig, places: &[Field]) -> ModelsConfig {
    let named = |name: &str| places.iter().find(|field| field.name == name);
    match config.config {
        None => ModelsConfig::default(),
        Some(Choice::CustomModelConfig(_)) => ModelsConfig {
            models: Vec::new(),
            custom: Some(named("custom_model_config").map_or(At::START, |field| field.at)),
        },
        Some(Choice::ModelConfigList(list)) => {
            let list_place = named("model_config_list");
            let mut entries = list_place.iter().flat_map(|field| field.all("config"));
            let models = list
                .config
                .into_iter()
                .map(|model| one(model, entries.next().cloned().unwrap_or_default()))
                .collect();
            ModelsConfig {
                models,
                custom: None,
            }
        }
    }
}

fn one(config: pb::ModelConfig, place: Field) -> Model {
    let choice = config.model_version_policy.and_then(|p| p.policy_choice);
    Model {
        place,
        name: config.name,
        base_path: config.base_path,
        platform: config.model_platform,
        model_type: pb::ModelType::try_from(config.model_type)
            .ok()
            .filter(|kind| *kind != pb::ModelType::Unspecified),
        policy: match choice {
            None => Policy::Latest(1),
            Some(PolicyChoice::Latest(latest)) => Policy::Latest(latest.num_versions),
            Some(PolicyChoice::All(_)) => Policy::All,
            Some(PolicyChoice::Specific(specific)) => Policy::Specific(specific.versions),
        },
        labels: config.version_labels.into_iter().collect(),
        has_logging: config.logging_config.is_some(),
    }
}

#[cfg(test)]
mod tests;
