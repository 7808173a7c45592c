//! Where the fields of a text-format file stand. The parser proper knows no places once it is
//! done; this walks the same tokens and keeps only names, values and places.

use serde::Serialize;
use std::fmt;

/// A line and a column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct At {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl At {
    /// The first character.
    pub const START: At = At { line: 1, column: 1 };

    /// The place of the byte at `offset`.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> At {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        At {
            line: 1 + before.bytes().filter(|b| *b == b'\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }
}

impl Default for At {
    fn default() -> Self {
        At::START
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One field, its place, and those within it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Where the name stands; for a value in a list, where the value does.
    pub at: At,
    /// A single value as written; empty for a message.
    value: String,
    inner: Vec<Field>,
}

impl Field {
    /// The field at `path` below this one, the first of its name at every step.
    #[must_use]
    pub fn find(&self, path: &[&str]) -> Option<&Field> {
        match path {
            [] => Some(self),
            [first, rest @ ..] => self.all(first).find_map(|field| field.find(rest)),
        }
    }

    /// All fields of that name directly in this one.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Field> {
        self.inner.iter().filter(move |field| field.name == name)
    }

    /// Whether the value is written so, quotes aside.
    #[must_use]
    pub fn says(&self, value: &str) -> bool {
        self.value.trim_matches(['"', '\'']) == value
    }
}

/// Tokens with their offsets: names and numbers, strings, and single characters.
struct Tokens<'a> {
    text: &'a str,
    next: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.next)? {
                b if b.is_ascii_whitespace() => self.next += 1,
                b'#' => {
                    let rest = &bytes[self.next..];
                    self.next += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                }
                _ => break,
            }
        }
        let start = self.next;
        let first = bytes[start];
        let mut end = start + 1;
        if first == b'"' || first == b'\'' {
            while end < bytes.len() && bytes[end] != first && bytes[end] != b'\n' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            end = (end + 1).min(bytes.len());
        } else if is_word(first) {
            while end < bytes.len() && is_word(bytes[end]) {
                end += 1;
            }
        }
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        self.next = end;
        Some((start, &self.text[start..end]))
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+') || byte >= 0x80
}

/// Where messages are first nested deeper than `most`.
pub(super) fn deeper_than(text: &str, most: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in (Tokens { text, next: 0 }) {
        match token {
            "{" | "<" | "[" => {
                depth += 1;
                if depth > most {
                    return Some(at);
                }
            }
            "}" | ">" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The fields of a text that the parser has accepted, so never deeper than it allows.
pub(super) fn fields(text: &str) -> Vec<Field> {
    Walk {
        tokens: Tokens { text, next: 0 }.peekable(),
        counted: 0,
        at: At::START,
        text,
    }
    .message()
}

struct Walk<'a> {
    tokens: std::iter::Peekable<Tokens<'a>>,
    text: &'a str,
    /// The offset that `at` is the place of.
    counted: usize,
    at: At,
}

impl<'a> Walk<'a> {
    /// Fields up to the end of the message, which is taken.
    fn message(&mut self) -> Vec<Field> {
        let mut fields = Vec::new();
        while let Some((offset, token)) = self.tokens.next() {
            match token {
                "}" | ">" => break,
                "," | ";" => {}
                _ => {
                    let at = self.place(offset);
                    let name = if token == "[" {
                        self.bracketed()
                    } else {
                        token
                    };
                    self.values(name, at, &mut fields);
                }
            }
        }
        fields
    }

    /// The name in `[type.googleapis.com/x]`, brackets gone.
    fn bracketed(&mut self) -> &'a str {
        let mut name = "";
        for (_, token) in self.tokens.by_ref().take_while(|(_, token)| *token != "]") {
            name = token;
        }
        name
    }

    fn values(&mut self, name: &str, at: At, fields: &mut Vec<Field>) {
        self.tokens.next_if(|(_, token)| *token == ":");
        if self.tokens.next_if(|(_, token)| *token == "[").is_none() {
            fields.push(self.value(name, Some(at)));
            return;
        }
        while let Some((_, token)) = self.tokens.peek() {
            match *token {
                "]" => {
                    self.tokens.next();
                    break;
                }
                "," => {
                    self.tokens.next();
                }
                _ => fields.push(self.value(name, None)),
            }
        }
    }

    /// One value; in a list it has a place of its own.
    fn value(&mut self, name: &str, at: Option<At>) -> Field {
        let (offset, token) = self.tokens.next().unwrap_or((self.text.len(), ""));
        let mut field = Field {
            name: name.to_owned(),
            at: at.unwrap_or_else(|| self.place(offset)),
            ..Field::default()
        };
        if matches!(token, "{" | "<") {
            field.inner = self.message();
            return field;
        }
        field.value = token.to_owned();
        // Strings that stand beside each other are one.
        let quoted = |token: &str| token.starts_with(['"', '\'']);
        while quoted(token) && self.tokens.next_if(|(_, next)| quoted(next)).is_some() {}
        field
    }

    /// Offsets are asked for in rising order, so that the text is counted once.
    fn place(&mut self, offset: usize) -> At {
        for c in self.text[self.counted..offset].chars() {
            if c == '\n' {
                self.at.line += 1;
                self.at.column = 1;
            } else {
                self.at.column += 1;
            }
        }
        self.counted = offset;
        self.at
    }
}
