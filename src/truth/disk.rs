//! The mounted model volume: which versions are there, which folders the server skips.

use super::folder::missing_parts;
use crate::diagnose::facts::Disk;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Folders looked at under one base path. A volume with more is not a model's base path.
const MOST_FOLDERS: usize = 10_000;

/// Reads a model's base path. `serving_since` tells when a version was first seen answering, so
/// that files newer than that are known to have been overwritten in place.
///
/// # Errors
/// When the base path itself cannot be read; a version folder that cannot is "incomplete".
pub fn read(base: &Path, serving_since: impl Fn(i64) -> Option<SystemTime>) -> io::Result<Disk> {
    let mut disk = Disk::default();
    for entry in fs::read_dir(base)?.take(MOST_FOLDERS) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name.starts_with('.') || !path.is_dir() {
            continue;
        }
        let Some(version) = version_number(&name) else {
            disk.skipped.push(name);
            continue;
        };
        disk.versions.push(version);
        match missing_parts(&path) {
            Ok(missing) if missing.is_empty() => {}
            Ok(missing) => {
                disk.incomplete.insert(version, missing.join("; "));
            }
            Err(error) => {
                disk.incomplete
                    .insert(version, format!("cannot be read: {error}"));
            }
        }
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
        .filter_map(|entry| entry.metadata().ok())
        .filter(fs::Metadata::is_file)
        .filter_map(|metadata| metadata.modified().ok())
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, write};
    use std::time::Duration;

    #[test]
    fn tells_versions_from_what_is_skipped() {
        let base = tempfile::tempdir().unwrap();
        for name in ["1", "00002", "v3", "4.bak", ".hidden"] {
            create_dir(base.path().join(name)).unwrap();
            write(base.path().join(name).join("saved_model.pb"), b"x").unwrap();
        }
        write(base.path().join("7"), b"a file is no version").unwrap();
        let disk = read(base.path(), |_| None).unwrap();
        assert_eq!(disk.versions, [1, 2]);
        assert_eq!(disk.skipped, ["4.bak", "v3"]);
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
