//! One document as a tree that knows where each of its nodes stands.

use super::Wrong;
use super::scalar::plain;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle, options};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A node and its place in the text.
#[derive(Debug)]
pub(super) struct Node {
    /// Bytes; those of a block end with its last scalar.
    pub(super) start: usize,
    pub(super) end: usize,
    /// From 1.
    pub(super) line: usize,
    /// Characters in front of it on its line.
    pub(super) column: usize,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar(Value, ScalarStyle),
    List { flow: bool, items: Vec<Node> },
    Map { flow: bool, entries: Vec<Entry> },
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Node,
    pub(super) name: String,
    pub(super) value: Node,
}

/// A document.
#[derive(Debug)]
pub(super) struct Tree {
    /// None where there is nothing but comments.
    pub(super) root: Option<Node>,
    /// Line and name of the first anchor or alias.
    pub(super) anchor: Option<(usize, &'static str)>,
}

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Tree, Wrong> {
    let options = options! { emit_comments: false, simple_key_max_lookahead: 4096 };
    let mut reader = Reader {
        text,
        events: Parser::new_from_str_with_options(text, options),
        anchor: None,
        flow: 0,
    };
    let mut root = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            _ if root.is_some() => {
                return Err((
                    span.start.line(),
                    "a second document without `---`".to_owned(),
                ));
            }
            event => root = Some(reader.node(event, span)?),
        }
    }
    let root = root.filter(|node| node.value() != Value::Null);
    Ok(Tree {
        root,
        anchor: reader.anchor,
    })
}

