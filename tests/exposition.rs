//! Prometheus's text format 0.0.4, read strictly: what it does not allow fails the test.

use std::collections::{BTreeMap, BTreeSet};

/// One line that is no comment.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) name: &'a str,
    /// Names and values of the labels, unescaped.
    pub(crate) labels: BTreeMap<&'a str, String>,
    pub(crate) value: f64,
}

impl Sample<'_> {
    /// A label's value; empty, as Prometheus has it, if it is not there.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// The samples of a scrape: each once, beneath the type of its metric, which stands once.
pub(crate) fn samples(text: &str) -> Vec<Sample<'_>> {
    assert!(text.ends_with('\n'), "the last line has no end");
    let (mut typed, mut told, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut family, mut found) = ("", Vec::new());
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        assert!(!line.contains(char::is_control), "{line:?}");
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, _) = help.split_once(' ').expect(line);
            assert!(told.insert(name), "two helps: {line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect(line);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(typed.insert(name), "two types, or torn apart: {line}");
            family = name;
        } else if !line.is_empty() {
            let sample = sample(line);
            let suffix = sample.name.strip_prefix(family);
            let known = ["", "_bucket", "_sum", "_count"];
            assert!(suffix.is_some_and(|s| known.contains(&s)), "{line}");
            let labels = format!("{:?}", sample.labels);
            assert!(seen.insert((sample.name, labels)), "twice: {line}");
            found.push(sample);
        }
    }
    found
}

fn sample(line: &str) -> Sample<'_> {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(within) = rest.strip_prefix('{') {
        rest = within;
        while !rest.starts_with('}') {
            let (label, quoted) = rest.split_once("=\"").expect(line);
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let (value, after) = unquote(quoted).expect(line);
            assert!(labels.insert(label, value).is_none(), "{line}");
            assert!(after.starts_with([',', '}']), "{line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect(line).parse().expect(line);
    Sample {
        name,
        labels,
        value,
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.chars().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty()
}

/// The value up to the quote that ends it, and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        value.push(match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            },
            c => c,
        });
    }
    None
}

#[test]
fn a_label_cannot_hide_the_end_of_its_line() {
    let read = |text| {
        let found = samples(text);
        (
            found[0].label("a").to_owned(),
            found.len(),
            found[0].value as u32,
        )
    };
    let text = "# TYPE m gauge\nm{a=\"x\\\",b=\\\"\\\\\\n\"} 1\n";
    assert_eq!(read(text), ("x\",b=\"\\\n".to_owned(), 1, 1));
    let refused = [
        "# TYPE m gauge\nm{a=\"x\"b\"} 1\n",
        "# TYPE m gauge\nm{a=\"\\t\"} 1\n",
        "# TYPE m gauge\nm 1\nm 1\n",
        "m 1",
    ];
    for text in refused {
        assert!(std::panic::catch_unwind(|| read(text)).is_err(), "{text}");
    }
}
