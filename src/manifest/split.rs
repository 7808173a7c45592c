//! Cuts a stream into documents, each with the marker that stands before it, so that all of them
//! together are the stream again and any one can be left out.

use serde_json::Value;
use std::mem;

/// A piece of the stream.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    /// Where and why it is broken, where that is known already.
    pub(super) broken: Option<(usize, String)>,
}

/// The documents of `stream`: between lines of `---`, and between JSON values that follow one
/// another.
pub(super) fn documents(stream: &str) -> Vec<Document<'_>> {
    let mut found = Vec::new();
    let mut line = 1;
    for part in parts(stream) {
        json(part, line, &mut found);
        line += lines(part);
    }
    found
}

/// Splits before each `---` at the start of a line, which ends a document wherever it stands.
/// What holds only comments and directives belongs to the document behind it.
fn parts(stream: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut content = false;
    for line in stream.split_inclusive('\n') {
        let bare = line.trim_end();
        if is_marker(line, "---") {
            if mem::replace(&mut content, true) {
                parts.push(&stream[start..at]);
                start = at;
            }
        } else if is_marker(line, "...") {
            parts.push(&stream[start..at + line.len()]);
            start = at + line.len();
            content = false;
        } else if !bare.trim_start_matches('\u{feff}').is_empty()
            && !bare.trim_start().starts_with('#')
            && !line.starts_with('%')
        {
            content = true;
        }
        at += line.len();
    }
    if start < stream.len() {
        parts.push(&stream[start..]);
    }
    parts
}

fn is_marker(line: &str, name: &str) -> bool {
    line.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Whether a marker stands before the document `text`.
pub(super) fn is_marked(text: &str) -> bool {
    text.split_inclusive('\n')
        .any(|line| is_marker(line, "---"))
}

/// The line that ends `text` as a document, if one does: what follows needs no marker of its own.
pub(super) fn end(text: &str) -> Option<&'static str> {
    let last = text.split_inclusive('\n').next_back()?;
    is_marker(last, "...").then_some(if last.ends_with("\r\n") {
        "...\r\n"
    } else {
        "...\n"
    })
}

/// Splits JSON objects that follow one another; anything else stays whole.
fn json<'a>(part: &'a str, line: usize, found: &mut Vec<Document<'a>>) {
    let whole = Document {
        text: part,
        line,
        broken: None,
    };
    let mut ends = Vec::new();
    let mut at = part.len() - skip_marker(part).len();
    while let Some(end) = one_value(&part[at..]) {
        at += end;
        // The line's end stands behind it, whether another follows or not.
        let rest = &part[at..];
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        if line.trim().is_empty() {
            at += line.len();
        }
        ends.push(at);
    }
    // Comments and the marker of an end belong to the last of them.
    let over = part[at..].lines().all(|line| {
        let bare = line.trim();
        bare.is_empty() || bare.starts_with('#') || is_marker(line, "...")
    });
    // One object, or none: the rest is for the YAML parser to judge, unless objects follow it.
    let alone = ends.is_empty() && !objects_follow(&part[at..]);
    if alone || (ends.len() == 1 && over) {
        return found.push(whole);
    }
    let mut start = 0;
    if over {
        at = part.len();
        ends.pop();
        ends.push(at);
    }
    let mut push = |end: usize, broken: bool| {
        let text = &part[start..end];
        let line = line + lines(&part[..start]);
        let blank = text.len() - text.trim_start().len();
        let broken = broken.then(|| {
            let why = match serde_json::from_str::<Value>(text) {
                Ok(_) => "is no JSON".to_owned(),
                Err(error) => error.to_string(),
            };
            // Its own position counts from here, and would mislead.
            let why = why.split(" at line ").next().unwrap_or_default();
            (line + lines(&text[..blank]), format!("JSON: {why}"))
        });
        found.push(Document { text, line, broken });
        start = end;
    };
    for end in ends {
        push(end, false);
    }
    // A broken value goes on to the next line that opens one.
    while at < part.len() {
        let opened = part[at..].len() - part[at..].trim_start().len();
        let next = part[at + opened..].find("\n{").map(|n| at + opened + n + 1);
        let end = next.unwrap_or(part.len());
        let whole =
            one_value(&part[at..end]).is_some_and(|used| part[at + used..end].trim().is_empty());
        push(end, !whole);
        at = end;
    }
}

/// Whether what begins as an object and is none has objects behind it, on lines of their own, and not
/// what would go on with a YAML collection. Looks once, however many there are.
fn objects_follow(text: &str) -> bool {
    if !text.trim_start().starts_with('{') {
        return false;
    }
    let mut starts = text.match_indices("\n{").map(|(at, _)| &text[at + 1..]);
    let Some(mut rest) = starts.find(|start| one_value(start).is_some()) else {
        return false;
    };
    while let Some(end) = one_value(rest) {
        rest = &rest[end..];
    }
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('{')
}

/// Where the JSON object that `text` begins with ends. Strings and numbers that follow one another
/// are no stream of documents.
fn one_value(text: &str) -> Option<usize> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// What stands behind the line of the marker, if one begins the document.
fn skip_marker(part: &str) -> &str {
    let mut rest = part;
    while let Some((line, after)) = rest.split_once('\n') {
        let bare = line.trim();
        if !(bare.is_empty() || bare == "---" || bare.starts_with('#') || bare.starts_with('%')) {
            break;
        }
        rest = after;
    }
    rest
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