impl Node {
    /// As JSON, which is what Kubernetes makes of it.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value, _) => value.clone(),
            Kind::List { items, .. } => items.iter().map(Node::value).collect(),
            Kind::Map { entries, .. } => {
                let pairs = entries.iter().map(|e| (e.name.clone(), e.value.value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// The node that these keys and indexes lead to.
    pub(super) fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| {
            let key = key.as_ref();
            match &node.kind {
                Kind::Scalar(..) => None,
                Kind::List { items, .. } => items.get(key.parse::<usize>().ok()?),
                Kind::Map { entries, .. } => {
                    entries.iter().find(|e| e.name == key).map(|e| &e.value)
                }
            }
        })
    }
}

struct Reader<'a> {
    text: &'a str,
    events: Parser<'a, granit_parser::StrInput<'a>>,
    anchor: Option<(usize, &'static str)>,
    /// Depth of brackets around the node that is read.
    flow: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Wrong> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(wrong(&error)),
            None => Err((1, "ends too early".to_owned())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, Wrong> {
        let line = span.start.line();
        let mut node = Node {
            start: span.start.byte_offset().unwrap_or_default(),
            end: span.end.byte_offset().unwrap_or_default(),
            line,
            column: span.start.col(),
            kind: Kind::Scalar(Value::Null, ScalarStyle::Plain),
        };
        let mut anchored = |id: usize| {
            if id != 0 {
                self.anchor.get_or_insert((line, "an anchor"));
            }
        };
        match event {
            Event::Alias(_) => {
                self.anchor.get_or_insert((line, "an alias"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                anchored(anchor);
                let is = |name: &str| {
                    let parts = tag.as_ref().map(|tag| tag.parts());
                    parts == Some(("tag:yaml.org,2002:", name))
                };
                let tagged = ["str", "timestamp"].into_iter().any(is);
                let cast = ["int", "float", "bool", "null"].into_iter().any(is);
                if is("binary") {
                    self.anchor.get_or_insert((line, "a binary value"));
                }
                let value = if cast || style == ScalarStyle::Plain && !tagged {
                    plain(&text)
                } else {
                    Value::String(text.into_owned())
                };
                if let ScalarStyle::Literal | ScalarStyle::Folded = style {
                    node.end = block_end(self.text, node.start, node.end);
                    node.start = block_start(self.text, node.start);
                }
                node.kind = Kind::Scalar(value, style);
            }
            Event::SequenceStart(style, anchor, _) => {
                anchored(anchor);
                self.list(&mut node, style)?;
            }
            Event::MappingStart(style, anchor, _) => {
                anchored(anchor);
                self.map(&mut node, style)?;
            }
            other => return Err((line, format!("{other:?} is not expected here"))),
        }
        if self.flow == 0 && node.start < node.end && is_behind_a_tab(self.text, node.start) {
            return Err((line, "a tab in the indentation".to_owned()));
        }
        Ok(node)
    }

    fn list(&mut self, node: &mut Node, style: StructureStyle) -> Result<(), Wrong> {
        let flow = style == StructureStyle::Flow;
        self.flow += usize::from(flow);
        let mut items: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if let Event::SequenceEnd = event {
                let last = items.last().map(|item| item.end);
                node.end = end(flow, &span, last);
                break;
            }
            items.push(self.node(event, span)?);
        }
        self.flow -= usize::from(flow);
        node.kind = Kind::List { flow, items };
        Ok(())
    }

    fn map(&mut self, node: &mut Node, style: StructureStyle) -> Result<(), Wrong> {
        let flow = style == StructureStyle::Flow;
        self.flow += usize::from(flow);
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if let Event::MappingEnd = event {
                let last = entries.last().map(|entry| entry.value.end);
                node.end = end(flow, &span, last);
                break;
            }
            let key = self.node(event, span)?;
            let written = self.text.get(key.start..key.end).unwrap_or_default();
            if written == "<<" {
                self.anchor.get_or_insert((key.line, "a merge key"));
            }
            let name = match &key.kind {
                Kind::Scalar(Value::String(text), _) => text.clone(),
                // A key is text, whatever it looks like.
                Kind::Scalar(..) => written.to_owned(),
                _ => return Err((key.line, "a key that is no text".to_owned())),
            };
            if let Some(first) = lines.insert(name.clone(), key.line) {
                let line = key.line;
                let why = match line - first {
                    0 => format!("duplicate key `{name}`, twice on this line"),
                    above => format!("duplicate key `{name}`, also {above} lines above"),
                };
                return Err((line, why));
            }
            let (event, span) = self.next()?;
            let mut value = self.node(event, span)?;
            if value.start == value.end && matches!(value.kind, Kind::Scalar(Value::Null, _)) {
                // Nothing is written: it belongs right behind the colon.
                let colon = self.text[key.end..].find(':').map_or(0, |at| at + 1);
                value.start = key.end + colon;
                value.end = value.start;
            }
            if entries.is_empty() && !flow {
                node.column = key.column;
                node.start = key.start;
            }
            entries.push(Entry { key, name, value });
        }
        self.flow -= usize::from(flow);
        node.kind = Kind::Map { flow, entries };
        Ok(())
    }
}

/// Whether a tab is part of the indentation of what starts at `at`: the parser lets some of them
/// pass, and readers of Kubernetes do not.
fn is_behind_a_tab(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let indent = &before[line..];
    indent.contains('\t') && indent.bytes().all(|byte| b" \t-?".contains(&byte))
}

fn end(flow: bool, span: &Span, last: Option<usize>) -> usize {
    let own = span.end.byte_offset().unwrap_or_default();
    if flow { own } else { last.unwrap_or(own) }
}

/// A block scalar starts with its `|` or `>`, where the parser starts with its first line.
fn block_start(text: &str, content: usize) -> usize {
    let above = text.get(..content).unwrap_or_default().trim_end();
    let line = above.rfind('\n').map_or(0, |newline| newline + 1);
    let is_header = |at: &usize| {
        let rest = above[at + 1..]
            .trim_start_matches(['+', '-', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
        let comment = rest.trim_start();
        comment.is_empty() || comment.len() < rest.len() && comment.starts_with('#')
    };
    let signs = above[line..].match_indices(['|', '>']);
    let found = signs.map(|(at, _)| line + at).find(is_header);
    found.unwrap_or(content)
}

/// A block scalar ends with its last line, where the parser goes on to what comes next.
fn block_end(text: &str, start: usize, end: usize) -> usize {
    let within = text.get(start..end).unwrap_or_default();
    let blank = within.len() - within.trim_end_matches([' ', '\t']).len();
    if within[..within.len() - blank].ends_with('\n') {
        end - blank
    } else {
        end
    }
}

fn wrong(error: &ScanError) -> Wrong {
    (error.marker().line(), error.info())
}
