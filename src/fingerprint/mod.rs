//! Fingerprints: what is equal gets the same 64 bits, whatever way it was encoded.
//!
//! Keyed BLAKE3, cut to 64 bits: at 65,536 remembered rows the chance of any collision is about
//! 2^-33. The key keeps fingerprints from being looked up; it changes no verdict.

pub mod call;
mod canonical;
mod column;
mod example;
mod input_fact;
mod inputs;
mod outputs;
pub mod print_map;
pub mod sketch;
pub mod ticket;

/// The key of one process, or one shared by choice.
#[derive(Clone)]
pub struct Key([u8; blake3::KEY_LEN]);

impl Key {
    /// A key from 32 bytes.
    #[must_use]
    pub fn new(bytes: [u8; blake3::KEY_LEN]) -> Self {
        Key(bytes)
    }

    /// The fingerprint of `bytes`.
    #[must_use]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        first_64(&blake3::keyed_hash(&self.0, bytes))
    }

    fn digest(&self, bytes: &[u8]) -> [u8; blake3::OUT_LEN] {
        *blake3::keyed_hash(&self.0, bytes).as_bytes()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

fn first_64(hash: &blake3::Hash) -> u64 {
    let (first, _) = hash
        .as_bytes()
        .split_first_chunk::<8>()
        .unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*first)
}

/// Random enough that nobody can guess a fingerprint: the keys of the standard hash map come
/// from the system.
#[must_use]
pub fn random_key() -> [u8; 32] {
    use std::hash::{BuildHasher, RandomState};
    let seed: Vec<u8> = (0..8)
        .flat_map(|i: u64| RandomState::new().hash_one(i).to_le_bytes())
        .collect();
    *blake3::hash(&seed).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn agrees_with_the_published_vectors() {
        // BLAKE3 test_vectors.json, keyed_hash, input_len 0 and 1.
        let key = Key::new(*b"whats the Elvish word for friend");
        assert_eq!(
            key.hash(b""),
            u64::from_le_bytes([0x92, 0xb2, 0xb7, 0x56, 0x04, 0xed, 0x3c, 0x76])
        );
        assert_eq!(
            key.hash(&[0]),
            u64::from_le_bytes([0x6d, 0x78, 0x78, 0xdf, 0xff, 0x2f, 0x48, 0x56])
        );
    }
}
