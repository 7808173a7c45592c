//! Makes a JSON Patch into edits of the text.

use super::print;
use super::tree::{Kind, Node};
use granit_parser::ScalarStyle;
use json_patch::{Patch, PatchOperation};
use serde_json::Value;
use std::cmp::Reverse;
use std::ops::Range;

/// Edits of one text, all at positions of the text as it was.
#[derive(Debug, Default)]
pub(super) struct Change(Vec<Edit>);

#[derive(Debug)]
struct Edit {
    at: Range<usize>,
    text: String,
    /// Among edits at one place, the deepest block comes first, since it ends first.
    indent: usize,
    order: isize,
}

impl Change {
    /// Adds the edits of `patch`. Its operations have to name positions as they were at first,
    /// except that they put several values in front of one item of a list.
    pub(super) fn plan(&mut self, text: &str, root: &Node, patch: &Patch) -> Result<(), String> {
        for operation in &patch.0 {
            let path: Vec<String> = operation
                .path()
                .tokens()
                .map(|token| token.decoded().into_owned())
                .collect();
            let lost = || format!("nothing stands at {}", operation.path());
            let (last, above) = path.split_last().ok_or_else(lost)?;
            match operation {
                PatchOperation::Test(_) => {}
                PatchOperation::Replace(replace) => {
                    let node = root.at(&path).ok_or_else(lost)?;
                    let flow = is_flow(root, above);
                    self.replace(text, node, &replace.value, flow);
                }
                PatchOperation::Remove(_) => {
                    let parent = root.at(above).ok_or_else(lost)?;
                    self.remove(text, parent, last).ok_or_else(lost)?;
                }
                PatchOperation::Add(add) => {
                    let parent = root.at(above).ok_or_else(lost)?;
                    let flow = is_flow(root, above);
                    if is_emptied(parent, above, patch) {
                        let pair = format!("{}: {}", Value::from(last.as_str()), add.value);
                        self.only(parent.end - 1, pair);
                    } else {
                        self.add(text, parent, last, &add.value, flow)
                            .ok_or_else(lost)?;
                    }
                }
                PatchOperation::Move(_) | PatchOperation::Copy(_) => return Err(lost()),
            }
        }
        Ok(())
    }

    /// The text with all edits made, in its own line ends.
    pub(super) fn apply(mut self, text: &str) -> String {
        let windows = text.contains("\r\n");
        let open = !text.ends_with('\n');
        let mut text = text.to_owned();
        if open {
            text.push_str(if windows { "\r\n" } else { "\n" });
        }
        self.0
            .sort_by_key(|edit| (edit.at.start, Reverse(edit.indent), edit.order));
        for edit in self.0.iter().rev() {
            let new = if windows {
                edit.text.replace('\n', "\r\n")
            } else {
                edit.text.clone()
            };
            text.replace_range(edit.at.clone(), &new);
        }
        if open {
            text.truncate(text.trim_end_matches(['\n', '\r']).len());
        }
        text
    }

    fn push(&mut self, at: Range<usize>, text: String, indent: usize, front: bool) {
        let order = self.0.len().cast_signed();
        self.0.push(Edit {
            at,
            text,
            indent,
            order: if front { -order } else { order },
        });
    }

    fn replace(&mut self, text: &str, node: &Node, value: &Value, flow: bool) {
        let old = text.get(node.start..node.end).unwrap_or_default();
        let quoted = matches!(node.kind, Kind::Scalar(_, ScalarStyle::DoubleQuoted));
        let mut new = match value {
            Value::String(string) if flow || quoted => Value::from(string.as_str()).to_string(),
            value if flow || matches!(node.kind, Kind::Scalar(..)) && !value.is_string() => {
                value.to_string()
            }
            value => print::inline(value, node.column),
        };
        if old.is_empty() {
            new.insert(0, ' ');
        }
        if old.ends_with('\n') {
            new.push('\n');
        }
        self.push(node.start..node.end, new, usize::MAX, false);
    }

    fn remove(&mut self, text: &str, parent: &Node, name: &str) -> Option<()> {
        let Kind::Map { flow, entries } = &parent.kind else {
            return None;
        };
        let index = entries.iter().position(|entry| entry.name == name)?;
        let entry = &entries[index];
        let at = if !flow {
            line_start(text, entry.key.start)..line_end(text, entry.value.end)
        } else if index > 0 {
            entries[index - 1].value.end..entry.value.end
        } else {
            let next = entries
                .get(1)
                .map_or(entry.value.end, |next| next.key.start);
            entry.key.start..next
        };
        self.push(at, String::new(), usize::MAX, false);
        Some(())
    }

