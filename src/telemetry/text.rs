//! Label values: names come from the wire, and a scrape must survive them.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Longest name, in characters, that is exported as it is.
const LONGEST: usize = 100;

/// `key="value"`, escaped.
pub(super) fn label(key: &str, value: &str) -> String {
    format!("{key}=\"{}\"", escape(value))
}

/// Backslash, quote and line feed are escaped. Names that are too long or have control
/// characters, which end Prometheus's lexer, are cut and told apart by a hash.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let mut altered = text.chars().count() > LONGEST;
    for c in text.chars().take(LONGEST) {
        match c {
            '\\' => escaped.push_str(r"\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str(r"\n"),
            c if c.is_control() => {
                altered = true;
                escaped.push('\u{fffd}');
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
        assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
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
