//! What people write into a `models.config` after reading the web, and what becomes of it.

use super::Report;
use crate::models_config::{At, Model, ModelsConfig, Policy, parse};
use crate::proto::tensorflow::serving::ModelType;
use crate::truth::disk;
use std::collections::HashMap;
use std::path::Path;

const MODEL: &str = "model_config_list { config { name: \"digits\" base_path: \"/models/digits\" model_platform: \"tensorflow\" } }";

pub(super) fn check(report: &mut Report, path: &Path, text: &str) {
    match parse(text) {
        Ok(config) => whole(report, path, &config),
        Err(mut mistake) => {
            let mut example = MODEL;
            if let Some(what) = other_form(text) {
                mistake.reason = format!(
                    "{}; the file looks like {what}, and models.config is protobuf text",
                    mistake.reason
                );
            } else if mistake.reason.contains("the field is called") {
                example = "";
            }
            let at = mistake.at;
            report.mistake("syntax", path, mistake);
            report.at(at, example);
        }
    }
}

/// What else the text may be, where it is no protobuf text.
fn other_form(text: &str) -> Option<&'static str> {
    let mut lines = text.lines().filter(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    let first = lines.next()?;
    let word = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || "-_".contains(c))
    };
    let yaml = |line: &str| {
        let line = line.trim();
        line.starts_with("- ") || line == "---" || line.strip_suffix(':').is_some_and(word)
    };
    if first.trim_start().starts_with(['{', '[']) {
        Some("JSON")
    } else if yaml(first) || lines.take(50).any(yaml) {
        Some("YAML")
    } else if first.trim_start().starts_with('<') {
        Some("XML")
    } else {
        None
    }
}

fn whole(report: &mut Report, path: &Path, config: &ModelsConfig) {
    if let Some(at) = config.custom {
        report.problem(
            "custom-model-config",
            path,
            "custom_model_config: the stock server has nothing that loads it, and ends",
        );
        report.at(at, MODEL);
    } else if config.models.is_empty() {
        report.problem(
            "no-model",
            path,
            "names no model: the server starts and serves nothing",
        );
        report.at(At::START, MODEL);
    }
    let mut names: HashMap<&str, At> = HashMap::new();
    let mut folders: HashMap<&str, &str> = HashMap::new();
    for model in &config.models {
        if model.name.is_empty() {
            report.problem("name-missing", path, "a model without a name");
            report.at(model.at(&["name"]), "name: \"digits\"");
        } else if let Some(first) = names.insert(&model.name, model.at(&["name"])) {
            let message = format!(
                "`{}` is listed a second time, the first time at {first}: the server refuses the file",
                model.name
            );
            report.problem("name-twice", path, message);
            report.at(model.at(&["name"]), "");
        }
        if let Some(other) = folders.insert(model.base_path.trim_end_matches('/'), &model.name)
            && !model.base_path.is_empty()
            && other != model.name
        {
            let message = format!("`{}` and `{other}` have the same base_path", model.name);
            report.warning("base-path-twice", path, message);
            report.at(model.at(&["base_path"]), "");
        }
        platform(report, path, model);
        if model.has_logging {
            report.problem(
                "logging-config",
                path,
                format!(
                    "`{}` has a logging_config: the stock server has no log collector and ends with \"No request-logger-creator provided.\"; take it out",
                    model.name
                ),
            );
            report.at(model.at(&["logging_config"]), "");
        }
        let newest = base_path(report, path, model);
        versions(report, path, model, newest.as_deref());
    }
}

fn platform(report: &mut Report, path: &Path, model: &Model) {
    let example = "model_platform: \"tensorflow\"";
    let name = &model.name;
    let message = match (model.platform.as_str(), model.model_type) {
        ("", None) => format!("`{name}` has no model_platform: the server refuses the file"),
        ("", Some(ModelType::Other)) => format!(
            "`{name}` has no model_platform, and its model_type stands for none: the server refuses the file"
        ),
        ("", Some(_)) => {
            let message = format!("`{name}` has a model_type, which model_platform superseded");
            report.warning("model-type", path, message);
            report.at(model.at(&["model_type"]), example);
            return;
        }
        (_, Some(_)) => {
            format!("`{name}` has both model_type and model_platform: the server refuses the file")
        }
        ("tensorflow", None) => return,
        (other, None) => format!(
            "`{name}` has the model_platform \"{other}\", which the stock server does not have"
        ),
    };
    report.problem("model-platform", path, message);
    report.at(model.at(&["model_platform"]), example);
}

