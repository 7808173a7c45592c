//! The folder of `--state-dir`: baselines of earlier processes, and the key of their fingerprints.
//!
//! One file a series, written beside and renamed, so that a reader sees the old or the new one.
//! A file that is damaged, of another version or under another key is left out with a warning.

use crate::analyzer::SeriesKey;
use crate::detect::Saved;
use crate::fingerprint::random_key;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const EXTENSION: &str = "baseline";
const KEY_FILE: &str = "fingerprint.key";
/// Larger than any baseline.
const MOST_BYTES: u64 = 1 << 20;

/// The folder, and the key under which its fingerprints stand.
#[derive(Debug, Clone)]
pub struct StateDir {
    dir: PathBuf,
    key_id: String,
    /// Files kept at the most; the oldest leave.
    most: usize,
}

impl StateDir {
    /// Opens the folder, makes it if need be, and returns it with the key: `given`, or the
    /// folder's own, made on first use and readable by its owner only.
    ///
    /// # Errors
    /// When the folder cannot be made or its key cannot be read or written.
    pub fn open(dir: &Path, given: Option<[u8; 32]>, most: usize) -> io::Result<(Self, [u8; 32])> {
        fs::create_dir_all(dir)?;
        let key = match given {
            Some(key) => key,
            None => own_key(dir)?,
        };
        Ok((StateDir::new(dir, &key, most), key))
    }

    /// The folder of another process, with its key: nothing is made or written.
    ///
    /// # Errors
    /// When it has no key that can be read.
    pub fn read_only(dir: &Path, most: usize) -> io::Result<(Self, [u8; 32])> {
        let key = read_key(&dir.join(KEY_FILE))?;
        Ok((StateDir::new(dir, &key, most), key))
    }

    fn new(dir: &Path, key: &[u8; 32], most: usize) -> Self {
        StateDir {
            dir: dir.to_owned(),
            key_id: blake3::hash(key).to_hex()[..16].to_owned(),
            most,
        }
    }

    /// What is in it, the newest first. Files that are no use are warned of and left.
    #[must_use]
    pub fn load(&self) -> Vec<(SeriesKey, Saved)> {
        let files = self.files().unwrap_or_else(|error| {
            tracing::warn!(dir = %self.dir.display(), %error, "state: the folder cannot be read");
            Vec::new()
        });
        let mut found = Vec::new();
        for (_, path) in files.into_iter().take(self.most) {
            match self.read(&path) {
                Ok(entry) => found.push(entry),
                Err(reason) => {
                    tracing::warn!(file = %path.display(), %reason, "state: a baseline is left out; its series learns anew");
                }
            }
        }
        found
    }

    /// Writes one baseline, and lets the oldest go if there are too many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, key: &SeriesKey, saved: &Saved) -> io::Result<()> {
        let bytes = saved.to_bytes(&self.name(key)?).map_err(io::Error::other)?;
        write_whole(&self.path(key)?, &bytes)?;
        for (_, path) in self.files()?.into_iter().skip(self.most) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Forgets one baseline; none is no error.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn forget(&self, key: &SeriesKey) -> io::Result<()> {
        match fs::remove_file(self.path(key)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn read(&self, path: &Path) -> Result<(SeriesKey, Saved), String> {
        let size = fs::metadata(path).map_err(|e| e.to_string())?.len();
        if size > MOST_BYTES {
            return Err(format!(
                "it has {size} bytes, a baseline has at most {MOST_BYTES}"
            ));
        }
        let bytes = fs::read(path).map_err(|e| e.to_string())?;
        let (name, saved) = Saved::from_bytes(&bytes).map_err(|e| e.to_string())?;
        let (key_id, key): (String, SeriesKey) =
            serde_json::from_str(&name).map_err(|e| format!("its name is no series: {e}"))?;
        if key_id != self.key_id {
            return Err("its fingerprints stand under another key".to_owned());
        }
        Ok((key, saved))
    }

    fn name(&self, key: &SeriesKey) -> io::Result<String> {
        serde_json::to_string(&(&self.key_id, key)).map_err(io::Error::other)
    }

    fn path(&self, key: &SeriesKey) -> io::Result<PathBuf> {
        let hash = blake3::hash(self.name(key)?.as_bytes()).to_hex();
        Ok(self.dir.join(&hash[..32]).with_extension(EXTENSION))
    }

    /// Baselines, the newest first.
    fn files(&self) -> io::Result<Vec<(SystemTime, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == EXTENSION) {
                files.push((fs::metadata(&path)?.modified()?, path));
            }
        }
        files.sort_unstable_by(|a, b| b.cmp(a));
        Ok(files)
    }
}

fn own_key(dir: &Path) -> io::Result<[u8; 32]> {
    let path = dir.join(KEY_FILE);
    match read_key(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = blake3::Hash::from_bytes(random_key());
            write_whole(&path, key.to_hex().as_bytes())?;
            Ok(*key.as_bytes())
        }
        read => read,
    }
}

fn read_key(path: &Path) -> io::Result<[u8; 32]> {
    let text = fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))?;
    let key = blake3::Hash::from_hex(text.trim());
    key.map(|key| *key.as_bytes()).map_err(|_| {
        io::Error::other(format!(
            "`{}` holds no key of 64 hexadecimal digits; remove it to begin anew",
            path.display()
        ))
    })
}

/// Beside, then renamed over: nobody reads a half.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stays_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (_, first) = StateDir::open(dir.path(), None, 4).unwrap();
        let (_, again) = StateDir::open(dir.path(), None, 4).unwrap();
        assert_eq!(first, again);
        let mode = fs::metadata(dir.path().join(KEY_FILE))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        fs::write(dir.path().join(KEY_FILE), "no key").unwrap();
        let error = StateDir::open(dir.path(), None, 4).unwrap_err();
        assert!(
            error.to_string().contains("64 hexadecimal digits"),
            "{error}"
        );
    }

    #[test]
    fn damaged_files_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = StateDir::open(dir.path(), None, 4).unwrap();
        fs::write(dir.path().join("a.baseline"), "").unwrap();
        fs::write(dir.path().join("b.baseline"), b"FLATBASE\x01\x00half").unwrap();
        fs::write(dir.path().join("c.baseline"), vec![0; 2 << 20]).unwrap();
        assert!(state.load().is_empty());
    }
}
