//! Label values: names come from the wire, and a scrape must survive them.

use crate::visible::is_hidden;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Longest name, in characters, that is exported as it is.
const LONGEST: usize = 100;

/// `key="value"`, escaped.
pub(super) fn label(key: &str, value: &str) -> String {
    format!("{key}=\"{}\"", escape(value))
}

/// Backslash, quote and line feed are escaped. Names that are too long are cut, and characters that
/// are not seen are written out: raw they end Prometheus's lexer or turn an alert's text around,
/// and a substitute for them ends that of its templates. Both are told apart by a hash.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let mut altered = text.chars().count() > LONGEST;
    for c in text.chars().take(LONGEST) {
        match c {
            '\\' => escaped.push_str(r"\\"),
            '"' => escaped.push_str("\\\""),
            c if is_hidden(c) || c == char::REPLACEMENT_CHARACTER => {
                altered = true;
                // The backslash is a character of the value.
                let _ = write!(escaped, "\\{}", c.escape_unicode());
            }
            c => escaped.push(c),
        }
    }
    if altered {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let _ = write!(escaped, "~{:016x}", hasher.finish());
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_inside_their_quotes() {
        assert_eq!(escape("a\"b\\c"), "a\\\"b\\\\c");
        assert!(escape("a\nb\u{202e}").starts_with(r"a\\u{a}b\\u{202e}~"));
        assert_eq!(escape(&"x".repeat(100)), "x".repeat(100));
        assert_eq!(escape(&"x".repeat(1000)).len(), 117);
        assert!(!escape("a\0b").contains('\0'));
    }

    #[test]
    fn names_that_were_cut_stay_distinct() {
        let name = "x".repeat(100);
        assert_ne!(escape(&format!("{name}a")), escape(&format!("{name}b")));
        assert_ne!(escape("a\u{1}"), escape("a\u{2}"));
    }
}
