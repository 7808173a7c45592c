//! One version folder of a SavedModel, judged by names and sizes; no weights are read.

use crate::saved_model;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// A graph without weights is smaller than this.
const LARGEST_GRAPH: u64 = 8 << 20;
/// What a graph is called: whole, as text, or in chunks where it is larger than a message may be.
pub const GRAPHS: [&str; 3] = ["saved_model.pb", "saved_model.pbtxt", "saved_model.cpb"];
/// What stands in place of a SavedModel for a server with `--prefer_tflite_model`.
pub const LITE: &str = "model.tflite";

/// What is missing in a version folder, each in words; empty when all parts are there.
///
/// # Errors
/// When the folder cannot be read.
pub fn missing_parts(folder: &Path) -> io::Result<Vec<String>> {
    let mut missing = Vec::new();
    // A folder that may not be looked into has no missing part.
    fs::read_dir(folder)?;
    let mut graph = None;
    for path in GRAPHS.map(|name| folder.join(name)) {
        if path.try_exists()? {
            graph = graph.or(Some(path));
        }
    }
    match graph {
        None if folder.join(LITE).try_exists()? => {}
        None => missing.push("saved_model.pb is missing".to_owned()),
        Some(path) if fs::metadata(&path)?.len() == 0 => {
            missing.push(format!("{} is empty", name_of(&path)));
        }
        Some(_) => {}
    }
    let variables = folder.join("variables");
    match fs::metadata(&variables) {
        Ok(found) if found.is_dir() => missing.extend(missing_variables(&variables)?),
        Ok(_) => missing.push("variables is no folder".to_owned()),
        // A model may have none.
        Err(_) if variables.symlink_metadata().is_err() => {}
        Err(error) => missing.push(format!("variables is a link that leads nowhere: {error}")),
    }
    Ok(missing)
}

/// Bytes of a file, or of what a link leads to: version folders of caches and of ConfigMaps are links.
/// 0 for one that leads nowhere.
#[must_use]
pub fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// Whether a version folder has variables, or may have: what cannot be looked into is told of
/// already.
#[must_use]
pub fn has_variables(folder: &Path) -> bool {
    let part = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("variables.data-") || name == "variables.index" && size(&entry.path()) > 0
    };
    match fs::read_dir(folder.join("variables")) {
        Ok(entries) => entries.flatten().any(part),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Whether the graph of a version folder has variables, and the folder none; in words. A graph of
/// frozen weights is large, and is not read for it.
#[must_use]
pub fn lost_variables(folder: &Path) -> Option<String> {
    let graph = folder.join("saved_model.pb");
    let small = fs::metadata(&graph).ok()?.len() <= LARGEST_GRAPH;
    if !small || has_variables(folder) {
        return None;
    }
    let model = saved_model::read(&graph).ok()?;
    let name = saved_model::restored_variable(saved_model::serving(&model)?)?;
    Some(format!(
        "the graph has variables, as `{name}`, and variables is missing or empty"
    ))
}

/// An index without its shards, shards without their index, or a shard of zero bytes.
fn missing_variables(variables: &Path) -> io::Result<Vec<String>> {
    let mut missing = Vec::new();
    let mut shards = BTreeSet::new();
    let mut total = None;
    let mut index = false;
    for entry in fs::read_dir(variables)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "variables.index" {
            index = size(&entry.path()) > 0;
        } else if let Some((shard, of)) = shard(&name) {
            total = Some(of);
            // An empty shard is what a copy that was cut off leaves behind.
            if size(&entry.path()) > 0 {
                shards.insert(shard);
            } else {
                let is_there = entry.path().exists();
                let what = if is_there {
                    "is empty"
                } else {
                    "is a link that leads nowhere"
                };
                missing.push(format!("variables/{name} {what}"));
            }
        }
    }
    match (index, total) {
        (true, None) => missing.push("variables.index has no data file beside it".to_owned()),
        (false, Some(_)) => missing.push("variables.index is missing or empty".to_owned()),
        (_, Some(of)) if (shards.len() as u64) < of && missing.is_empty() => {
            missing.push(format!("{} of {of} variable files are there", shards.len()));
        }
        _ => {}
    }
    Ok(missing)
}

