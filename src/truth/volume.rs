//! The mounted model volume and models.config: where a model's versions lie, and what is said of
//! them there. Only ever read.

use super::disk;
use crate::diagnose::facts::{ConfigEntry, Disk};
use crate::models_config::{self, Model, ModelsConfig, Policy};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Models that a volume is searched for.
const MODELS: usize = 256;

/// What is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    /// A model's base path, or a folder of several models' base paths.
    pub model_dir: Option<PathBuf>,
    /// `models.config`.
    pub models_config: Option<PathBuf>,
}

impl Volume {
    /// Whether nothing is mounted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.model_dir.is_none() && self.models_config.is_none()
    }

    /// As options of the command line, a word each.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let paths = [
            ("--model-dir", &self.model_dir),
            ("--models-config", &self.models_config),
        ];
        let given = paths
            .into_iter()
            .filter_map(|(name, path)| Some((name, path.as_ref()?)));
        given
            .flat_map(|(name, path)| [name.to_owned(), path.display().to_string()])
            .collect()
    }

    /// What models.config says; `None` if none is mounted.
    ///
    /// # Errors
    /// Path, line, column and reason.
    pub fn config(&self) -> Option<Result<ModelsConfig, String>> {
        let path = self.models_config.as_ref()?;
        let read = models_config::read(path);
        Some(read.map_err(|mistake| format!("{}:{mistake}", path.display())))
    }

    /// Models that have a folder of versions on the volume.
    #[must_use]
    pub fn models(&self) -> Vec<String> {
        let Some(dir) = &self.model_dir else {
            return Vec::new();
        };
        if has_versions(dir) {
            return Vec::new();
        }
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries
            .filter(|entry| has_versions(&entry.path()))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .take(MODELS)
            .collect()
    }

    /// Where the versions of a model lie; `None` if nothing on the volume is known to be it. A base
    /// path that carries no name is the model's only if it is `alone` on the server.
    #[must_use]
    pub fn base(&self, model: &str, entry: Option<&ConfigEntry>, alone: bool) -> Option<PathBuf> {
        let dir = self.model_dir.as_ref()?;
        // A name comes from the wire: it must not lead out of the volume.
        let child = |name: &str| {
            let one = Path::new(name).components().count() == 1 && !name.contains("..");
            one.then(|| dir.join(name)).filter(|path| path.is_dir())
        };
        let listed = entry.map(|entry| Path::new(&entry.base_path));
        let same = listed.filter(|base| base.starts_with(dir) && base.is_dir());
        let last = listed.and_then(|base| base.file_name()?.to_str());
        // A base path as mounted: named as in models.config or as the model, or the only thing it
        // can be.
        let whole = || {
            let name = dir.file_name().and_then(|name| name.to_str());
            let ours = match listed {
                Some(_) => name == last,
                None => alone || name == Some(model),
            };
            (has_versions(dir) && ours).then(|| dir.clone())
        };
        same.map(Path::to_path_buf)
            .or_else(|| child(model).filter(|path| !is_version(path)))
            .or_else(|| last.and_then(child))
            .or_else(whole)
    }

    /// The versions of a model on disk; `None` if its folder is not there.
    ///
    /// # Errors
    /// The folder and why it cannot be read.
    pub fn disk(
        &self,
        model: &str,
        entry: Option<&ConfigEntry>,
        alone: bool,
        since: impl Fn(i64) -> Option<SystemTime>,
    ) -> Option<Result<Disk, String>> {
        let dir = self.model_dir.as_ref()?;
        let Some(base) = self.base(model, entry, alone) else {
            // Told apart from a volume that is there and holds other models.
            let error = fs::read_dir(dir).err()?;
            return Some(Err(unreadable(dir, &error)));
        };
        Some(disk::read(&base, since).map_err(|error| unreadable(&base, &error)))
    }
}

/// A model's entry as the rules look at it.
#[must_use]
pub fn entry(model: &Model) -> ConfigEntry {
    ConfigEntry {
        name: model.name.clone(),
        base_path: model.base_path.clone(),
        pinned: match &model.policy {
            Policy::Specific(versions) => versions.clone(),
            Policy::Latest(_) | Policy::All => Vec::new(),
        },
        labels: model.labels.clone(),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn is_version(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| disk::version_number(name).is_some())
}

/// Whether a folder holds a folder with a number for a name.
fn has_versions(dir: &Path) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .any(|path| is_version(&path) && path.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::create_dir_all;

    fn volume(folders: &[&str]) -> (tempfile::TempDir, Volume) {
        let dir = tempfile::tempdir().unwrap();
        for folder in folders {
            create_dir_all(dir.path().join(folder)).unwrap();
        }
        let volume = Volume {
            model_dir: Some(dir.path().to_path_buf()),
            models_config: None,
        };
        (dir, volume)
    }

    fn listed(base_path: &str) -> ConfigEntry {
        ConfigEntry {
            base_path: base_path.to_owned(),
            ..ConfigEntry::default()
        }
    }

    #[test]
    fn finds_a_model_wherever_it_is_mounted() {
        let (dir, many) = volume(&["a/1", "b/1", "empty"]);
        assert_eq!(many.base("a", None, false), Some(dir.path().join("a")));
        let by_path = many.base("other", Some(&listed("/models/b")), false);
        assert_eq!(by_path, Some(dir.path().join("b")));
        assert_eq!(many.base("nobody", None, true), None);
        let mut models = many.models();
        models.sort();
        assert_eq!(models, ["a", "b"]);
        let (dir, one) = volume(&["1", "2"]);
        let whole = Some(dir.path().to_path_buf());
        assert_eq!(one.base("digits", None, true), whole);
        assert_eq!(one.base("1", None, true), whole);
        let other = listed("/models/other");
        assert_eq!(one.base("digits", Some(&other), true), None);
        // Of two models it may be either's, unless it has the name of one.
        assert_eq!(one.base("digits", None, false), None);
        let name = dir.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(one.base(name, None, false), whole);
        assert!(one.models().is_empty());
    }

    #[test]
    fn a_name_does_not_lead_out_of_the_volume() {
        let (_dir, volume) = volume(&["m/1"]);
        for name in ["../..", "..", "/etc", "a/../../b"] {
            assert_eq!(volume.base(name, None, true), None, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_path() {
        let volume = Volume {
            model_dir: Some("/nowhere/at/all".into()),
            models_config: Some("/nowhere/models.config".into()),
        };
        let disk = volume.disk("m", None, true, |_| None).unwrap().unwrap_err();
        assert!(disk.starts_with("/nowhere/at/all: "), "{disk}");
        let config = volume.config().unwrap().unwrap_err();
        assert!(config.starts_with("/nowhere/models.config:"), "{config}");
    }
}
