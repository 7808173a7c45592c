//! Maps keyed by fingerprints.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map from fingerprints.
pub type PrintMap<V> = HashMap<u64, V, BuildHasherDefault<AsItIs>>;
/// A set of fingerprints.
pub type PrintSet = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// A fingerprint is the output of a keyed hash already: nobody can aim at a bucket, and hashing
/// it again buys nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `u64` keys are used; anything else would still be hashed, if badly.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, print: u64) {
        self.0 = print;
    }
}

/// A fingerprint of several, in their order: `next` after those that are in `all`.
#[must_use]
pub fn fold(all: u64, next: u64) -> u64 {
    (all.rotate_left(7) ^ next).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
