//! `flatline lint`: a `models.config`, a SavedModel folder, or Flatline's own TOML, told apart by
//! what is in them, and what is wrong with them before anything is deployed.

mod base;
mod models_config;
mod own;
mod saved_model;
mod text;
mod version;

pub use text::text;

use crate::error::Error;
use crate::models_config::{At, LARGEST, Mistake, read_text};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The server does not start, or serves something else than what was meant.
    Problem,
    /// It works, and may not be what was meant.
    Warning,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Note {
    /// How bad it is.
    pub level: Level,
    /// A name to `--allow` it by.
    pub rule: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The place in it, where it has lines.
    #[serde(flatten)]
    pub at: Option<At>,
    /// What is wrong and why.
    pub message: String,
    /// How it is written right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// TensorFlow Serving's list of models.
    ModelsConfig,
    /// A model's base folder with a folder for each version.
    BaseFolder,
    /// One version.
    VersionFolder,
    /// Flatline's configuration.
    FlatlineToml,
    /// A file beyond the bound, which is not looked into.
    TooLarge,
    /// None of these.
    Unknown,
}

/// One input or output of a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tensor {
    /// The name that clients use.
    pub name: String,
    /// As `DT_FLOAT [?, 64]`.
    pub tensor: String,
}

/// A signature of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// The version folder.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// By name.
    pub inputs: Vec<Tensor>,
    /// By name.
    pub outputs: Vec<Tensor>,
}

/// What was found at a path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Version of this form.
    pub schema: u32,
    /// What was looked at.
    pub path: PathBuf,
    /// What it is.
    pub what: What,
    /// What is wrong with it, in the order of the file.
    pub findings: Vec<Note>,
    /// What a SavedModel offers.
    pub signatures: Vec<Signature>,
}

impl Report {
    fn new(path: &Path, what: What) -> Self {
        Report {
            schema: 1,
            path: path.to_owned(),
            what,
            findings: Vec::new(),
            signatures: Vec::new(),
        }
    }

    /// Whether anything of that level was found.
    #[must_use]
    pub fn has(&self, level: Level) -> bool {
        self.findings.iter().any(|note| note.level == level)
    }

    fn note(&mut self, level: Level, rule: &'static str, path: &Path, message: impl Into<String>) {
        self.findings.push(Note {
            level,
            rule,
            path: path.to_owned(),
            at: None,
            message: message.into(),
            example: None,
        });
    }

    fn problem(&mut self, rule: &'static str, path: &Path, message: impl Into<String>) {
        self.note(Level::Problem, rule, path, message);
    }

    fn warning(&mut self, rule: &'static str, path: &Path, message: impl Into<String>) {
        self.note(Level::Warning, rule, path, message);
    }

    /// Gives the last note a place and an example.
    fn at(&mut self, at: At, example: &str) {
        if let Some(note) = self.findings.last_mut() {
            note.at = Some(at);
            note.example = (!example.is_empty()).then(|| example.to_owned());
        }
    }

    fn mistake(&mut self, rule: &'static str, path: &Path, mistake: Mistake) {
        self.problem(rule, path, mistake.reason);
        self.at(mistake.at, "");
    }
}

/// Looks at a path. Files are read up to a bound, weights not at all, and no folder deeper than
/// those of a version.
///
/// # Errors
/// When there is nothing to look at.
pub fn examine(path: &Path) -> Result<Report, Error> {
    let unreadable = |why: String| Error::Config(format!("{}: {why}", path.display()));
    let found = fs::metadata(path).map_err(|e| unreadable(format!("cannot be read: {e}")))?;
    if found.is_dir() {
        fs::read_dir(path).map_err(|e| unreadable(format!("cannot be read: {e}")))?;
        return Ok(base::folder(path));
    }
    if !found.is_file() {
        return Err(unreadable("is neither a file nor a folder".to_owned()));
    }
    fs::File::open(path).map_err(|e| unreadable(format!("cannot be read: {e}")))?;
    Ok(file(path))
}

fn file(path: &Path) -> Report {
    let mut report = Report::new(path, What::Unknown);
    let text = match read_text(path) {
        Ok(text) => text,
        Err(mistake) => {
            if found_graph(path) {
                report.problem(
                    "not-a-folder",
                    path,
                    "is the graph of a SavedModel: give the version folder that holds it, or the model's base folder",
                );
            } else if fs::metadata(path).is_ok_and(|found| found.len() > LARGEST) {
                // It may well be sound.
                report.what = What::TooLarge;
                report.mistake("too-large", path, mistake);
            } else {
                let reason = format!(
                    "{}; so it is no models.config and no Flatline TOML, which are text, nor the folder of a SavedModel",
                    mistake.reason
                );
                report.mistake("unknown-file", path, Mistake { reason, ..mistake });
            }
            return report;
        }
    };
    if let Some(at) = text.find(|c: char| c.is_control() && !c.is_ascii_whitespace()) {
        report.problem(
            "unknown-file",
            path,
            "holds control characters; so it is no models.config and no Flatline TOML, which are text, nor the folder of a SavedModel",
        );
        report.at(At::of(&text, at), "");
        return report;
    }
    let Some(first) = first_line(&text) else {
        report.warning(
            "empty-file",
            path,
            "holds nothing: as Flatline's TOML it leaves every default, as a models.config it names no model",
        );
        return report;
    };
    if looks_like_toml(first) {
        report.what = What::FlatlineToml;
        own::check(&mut report, path, &text);
        let place = |note: &Note| note.at.map_or((usize::MAX, 0), |at| (at.line, at.column));
        report.findings.sort_by_key(place);
    } else {
        report.what = What::ModelsConfig;
        models_config::check(&mut report, path, &text);
    }
    report
}

fn found_graph(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name == "saved_model.pb")
        && crate::saved_model::read(path).is_ok()
}

/// The first line that is neither empty nor a comment.
fn first_line(text: &str) -> Option<&str> {
    // Some editors put a byte order mark first.
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.is_empty() && !line.starts_with('#'))
}

/// `key = value` or `[table]` comes first in TOML, and never in protobuf text.
fn looks_like_toml(first: &str) -> bool {
    let key_end = first.find(|c: char| !(c.is_alphanumeric() || "-_.\" ".contains(c)));
    first.starts_with('[') && !first.contains('/')
        || key_end.is_some_and(|end| end > 0 && first[end..].starts_with('='))
}

#[cfg(test)]
mod tests;
