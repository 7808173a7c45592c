//! The mounted model volume: which versions are there, which folders the server skips.

use super::folder::{GRAPHS, lost_variables, missing_parts, size};
use crate::diagnose::facts::Disk;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Folders looked at under one base path. A volume with more is not a model's base path.
const MOST_FOLDERS: usize = 10_000;

/// A folder younger than this may still be on its way: nobody has missed it yet.
const YOUNG: Duration = Duration::from_secs(10);

/// Reads a model's base path, by names and sizes alone. `serving_since` tells when a version was
/// first seen answering, so that files newer than that are known to have been overwritten in place.
///
/// # Errors
/// When the base path itself cannot be read; a version folder that cannot is "incomplete".
pub fn read(base: &Path, serving_since: impl Fn(i64) -> Option<SystemTime>) -> io::Result<Disk> {
    let mut disk = Disk {
        base: base.display().to_string(),
        ..Disk::default()
    };
    for entry in fs::read_dir(base)?.take(MOST_FOLDERS) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        // Follows links: a loop of them is an error of this entry, and of no other.
        let metadata = fs::metadata(&path);
        if name.starts_with('.') || metadata.as_ref().is_ok_and(|m| !m.is_dir()) {
            continue;
        }
        let Some(version) = version_number(&name) else {
            if looks_like_version(&path, &name) {
                disk.skipped.push(name);
            }
            continue;
        };
        disk.versions.push(version);
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(error) => {
                disk.incomplete
                    .insert(version, format!("cannot be read: {error}"));
                continue;
            }
        };
        let changed = metadata.modified().ok();
        if changed.is_some_and(|at| at.elapsed().is_ok_and(|age| age < YOUNG)) {
            disk.young.push(version);
        }
        match missing_parts(&path) {
            Ok(missing) if missing.is_empty() => {
                let lost = lost_variables(&path).map(|words| (version, words));
                disk.incomplete.extend(lost);
            }
            Ok(missing) => {
                disk.incomplete.insert(version, missing.join("; "));
            }
            Err(error) => {
                disk.incomplete
                    .insert(version, format!("cannot be read: {error}"));
            }
        }
        disk.variables
            .insert(version, bytes_in(&path.join("variables")));
        disk.assets.insert(version, bytes_in(&path.join("assets")));
        let newest = newest_file(&path);
        if let (Some(newest), Some(since)) = (newest, serving_since(version))
            && newest > since
        {
            disk.overwritten.push(version);
        }
    }
    disk.versions.sort_unstable();
    disk.skipped.sort_unstable();
    Ok(disk)
}

/// A folder that somebody may take for a version: with a number in its name, or a model inside.
#[must_use]
pub fn looks_like_version(path: &Path, name: &str) -> bool {
    // As an Estimator calls an export until it is whole.
    !name.starts_with("temp-")
        && (name.contains(|c: char| c.is_ascii_digit())
            || GRAPHS.iter().any(|m| path.join(m).exists()))
}

/// Bytes of the files of a folder, 0 where there is none.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let files = entries.take(MOST_FOLDERS).flatten();
    files.map(|file| size(&file.path())).sum()
}

/// As TensorFlow Serving reads it: a whole non-negative number, leading zeros allowed.
#[must_use]
pub fn version_number(name: &str) -> Option<i64> {
    name.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| name.parse().ok())?
}

/// The latest change of the files that make up a version.
fn newest_file(folder: &Path) -> Option<SystemTime> {
    [folder.to_path_buf(), folder.join("variables")]
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flat_map(|entries| entries.take(MOST_FOLDERS).flatten())
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .filter(fs::Metadata::is_file)
        .filter_map(|metadata| metadata.modified().ok())
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, write};

    #[test]
    fn tells_versions_from_what_is_skipped() {
        let base = tempfile::tempdir().unwrap();
        for name in ["1", "00002", "v3", "4.bak", "latest", ".hidden", "temp-5"] {
            create_dir(base.path().join(name)).unwrap();
            write(base.path().join(name).join("saved_model.pb"), b"x").unwrap();
        }
        write(base.path().join("7"), b"a file is no version").unwrap();
        let disk = read(base.path(), |_| None).unwrap();
        assert_eq!(disk.versions, [1, 2]);
        create_dir(base.path().join("lost+found")).unwrap();
        assert_eq!(disk.skipped, ["4.bak", "latest", "v3"]);
        assert_eq!(disk.young, [1, 2], "both were made just now");
        assert!(disk.incomplete.is_empty() && disk.overwritten.is_empty());
    }

    #[test]
    fn files_newer_than_the_first_reply_were_overwritten() {
        let base = tempfile::tempdir().unwrap();
        for name in ["1", "2"] {
            create_dir(base.path().join(name)).unwrap();
            write(base.path().join(name).join("saved_model.pb"), b"x").unwrap();
        }
        let hour = Duration::from_secs(3600);
        let since = |version| {
            let now = SystemTime::now();
            Some(if version == 1 { now - hour } else { now + hour })
        };
        assert_eq!(read(base.path(), since).unwrap().overwritten, [1]);
    }

    #[test]
    fn a_loop_of_links_is_said_and_stops_nothing() {
        use std::os::unix::fs::symlink;
        let base = tempfile::tempdir().unwrap();
        symlink(base.path().join("2"), base.path().join("3")).unwrap();
        symlink(base.path().join("3"), base.path().join("2")).unwrap();
        create_dir(base.path().join("1")).unwrap();
        write(base.path().join("1/saved_model.pb"), b"x").unwrap();
        let disk = read(base.path(), |_| None).unwrap();
        assert_eq!(disk.versions, [1, 2, 3]);
        assert!(disk.incomplete[&3].contains("cannot be read"));
        assert!(read(&base.path().join("2"), |_| None).is_err());
    }

    #[test]
    fn numbers_as_the_server_reads_them() {
        for (name, version) in [
            ("1", Some(1)),
            ("007", Some(7)),
            ("", None),
            ("-1", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(version_number(name), version, "{name}");
        }
    }
}
