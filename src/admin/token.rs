//! The secret that allows changes.

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// A secret as its hash: compared in constant time, and never shown.
#[derive(Debug, Clone)]
pub struct Token(blake3::Hash);

impl Token {
    /// The token with this text.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Token(blake3::hash(secret.as_bytes()))
    }

    /// Whether the headers carry it, as `authorization: Bearer SECRET`.
    #[must_use]
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(AUTHORIZATION);
        let given = value.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        // Equality of two such hashes takes the same time wherever they differ.
        given.is_some_and(|secret| blake3::hash(secret) == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_allows() {
        let token = Token::new("0123456789abcdef");
        for (value, allowed) in [
            ("Bearer 0123456789abcdef", true),
            ("Bearer 0123456789abcde", false),
            ("Bearer 0123456789abcdeff", false),
            ("0123456789abcdef", false),
            ("bearer 0123456789abcdef", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            assert_eq!(token.allows(&headers), allowed, "{value}");
        }
        assert!(!token.allows(&HeaderMap::new()));
    }
}
