//! The words that start a container's process, and the flags of TensorFlow Serving among them.

use super::pod::Container;
use serde_json::Value;

/// One word of `command` or `args`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) list: &'static str,
    pub(super) index: usize,
    pub(super) text: &'a str,
}

/// A flag, where its value stands, and what has to stand before that value in the same word.
#[derive(Debug, Clone)]
pub(super) struct Flag<'a> {
    pub(super) word: Word<'a>,
    pub(super) before: &'a str,
    pub(super) value: String,
}

/// The words of `command` and `args`, as the container runtime joins them.
pub(super) fn words<'a>(container: &Container<'a>) -> Vec<Word<'a>> {
    let mut words = Vec::new();
    for list in ["command", "args"] {
        for (index, word) in container.list(list).iter().enumerate() {
            let text = word.as_str().unwrap_or_default();
            words.push(Word { list, index, text });
        }
    }
    words
}

/// Every place that sets `name`: `--name=value`, `--name value`, and both with one dash.
pub(super) fn find<'a>(container: &Container<'a>, words: &[Word<'a>], name: &str) -> Vec<Flag<'a>> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let dashless = word
            .text
            .strip_prefix("--")
            .or_else(|| word.text.strip_prefix('-'));
        let Some(rest) = dashless.and_then(|text| text.strip_prefix(name)) else {
            continue;
        };
        let flag = match rest.strip_prefix('=') {
            Some(value) => Some((*word, &word.text[..word.text.len() - value.len()], value)),
            None if rest.is_empty() => words.get(at + 1).map(|next| (*next, "", next.text)),
            None => None,
        };
        found.extend(flag.map(|(word, before, value)| Flag {
            word,
            before,
            value: expand(container, value),
        }));
    }
    found
}

/// `$(NAME)` as the kubelet expands it, where the value stands in the container itself.
fn expand(container: &Container<'_>, text: &str) -> String {
    let mut text = text.to_owned();
    for variable in container.list("env") {
        let name = variable.get("name").and_then(Value::as_str);
        let value = variable.get("value").and_then(Value::as_str);
        if let (Some(name), Some(value)) = (name, value) {
            text = text.replace(&format!("$({name})"), value);
        }
    }
    text
}

/// The text that a shell runs, if one starts the process.
pub(super) fn shell_text<'a>(words: &[Word<'a>]) -> Option<&'a str> {
    const SHELLS: [&str; 7] = ["sh", "bash", "ash", "dash", "zsh", "ksh", "busybox"];
    let shell = words.iter().position(|w| SHELLS.contains(&base(w.text)))?;
    let behind = &words[shell..];
    let flag = behind.iter().position(|w| {
        w.text.starts_with('-') && !w.text.starts_with("--") && w.text.ends_with('c')
    })?;
    behind.get(flag + 1).map(|word| word.text)
}

/// The last component of a path.
pub(super) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The value of `name` in a shell's text, if it is written out.
pub(super) fn in_shell(text: &str, name: &str) -> Option<String> {
    let words =
        shlex::split(text).unwrap_or_else(|| text.split_whitespace().map(str::to_owned).collect());
    let mut value = None;
    for (at, word) in words.iter().enumerate() {
        let rest = word
            .trim_start_matches('-')
            .strip_prefix(name)
            .filter(|_| word.starts_with('-'));
        match rest {
            Some("") => value = words.get(at + 1).cloned(),
            Some(rest) => value = rest.strip_prefix('=').map(str::to_owned).or(value),
            None => {}
        }
    }
    value
}
