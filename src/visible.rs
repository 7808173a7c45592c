//! Text from the wire and from disk, as people get to see it: it may not begin a line of its own,
//! steer a terminal, or turn the text around it.

use std::borrow::Cow;
use std::fmt::{Arguments, Write};

/// `text` with each character that is not seen written out, as `\n` or `\u{202e}`.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut seen = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            seen.extend(c.escape_default());
        } else {
            seen.push(c);
        }
    }
    Cow::Owned(seen)
}

/// Appends one line, which stays one whatever is in it.
pub fn line(text: &mut String, line: Arguments<'_>) {
    let mut one = String::new();
    let _ = one.write_fmt(line);
    text.push_str(&visible(&one));
    text.push('\n');
}

/// Control characters, and those that take no room or change the direction of the text.
/// Source: Unicode 16, general categories Cc, Zl and Zp, and of Cf those with Bidi_Control or of
/// zero width.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_written_out() {
        let hostile = "a\nb\u{1b}[2Jc\u{202e}d\u{85}e\u{2028}f\0g\u{7f}h\u{e0041}";
        let seen = visible(hostile);
        assert!(!seen.contains(is_hidden), "{seen}");
        assert!(seen.starts_with(r"a\nb\u{1b}[2Jc\u{202e}d\u{85}e\u{2028}f\u{0}g"));
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in ["", "résumé", "模型", "हिन्दी", r#"it's "a\b""#, "👍🏽"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn a_line_stays_a_line() {
        let mut text = String::new();
        line(&mut text, format_args!("model {}", "a\nforged: x"));
        assert_eq!(text, "model a\\nforged: x\n");
    }
}