    fn add(
        &mut self,
        text: &str,
        parent: &Node,
        key: &str,
        value: &Value,
        within: bool,
    ) -> Option<()> {
        match &parent.kind {
            Kind::Scalar(..) => None,
            Kind::Map { flow, entries } => {
                if let Some(entry) = entries.iter().find(|entry| entry.name == key) {
                    self.overwrite(
                        text,
                        parent,
                        &entry.key,
                        &entry.value,
                        value,
                        *flow || within,
                    );
                } else if *flow {
                    let pair = format!("{}: {value}", Value::from(key));
                    self.flow(
                        text,
                        parent,
                        entries.first().map(|e| e.key.start),
                        entries.last().map(|e| e.value.end),
                        pair,
                        None,
                    );
                } else {
                    let at = line_end(text, parent.end);
                    let new = print::entry(key, value, parent.column);
                    self.push(at..at, new, parent.column, false);
                }
                Some(())
            }
            Kind::List { flow, items } => {
                let before = key.parse().ok().and_then(|at: usize| items.get(at));
                let before = before.map(|item| item.start);
                if *flow {
                    self.flow(
                        text,
                        parent,
                        items.first().map(|i| i.start),
                        items.last().map(|i| i.end),
                        value.to_string(),
                        before,
                    );
                    return Some(());
                }
                let dash = dash_before(text, before.unwrap_or(items.first()?.start))?;
                let start = line_start(text, dash);
                let indent = text[start..dash].chars().count();
                if text[start..dash].contains(|c: char| c != ' ') {
                    return None;
                }
                let new = print::item(value, indent);
                let at = match before {
                    Some(_) => start,
                    None => line_end(text, parent.end),
                };
                self.push(at..at, new, indent, before.is_some());
                Some(())
            }
        }
    }

    /// Puts `value` where `old` stands under `key`.
    fn overwrite(
        &mut self,
        text: &str,
        parent: &Node,
        key: &Node,
        old: &Node,
        value: &Value,
        flow: bool,
    ) {
        if flow || !(value.is_object() || value.is_array()) {
            return self.replace(text, old, value, flow);
        }
        let colon = text[key.end..]
            .find(':')
            .map_or(key.end, |at| key.end + at + 1);
        let name = &text[key.start..colon];
        let new = print::entry("x", value, parent.column);
        let behind = new.trim_start().trim_start_matches("x:").trim_end();
        let at = key.start..old.end.max(colon);
        self.push(at, format!("{name}{behind}"), usize::MAX, false);
    }

    /// Puts entries at `at` into `{…}` or `[…]` with no others.
    fn only(&mut self, at: usize, new: String) {
        let is_second = self.0.iter().any(|edit| edit.at == (at..at));
        let new = if is_second { format!(", {new}") } else { new };
        self.push(at..at, new, 0, false);
    }

    /// Puts an entry into `{…}` or `[…]`, on a line of its own where the others are: at the end, or
    /// in front of the one that starts at `before`.
    fn flow(
        &mut self,
        text: &str,
        parent: &Node,
        first: Option<usize>,
        last: Option<usize>,
        new: String,
        before: Option<usize>,
    ) {
        let inside = parent.start + 1;
        let (Some(first), Some(last)) = (first, last) else {
            return self.only(inside, new);
        };
        let lead = &text[inside..first];
        let lead = if lead.contains('\n') && lead.trim().is_empty() {
            lead
        } else {
            " "
        };
        let lead = lead.replace('\r', "");
        match before {
            Some(at) => self.push(at..at, format!("{new},{lead}"), 0, true),
            None => self.push(last..last, format!(",{lead}{new}"), 0, false),
        }
    }
}

/// Whether `patch` takes all that is in a flow map, which stands at `path`.
fn is_emptied(map: &Node, path: &[String], patch: &Patch) -> bool {
    let Kind::Map {
        flow: true,
        entries,
    } = &map.kind
    else {
        return false;
    };
    let goes = |name: &str| {
        patch.0.iter().any(|operation| {
            let tokens = operation
                .path()
                .tokens()
                .map(|token| token.decoded().into_owned());
            let way = path.iter().cloned().chain([name.to_owned()]);
            matches!(operation, PatchOperation::Remove(_)) && tokens.eq(way)
        })
    };
    !entries.is_empty() && entries.iter().all(|entry| goes(&entry.name))
}

/// Whether any collection on the way is in flow style: below it, everything is.
fn is_flow(root: &Node, path: &[String]) -> bool {
    (0..=path.len()).any(|length| {
        root.at(&path[..length]).is_some_and(|node| {
            matches!(
                node.kind,
                Kind::List { flow: true, .. } | Kind::Map { flow: true, .. }
            )
        })
    })
}

/// Where the dash of the list item is that begins at `first`: on its line, or above comments.
fn dash_before(text: &str, first: usize) -> Option<usize> {
    let mut end = first;
    loop {
        let start = line_start(text, end);
        let line = &text[start..end];
        let comment = line
            .find(" #")
            .or_else(|| line.starts_with('#').then_some(0));
        let line = &line[..comment.unwrap_or(line.len())];
        if !line.trim().is_empty() {
            return line.rfind('-').map(|at| start + at);
        }
        end = start.checked_sub(1)?;
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the line that `at` ends begins its successor; a literal block's end is there already.
fn line_end(text: &str, at: usize) -> usize {
    if text[..at].ends_with('\n') {
        return at;
    }
    text[at..].find('\n').map_or_else(
        // The line end that `apply` adds.
        || text.len() + if text.contains("\r\n") { 2 } else { 1 },
        |newline| at + newline + 1,
    )
}
