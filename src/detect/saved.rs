//! A baseline on its way to a later process: bytes that say when they are damaged.
//!
//! `FLATBASE`, the format's version as two little-endian bytes, BLAKE3 of the rest, and the rest:
//! a postcard of [`Saved`]. Fingerprints in it are keyed: whoever keeps it keeps the key.

use super::baseline::Baseline;
use super::constant::Prior;
use super::scales::Scales;
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"FLATBASE";
const VERSION: u16 = 3;
const HEAD: usize = 8 + 2 + 32;

/// What a detector has learned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Saved {
    pub(super) columns: usize,
    pub(super) scales: Scales,
    pub(super) baseline: Baseline,
    pub(super) vocabulary: Vec<u64>,
    pub(super) prior: Option<Prior>,
}

/// Why bytes are no baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// Not written by this program.
    #[error("it does not begin with {MAGIC:?}: no baseline")]
    NoBaseline,
    /// Written by another version.
    #[error("its format is {0}, and this program reads {VERSION}")]
    Version(u16),
    /// Cut off, or changed on disk.
    #[error("its checksum differs: it was cut off or changed")]
    Checksum,
    /// The checksum fits and the content does not.
    #[error("its content is no baseline: {0}")]
    Content(String),
}

impl Saved {
    /// As bytes, with `name` to know them by again.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn to_bytes(&self, name: &str) -> Result<Vec<u8>, Damaged> {
        let content = postcard::to_allocvec(&(name, self));
        let content = content.map_err(|error| Damaged::Content(error.to_string()))?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(blake3::hash(&content).as_bytes());
        bytes.extend(content);
        Ok(bytes)
    }

    /// The name and what was saved under it.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<(String, Self), Damaged> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Damaged::NoBaseline)?;
        let version = rest.first_chunk().copied().map(u16::from_le_bytes);
        let version = version.ok_or(Damaged::Checksum)?;
        if version != VERSION {
            return Err(Damaged::Version(version));
        }
        let (sum, content) = (bytes.get(10..HEAD), bytes.get(HEAD..));
        let (Some(sum), Some(content)) = (sum, content) else {
            return Err(Damaged::Checksum);
        };
        if blake3::hash(content).as_bytes() != sum {
            return Err(Damaged::Checksum);
        }
        let found: (String, Saved) =
            postcard::from_bytes(content).map_err(|error| Damaged::Content(error.to_string()))?;
        found.1.check()?;
        Ok(found)
    }

    /// What it says of the version after.
    #[must_use]
    pub fn prior(&self) -> Option<Prior> {
        self.prior
    }

    /// The parts fit each other, so that nothing is looked up beyond an end.
    fn check(&self) -> Result<(), Damaged> {
        if self.baseline.fits() && self.scales.fits() {
            Ok(())
        } else {
            Err(Damaged::Content("its parts differ in size".to_owned()))
        }
    }
}
