//! What is known of a model from outside the traffic: the server's word, the disk, models.config.
//! `None` is "unknown": never guessed. Capture files hold these names as JSON, so they stay.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything known of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelTruth {
    /// `GetModelStatus`, newest version first.
    pub status: Option<Vec<VersionStatus>>,
    /// When the server last answered, nanoseconds since the Unix epoch: with its status, or that it
    /// has none. The signatures held until then.
    pub status_nanos: i64,
    /// Versions that became available while somebody looked, and when.
    pub loaded: Vec<(i64, i64)>,
    /// `GetModelMetadata`: signatures by version and name.
    pub signatures: BTreeMap<i64, BTreeMap<String, Signature>>,
    /// Version folders on the mounted model volume.
    pub disk: Option<Disk>,
    /// The model's entry in the mounted models.config.
    pub config: Option<ConfigEntry>,
}

/// What of it matters to one series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// `GetModelStatus`, newest version first.
    pub status: Option<Vec<VersionStatus>>,
    /// Version folders on the mounted model volume.
    pub disk: Option<Disk>,
    /// The model's entry in the mounted models.config.
    pub config: Option<ConfigEntry>,
    /// Another model of this server became available within a minute of the onset.
    pub other_load_at_onset: Option<String>,
    /// What the clients asked for: a version number, a label, or nothing.
    pub asked: Asked,
}

/// What requests named as the version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Calls without version or label.
    pub latest: u64,
    /// Calls by version.
    pub versions: BTreeMap<i64, u64>,
    /// Calls by label.
    pub labels: BTreeMap<String, u64>,
}

impl Asked {
    /// Counts what other calls named as well.
    pub fn add(&mut self, other: &Asked) {
        self.latest += other.latest;
        for (version, calls) in &other.versions {
            *self.versions.entry(*version).or_insert(0) += calls;
        }
        for (label, calls) in &other.labels {
            *self.labels.entry(label.clone()).or_insert(0) += calls;
        }
    }
}

/// One line of `GetModelStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VersionStatus {
    /// Version.
    pub version: i64,
    /// `AVAILABLE`, `END`, ...
    pub state: String,
    /// gRPC code; 0 is OK.
    pub code: i32,
    /// Error message; empty when OK.
    pub message: String,
}

impl VersionStatus {
    /// Whether it answers calls.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.state == "AVAILABLE"
    }

    /// Whether loading it ended in an error. One that was taken back meanwhile is CANCELLED, 1.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.code > 1 && self.state == "END"
    }
}

/// The model's base path as mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Where it was read.
    pub base: String,
    /// Version folders: integer names, ascending.
    pub versions: Vec<i64>,
    /// Those among them that are too young to be missed by anybody.
    pub young: Vec<i64>,
    /// Folders that TensorFlow Serving skips: the name is no version.
    pub skipped: Vec<String>,
    /// Versions whose files are newer than the moment the version was first seen serving.
    pub overwritten: Vec<i64>,
    /// Versions whose folder lacks a part, in words.
    pub incomplete: BTreeMap<i64, String>,
    /// Bytes of a version's variables, 0 where it has none.
    pub variables: BTreeMap<i64, u64>,
    /// Bytes of a version's assets, 0 where it has none.
    pub assets: BTreeMap<i64, u64>,
}

/// The model's entry in models.config.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigEntry {
    /// `name`.
    pub name: String,
    /// `base_path`.
    pub base_path: String,
    /// `specific` versions; empty for another policy.
    pub pinned: Vec<i64>,
    /// Labels.
    pub labels: BTreeMap<String, i64>,
}

/// What a signature promises.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signature {
    /// Inputs by name.
    pub inputs: BTreeMap<String, TensorSpec>,
    /// Outputs by name.
    pub outputs: BTreeMap<String, TensorSpec>,
}

impl Signature {
    /// How it differs from the one before, in words; `None` if it promises the same.
    #[must_use]
    pub fn change(&self, before: &Signature) -> Option<String> {
        let sides = [
            ("input", &before.inputs, &self.inputs),
            ("output", &before.outputs, &self.outputs),
        ];
        sides.into_iter().find_map(|(side, before, now)| {
            let gone = before.keys().find(|name| !now.contains_key(*name));
            if let Some(name) = gone {
                return Some(format!("{side} `{name}` is gone"));
            }
            let (name, was, is) = before.iter().find_map(|(name, was)| {
                let is = now.get(name)?;
                (was != is).then_some((name, was, is))
            })?;
            Some(format!(
                "{side} `{name}` was {} {}, now it is {} {}",
                was.dtype,
                was.shape(),
                is.dtype,
                is.shape()
            ))
        })
    }
}

/// A tensor as a signature lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TensorSpec {
    /// TensorFlow's name of the type, as `DT_FLOAT`.
    pub dtype: String,
    /// Sizes, -1 for any; `None` for any rank.
    pub dims: Option<Vec<i64>>,
}

impl TensorSpec {
    /// How a tensor differs from it, in words; `None` if it does not.
    #[must_use]
    pub fn mismatch(&self, dtype: &str, dims: &[u64]) -> Option<String> {
        if self.dtype != dtype && self.dtype != "DT_INVALID" {
            return Some(format!("it is {dtype}, the signature says {}", self.dtype));
        }
        let promised = self.dims.as_ref()?;
        let fits = promised.len() == dims.len()
            && promised
                .iter()
                .zip(dims)
                .all(|(promised, size)| u64::try_from(*promised).map_or(true, |p| p == *size));
        (!fits).then(|| format!("its shape is {dims:?}, the signature says {}", self.shape()))
    }

    /// The shape as people write it.
    #[must_use]
    pub fn shape(&self) -> String {
        let Some(dims) = &self.dims else {
            return "of any shape".to_owned();
        };
        let sizes: Vec<String> = dims
            .iter()
            .map(|size| match size {
                ..0 => "?".to_owned(),
                size => size.to_string(),
            })
            .collect();
        format!("[{}]", sizes.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::TensorSpec;

    #[test]
    fn a_promise_is_kept_or_not() {
        let spec = |dims: Option<&[i64]>| TensorSpec {
            dtype: "DT_FLOAT".to_owned(),
            dims: dims.map(<[i64]>::to_vec),
        };
        assert_eq!(spec(None).mismatch("DT_FLOAT", &[3]), None);
        assert_eq!(spec(Some(&[-1, 10])).mismatch("DT_FLOAT", &[3, 10]), None);
        for (dtype, dims) in [
            ("DT_FLOAT", &[3, 2048][..]),
            ("DT_FLOAT", &[10]),
            ("DT_INT64", &[3, 10]),
        ] {
            let found = spec(Some(&[-1, 10])).mismatch(dtype, dims);
            assert!(found.is_some(), "{dtype} {dims:?}");
        }
    }
}