/// `variables.data-00001-of-00004` -> (1, 4).
fn shard(name: &str) -> Option<(u64, u64)> {
    let (shard, of) = name.strip_prefix("variables.data-")?.split_once("-of-")?;
    Some((shard.parse().ok()?, of.parse().ok()?))
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saved_model::model_of;
    use prost::Message;
    use std::fs::{create_dir, write};
    use std::os::unix::fs::symlink;

    #[test]
    fn names_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            missing_parts(folder.path()).unwrap(),
            ["saved_model.pb is missing"]
        );
        for name in [LITE, "saved_model.cpb"] {
            write(folder.path().join(name), b"x").unwrap();
            assert!(missing_parts(folder.path()).unwrap().is_empty(), "{name}");
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        write(folder.path().join("saved_model.pb"), b"x").unwrap();
        assert!(
            missing_parts(folder.path()).unwrap().is_empty(),
            "a model may have no variables"
        );
        let variables = folder.path().join("variables");
        create_dir(&variables).unwrap();
        write(variables.join("variables.index"), b"x").unwrap();
        let words = missing_parts(folder.path()).unwrap();
        assert_eq!(words, ["variables.index has no data file beside it"]);
        write(variables.join("variables.data-00000-of-00002"), b"x").unwrap();
        assert_eq!(
            missing_parts(folder.path()).unwrap(),
            ["1 of 2 variable files are there"]
        );
        write(variables.join("variables.data-00001-of-00002"), b"").unwrap();
        let words = missing_parts(folder.path()).unwrap();
        assert_eq!(words, ["variables/variables.data-00001-of-00002 is empty"]);
        write(variables.join("variables.data-00001-of-00002"), b"x").unwrap();
        assert!(missing_parts(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn links_are_what_they_lead_to() {
        let (folder, blobs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(folder.path().join("saved_model.pb"), b"x").unwrap();
        let variables = folder.path().join("variables");
        symlink(&variables, &variables).unwrap();
        let words = missing_parts(folder.path()).unwrap();
        assert!(words[0].contains("leads nowhere"), "a loop: {words:?}");
        std::fs::remove_file(&variables).unwrap();
        create_dir(&variables).unwrap();
        for name in ["variables.index", "variables.data-00000-of-00001"] {
            symlink(blobs.path().join(name), variables.join(name)).unwrap();
        }
        let words = missing_parts(folder.path()).unwrap();
        let (data, index) = (
            "variables/variables.data-00000-of-00001 is a link that leads nowhere",
            "variables.index is missing or empty",
        );
        assert_eq!(words, [data, index]);
        for name in ["variables.index", "variables.data-00000-of-00001"] {
            write(blobs.path().join(name), vec![1; 4096]).unwrap();
            assert_eq!(size(&variables.join(name)), 4096);
        }
        assert!(missing_parts(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn misses_the_variables_of_a_graph_that_has_some() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("saved_model.pb");
        write(&path, model_of(&["Placeholder", "Const"]).encode_to_vec()).unwrap();
        assert_eq!(lost_variables(folder.path()), None);
        write(&path, model_of(&["VarHandleOp"]).encode_to_vec()).unwrap();
        let lost = "the graph has variables, as `varhandleop`, and variables is missing or empty";
        assert_eq!(lost_variables(folder.path()).as_deref(), Some(lost));
        let variables = folder.path().join("variables");
        create_dir(&variables).unwrap();
        assert_eq!(lost_variables(folder.path()).as_deref(), Some(lost));
        write(variables.join("variables.index"), b"x").unwrap();
        assert_eq!(lost_variables(folder.path()), None);
    }

    #[test]
    fn shard_names() {
        assert_eq!(shard("variables.data-00001-of-00004"), Some((1, 4)));
        for odd in [
            "variables.data-",
            "variables.data-x-of-4",
            "variables.index",
            "variables.data-1-of-",
        ] {
            assert_eq!(shard(odd), None, "{odd}");
        }
    }
}
