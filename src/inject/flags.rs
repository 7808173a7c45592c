//! The words that start a container's process, and the flags of TensorFlow Serving among them.

use super::pod::Container;
use serde_json::Value;
use std::collections::HashMap;

/// One word of `command` or `args`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) list: &'static str,
    pub(super) index: usize,
    pub(super) text: &'a str,
}

/// A flag.
#[derive(Debug, Clone)]
pub(super) struct Flag<'a> {
    /// One, or two where the next word is the value.
    pub(super) words: Vec<Word<'a>>,
    pub(super) value: String,
    pub(super) is_read: bool,
}

/// Which ways of writing a flag count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forms {
    /// All that name the flag, since somebody meant it.
    Any,
    /// The one that TensorFlow Serving reads.
    Read,
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

/// What `word` says of the flag `name`, if it is that flag: the value behind `=`, or nothing where
/// the next word may be it. With two dashes or one.
pub(super) fn value_in<'t>(word: &'t str, name: &str) -> Option<Option<&'t str>> {
    let dashless = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    match dashless.strip_prefix(name)? {
        "" => Some(None),
        rest => rest.strip_prefix('=').map(Some),
    }
}

/// Whether TensorFlow Serving reads a flag in the form of `word`: with two dashes, and its value in
/// the same word. It goes on without any other. Source: `tsl/util/command_line_flags.cc`.
pub(super) fn is_read(word: &str) -> bool {
    word.starts_with("--") && word.contains('=')
}

/// Whether a word may be the value of the flag before it, and is no flag itself.
pub(super) fn is_value(word: &str) -> bool {
    !word.starts_with('-')
}

/// Every place that sets `name`.
pub(super) fn find<'a>(container: &Container<'a>, words: &[Word<'a>], name: &str) -> Vec<Flag<'a>> {
    let flag = |(at, word): (usize, &Word<'a>)| {
        let (words, value) = match value_in(word.text, name)? {
            Some(value) => (vec![*word], value),
            None => {
                let next = words.get(at + 1).filter(|next| is_value(next.text))?;
                (vec![*word, *next], next.text)
            }
        };
        Some(Flag {
            words,
            value: expand(container, value),
            is_read: is_read(word.text),
        })
    };
    words.iter().enumerate().filter_map(flag).collect()
}

/// A word that is a variable of the kubelet's and may become a flag, which then is not seen here.
pub(super) fn variable_flag<'a>(container: &Container<'a>, words: &[Word<'a>]) -> Option<&'a str> {
    const SIGN: &str = "$(";
    let texts: Vec<&str> = words.iter().map(|word| word.text).collect();
    let becomes = |at: usize| {
        let text = texts[at];
        let expanded = expand(container, text);
        // What is known counts by what it is.
        let is_known = text.starts_with(SIGN) && !expanded.starts_with(SIGN);
        match is_known {
            true => expanded.starts_with('-'),
            false => may_be_flag(&texts, at, &[SIGN]),
        }
    };
    (0..texts.len()).find(|at| becomes(*at)).map(|at| texts[at])
}

/// Whether a word may become a flag when it runs: a variable, which one of `signs` begins, that is
/// not the value of the flag before it, or a flag whose name holds one.
pub(super) fn may_be_flag(words: &[&str], at: usize, signs: &[&str]) -> bool {
    let word = words[at];
    let name = word.split('=').next().unwrap_or_default();
    let before = at.checked_sub(1).map_or("", |before| words[before]);
    let takes_value = before.starts_with('-') && !before.contains('=') && !is_switch(before);
    let is_variable = signs.iter().any(|sign| word.starts_with(sign));
    let has_variable = signs.iter().any(|sign| name.contains(sign));
    is_variable && !takes_value || word.starts_with('-') && has_variable
}

/// Whether a flag of TensorFlow Serving may stand without a value. Source: the boolean flags of
/// `tensorflow_serving/model_servers/main.cc`.
fn is_switch(word: &str) -> bool {
    const OTHERS: [&str; 9] = [
        "allow_version_labels_for_unavailable_models",
        "flush_filesystem_caches",
        "prefer_tflite_model",
        "remove_unused_fields_from_bundle_metagraph",
        "rest_api_enable_cors_support",
        "skip_initialize_tpu",
        "use_alts_credentials",
        "version",
        "xla_cpu_compilation_enabled",
    ];
    let name = word.trim_start_matches('-');
    name.starts_with("enable_") || OTHERS.contains(&name)
}

/// `$(NAME)` as the kubelet expands it, where the value stands in the container itself. Of two
/// variables of one name the last counts; `$$` stands for `$`.
pub(super) fn expand(container: &Container<'_>, text: &str) -> String {
    let mut known = HashMap::new();
    for variable in container.list("env") {
        let Some(name) = variable.get("name").and_then(Value::as_str) else {
            continue;
        };
        match variable.get("value").and_then(Value::as_str) {
            Some(value) => known.insert(name, substitute(value, &known)),
            // It comes from elsewhere.
            None => known.remove(name),
        };
    }
    substitute(text, &known)
}

fn substitute(text: &str, known: &HashMap<&str, String>) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        done.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest.strip_prefix("$(").and_then(|r| r.split_once(')'));
        if let Some((value, behind)) =
            reference.and_then(|(name, behind)| Some((known.get(name)?, behind)))
        {
            done.push_str(value);
            rest = behind;
        } else {
            done.push('$');
            rest = rest.strip_prefix("$$").unwrap_or(&rest[1..]);
        }
    }
    done + rest
}

/// The last component of a path.
pub(super) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_expand_as_the_kubelet_expands_them() {
        let known = HashMap::from([("A", "1".to_owned()), ("B", String::new())]);
        for (text, expanded) in [
            ("$(A)2$(B)", "12"),
            ("$$(A) $$ $(C) $A $", "$(A) $ $(C) $A $"),
            ("$(A", "$(A"),
        ] {
            assert_eq!(substitute(text, &known), expanded);
        }
    }
}
