//! Writes JSON values as YAML.

use super::scalar::plain;
use serde_json::{Map, Value};

/// Keys that people expect in front.
const FIRST: [&str; 7] = [
    "apiVersion",
    "kind",
    "name",
    "image",
    "imagePullPolicy",
    "restartPolicy",
    "command",
];

/// `key: value` in lines that are indented by `indent`.
pub(super) fn entry(key: &str, value: &Value, indent: usize) -> String {
    format!("{:indent$}{}:{}", "", text(key), behind(value, indent))
}

/// `- value` in lines that are indented by `indent`.
pub(super) fn item(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => {
            format!(
                "{:indent$}- {}",
                "",
                map_lines(map, indent + 2).trim_start()
            )
        }
        Value::Array(items) if !items.is_empty() => {
            format!(
                "{:indent$}- {}",
                "",
                list_lines(items, indent + 2).trim_start()
            )
        }
        scalar => format!("{:indent$}-{}", "", behind(scalar, indent)),
    }
}

/// A value in place of another in a block whose column is `indent`; no line break at the end.
pub(super) fn inline(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => map_lines(map, indent).trim().to_owned(),
        Value::String(string) => text(string),
        other => other.to_string(),
    }
}

/// What stands behind a colon or a dash, with the line break at the end.
fn behind(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => format!("\n{}", map_lines(map, indent + 2)),
        // As kubectl writes lists: under the key, not behind it.
        Value::Array(items) if !items.is_empty() => format!("\n{}", list_lines(items, indent)),
        Value::String(string) if is_literal(string) => {
            let indent = indent + 2;
            let lines = string.lines().map(|line| match line {
                "" => "\n".to_owned(),
                line => format!("{:indent$}{line}\n", ""),
            });
            format!(" |\n{}", lines.collect::<String>())
        }
        Value::String(string) => format!(" {}\n", text(string)),
        other => format!(" {other}\n"),
    }
}

fn map_lines(map: &Map<String, Value>, indent: usize) -> String {
    let first = FIRST.iter().filter_map(|key| map.get_key_value(*key));
    let rest = map.iter().filter(|(key, _)| !FIRST.contains(&key.as_str()));
    first
        .chain(rest)
        .map(|(key, value)| entry(key, value, indent))
        .collect()
}

fn list_lines(items: &[Value], indent: usize) -> String {
    items.iter().map(|value| item(value, indent)).collect()
}

/// Whether a literal block holds it: several lines, none of which YAML would read otherwise.
fn is_literal(string: &str) -> bool {
    string.ends_with('\n')
        && !string.ends_with("\n\n")
        && string.lines().count() > 1
        && !string.starts_with([' ', '\n'])
        && string
            .chars()
            .all(|c| c == '\n' || (' '..='~').contains(&c))
        && string.lines().all(|line| !line.ends_with(' '))
}

/// Plain where it stays text, quoted as JSON otherwise, which YAML reads too.
fn text(string: &str) -> String {
    let begins = string.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        || string
            .strip_prefix("--")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/._-=@+:".contains(c);
    if begins && !string.ends_with(':') && string.chars().all(allowed) && plain(string).is_string()
    {
        string.to_owned()
    } else {
        Value::from(string).to_string()
    }
}
