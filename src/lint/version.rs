//! One version folder: its parts by names and sizes, and its graph.

use super::{Report, saved_model};
use crate::proto::tensorflow::SavedModel;
use crate::saved_model::{Index, Unread, index, read, restored_variable, serving};
use crate::truth::folder::{GRAPHS, LITE, has_variables, missing_parts, size};
use std::fs;
use std::path::Path;

pub(super) fn check(report: &mut Report, folder: &Path) {
    match missing_parts(folder) {
        Err(error) => {
            report.problem("unreadable", folder, format!("cannot be read: {error}"));
            return;
        }
        Ok(missing) => {
            for words in missing {
                report.problem("incomplete", folder, words);
            }
        }
    }
    sizes(report, folder);
    let graph = folder.join("saved_model.pb");
    if !graph.exists() {
        let other = GRAPHS.into_iter().find(|name| folder.join(name).exists());
        if let Some(name) = other {
            report.warning(
                "unread",
                folder,
                format!("{name} is text or in chunks, and is not looked into"),
            );
        } else if folder.join(LITE).exists() {
            report.warning(
                "lite",
                folder,
                format!("holds {LITE} and no saved_model.pb: the server loads it only with --prefer_tflite_model"),
            );
        }
        return;
    }
    match read(&graph) {
        // A file of no bytes is told of already.
        Ok(_) if size(&graph) == 0 => {}
        Ok(model) => {
            restored(report, folder, &model);
            saved_model::check(report, folder, &model);
        }
        Err(unread @ Unread::TooLarge(_)) => {
            report.warning(
                "unread",
                &graph,
                format!("{unread}; its signatures are not looked at"),
            );
        }
        Err(Unread::Malformed { of: 0, .. }) => {}
        Err(unread) => report.problem("unreadable", &graph, unread.to_string()),
    }
}

/// Variables without a folder that fills them: the server loads the graph all the same, so that
/// every call fails. Data without an index is told of already.
fn restored(report: &mut Report, folder: &Path, model: &SavedModel) {
    if has_variables(folder) {
        return;
    }
    if let Some(name) = serving(model).and_then(restored_variable) {
        let message = format!(
            "has no variables on disk, and the graph has variables (\"{name}\" is one): the server loads it without them, and calls fail"
        );
        report.problem("incomplete", folder, message);
    }
}

/// An index that is none, or a data file that ends before the variables do: a copy that was cut off.
fn sizes(report: &mut Report, folder: &Path) {
    let variables = folder.join("variables");
    let path = variables.join("variables.index");
    let needed = match index(&path) {
        Index::Needs(needed) => needed,
        Index::NoTable if fs::metadata(&path).is_ok_and(|found| found.len() > 0) => {
            let message = "is no table of variables, or was cut off: it does not end as one does";
            report.problem("unreadable", &path, message);
            return;
        }
        // A file of no bytes is told of already.
        Index::NoTable | Index::Unknown => return,
    };
    let Ok(entries) = fs::read_dir(&variables) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let shard = name
            .strip_prefix("variables.data-")
            .and_then(|rest| rest.split_once("-of-"));
        let Some(shard) = shard.and_then(|(shard, _)| shard.parse::<u64>().ok()) else {
            continue;
        };
        let (needs, has) = (
            needed.get(&shard).copied().unwrap_or(0),
            size(&entry.path()),
        );
        // A file of no bytes is told of already.
        if has < needs && has > 0 {
            let message = format!("has {has} bytes, and its index needs {needs}: it was cut off");
            report.problem("incomplete", &entry.path(), message);
        }
    }
}
