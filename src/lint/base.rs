//! A folder: one version of a SavedModel, or the base folder with a folder for each version.

use super::{Level, Report, What, version};
use crate::truth::disk::{looks_like_version, version_number};
use crate::truth::folder::GRAPHS;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// More entries than this are no model's base folder.
const MOST: usize = 10_000;

pub(super) fn folder(path: &Path) -> Report {
    if GRAPHS.iter().any(|name| path.join(name).exists()) || path.join("variables").is_dir() {
        let mut report = Report::new(path, What::VersionFolder);
        let name = own_name(path);
        if version_number(&name).is_none() {
            let message = format!(
                "the folder's name \"{name}\" is no whole number: as a version, the server skips it without a word"
            );
            report.warning("version-skipped", path, message);
        }
        version::check(&mut report, path);
        return report;
    }
    let mut report = Report::new(path, What::BaseFolder);
    let mut versions: BTreeMap<i64, PathBuf> = BTreeMap::new();
    let mut others = Vec::new();
    for name in sorted(&mut report, path) {
        let (entry, name) = (path.join(&name), name.to_string_lossy().into_owned());
        match fs::metadata(&entry) {
            Err(error) => {
                report.problem("unreadable", &entry, format!("cannot be read: {error}"));
            }
            Ok(found) if !found.is_dir() => {
                if version_number(&name).is_some() {
                    report.problem(
                        "version-skipped",
                        &entry,
                        "is a file, and a version is a folder",
                    );
                }
            }
            Ok(_) if name.starts_with('.') => {}
            Ok(_) => match version_number(&name) {
                None => others.push((entry, name)),
                Some(number) => {
                    if let Some(other) = versions.insert(number, entry.clone()) {
                        let message = format!(
                            "is version {number}, and so is {}: which of them is served is left to chance",
                            other.display()
                        );
                        report.problem("version-twice", &entry, message);
                    }
                }
            },
        }
    }
    for (entry, name) in &others {
        skipped(&mut report, entry, name, versions.is_empty());
    }
    if versions.is_empty() && !report.has(Level::Problem) {
        report.problem(
            "no-version",
            path,
            "is no SavedModel (no saved_model.pb) and no model's base folder (no folder with a whole number for its name)",
        );
    }
    for version in versions.values() {
        version::check(&mut report, version);
    }
    report
}

fn skipped(report: &mut Report, entry: &Path, name: &str, alone: bool) {
    let within = fs::read_dir(entry).is_ok_and(|mut entries| {
        entries.any(|e| e.is_ok_and(|e| version_number(&e.file_name().to_string_lossy()).is_some()))
    });
    // Beside versions it is where they are kept, perhaps as what links lead to.
    if within && alone {
        let message = format!("\"{name}\" is the base folder of a model: give that folder");
        report.problem("version-skipped", entry, message);
    } else if !within && looks_like_version(entry, name) {
        let message =
            format!("\"{name}\" is no whole number, so the server skips it without a word");
        report.problem("version-skipped", entry, message);
    } else if name != "lost+found" {
        report.warning(
            "no-version-folder",
            entry,
            "is no version, and the server skips it",
        );
    }
}

fn sorted(report: &mut Report, path: &Path) -> Vec<OsString> {
    let mut names = Vec::new();
    match fs::read_dir(path) {
        Err(error) => report.problem("unreadable", path, format!("cannot be read: {error}")),
        Ok(entries) => {
            for entry in entries.take(MOST + 1) {
                match entry {
                    Ok(entry) => names.push(entry.file_name()),
                    Err(error) => {
                        report.problem("unreadable", path, format!("cannot be read: {error}"));
                        break;
                    }
                }
            }
        }
    }
    if names.len() > MOST {
        report.warning(
            "unread",
            path,
            format!("has more than {MOST} entries; the rest is not looked at"),
        );
    }
    names.sort();
    names
}

/// The folder's own name, also for `.`.
fn own_name(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().or_else(|| whole.file_name());
    name.map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}