/// The versions at the base path, newest last; `None` where it cannot be looked at.
fn base_path(report: &mut Report, path: &Path, model: &Model) -> Option<Vec<i64>> {
    let (base, name) = (model.base_path.as_str(), &model.name);
    let example = "base_path: \"/models/digits\"";
    let at = model.at(&["base_path"]);
    let message = if base.is_empty() {
        format!("`{name}` has no base_path")
    } else if base.contains("://") {
        // A bucket: not for us to look into.
        return None;
    } else if !base.starts_with('/') {
        format!(
            "`{name}` has the relative base_path \"{base}\": the server refuses the file; it has to be absolute, as the server sees it"
        )
    } else {
        match disk::read(Path::new(base), |_| None) {
            Err(error) => {
                format!("`{name}` has the base_path \"{base}\", which cannot be read: {error}")
            }
            Ok(found) => {
                for folder in &found.skipped {
                    let message = format!(
                        "`{name}`: the folder \"{folder}\" in \"{base}\" is no whole number, so the server skips it without a word"
                    );
                    report.problem("version-skipped", path, message);
                    report.at(at, "");
                }
                for (version, what) in &found.incomplete {
                    let message = format!(
                        "`{name}`: the folder of version {version} in \"{base}\" is not complete: {what}"
                    );
                    report.problem("incomplete", path, message);
                    report.at(at, "");
                }
                if !found.versions.is_empty() {
                    return Some(found.versions);
                }
                let hint = if Path::new(base).join("saved_model.pb").exists() {
                    ": it is a version folder itself, and base_path names the folder around it"
                } else {
                    ""
                };
                format!("`{name}` has the base_path \"{base}\", which has no version folder{hint}")
            }
        }
    };
    report.problem("base-path", path, message);
    report.at(at, example);
    None
}

fn versions(report: &mut Report, path: &Path, model: &Model, on_disk: Option<&[i64]>) {
    let name = &model.name;
    let absent = |version: i64| on_disk.is_some_and(|found| !found.contains(&version));
    if let Policy::Specific(pinned) = &model.policy {
        if pinned.is_empty() {
            let message = format!("`{name}` pins no version: nothing of it is served");
            report.problem("pinned-version", path, message);
            report.at(
                model.at(&["model_version_policy", "specific"]),
                "specific { versions: 3 }",
            );
        } else {
            let list: Vec<_> = pinned.iter().map(i64::to_string).collect();
            let newer = on_disk
                .and_then(<[i64]>::last)
                .filter(|newest| pinned.iter().all(|version| version < newest))
                .map_or(String::new(), |newest| {
                    format!("; version {newest} on disk is not")
                });
            let message = format!(
                "`{name}` is pinned to version {}: a newer one is not served until this file is changed{newer}",
                list.join(", ")
            );
            report.problem("pinned-version", path, message);
            report.at(
                model.version_at(pinned[0]),
                "model_version_policy { latest { num_versions: 1 } }",
            );
        }
        for version in pinned.iter().filter(|version| absent(**version)) {
            let message = format!("`{name}`: version {version} is not at its base_path");
            report.problem("version-absent", path, message);
            report.at(model.version_at(*version), "");
        }
    }
    for (label, version) in &model.labels {
        let loaded = match (&model.policy, on_disk) {
            (Policy::Specific(pinned), _) => pinned.contains(version),
            (Policy::Latest(most), Some(found)) => {
                let newest = found.iter().rev().take((*most).max(1) as usize);
                newest.clone().any(|newest| newest == version)
            }
            _ => true,
        };
        let why = if absent(*version) {
            "which is not at its base_path"
        } else if !loaded {
            "which its model_version_policy does not load"
        } else {
            continue;
        };
        let message = format!(
            "`{name}`: the label \"{label}\" is on version {version}, {why}: the server refuses the file"
        );
        report.problem("label", path, message);
        report.at(model.label_at(label), "");
    }
}
