//! What a shell runs that starts a container's process: whether one does, the text it is given,
//! and the model server's flags in that text.

use super::flags::{Forms, Word, base, is_read, is_value, value_in};

const SHELLS: [&str; 7] = ["sh", "bash", "ash", "dash", "zsh", "ksh", "busybox"];
/// Options of shells whose value is the next word.
const WITH_VALUE: [&str; 2] = ["--rcfile", "--init-file"];

/// What a shell is given to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell<'a> {
    /// The text behind `-c`.
    Text(&'a str),
    /// A file, which is not here to be read.
    Script(&'a str),
}

/// What the shell runs that `words` start, if they start one before the `server`.
pub(super) fn find<'a>(words: &[Word<'a>], server: impl Fn(&str) -> bool) -> Option<Shell<'a>> {
    let is_shell =
        |word: &Word<'_>| !word.text.starts_with('-') && SHELLS.contains(&base(word.text));
    let mut rest = words.iter();
    rest.find(|word| is_shell(word) || server(word.text))
        .filter(|word| is_shell(word))?;
    let mut takes_text = false;
    while let Some(word) = rest.next() {
        match word.text {
            "--" | "-" => return operand(rest.next()?, takes_text),
            long if long.starts_with("--") => {
                if WITH_VALUE.contains(&long) {
                    rest.next();
                }
            }
            short if short.starts_with(['-', '+']) => {
                takes_text |= short.starts_with('-') && short.contains('c');
                // As in `-eo pipefail`.
                if short.ends_with(['o', 'O']) {
                    rest.next();
                }
            }
            // The applet of busybox.
            applet if SHELLS.contains(&applet) => {}
            _ => return operand(word, takes_text),
        }
    }
    None
}

fn operand<'a>(word: &Word<'a>, takes_text: bool) -> Option<Shell<'a>> {
    Some(if takes_text {
        Shell::Text(word.text)
    } else {
        Shell::Script(word.text)
    })
}

/// The value of the flag `name` in a command's words, the last of several.
pub(super) fn flag(words: &[String], name: &str, forms: Forms) -> Option<String> {
    let counts = |word: &str| forms == Forms::Any || is_read(word);
    let value = |(at, word): (usize, &String)| match value_in(word, name)? {
        Some(value) => Some(value.to_owned()),
        None => words.get(at + 1).filter(|next| is_value(next)).cloned(),
    };
    let counting = words.iter().enumerate().filter(|(_, word)| counts(word));
    counting.filter_map(value).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &[&'static str]) -> Option<Shell<'static>> {
        let words: Vec<_> = line
            .iter()
            .enumerate()
            .map(|(index, text)| Word {
                list: "command",
                index,
                text,
            })
            .collect();
        find(&words, |word| base(word) == "server")
    }

    #[test]
    fn the_text_stands_behind_the_options() {
        for line in [
            &["sh", "-c", "text"][..],
            &["/bin/sh", "-ce", "text"],
            &["bash", "-c", "-e", "text"],
            &["bash", "-e", "-o", "pipefail", "-c", "text"],
            &["bash", "-euxo", "pipefail", "-c", "text", "$0", "server"],
            &["bash", "--login", "-c", "--", "text"],
            &["bash", "--rcfile", "/etc/rc", "+x", "-c", "text"],
            &["busybox", "sh", "-c", "text"],
            &["tini", "--", "env", "A=1", "dash", "-lc", "text"],
        ] {
            assert_eq!(shell(line), Some(Shell::Text("text")), "{line:?}");
        }
        for line in [&["sh", "text", "-c"][..], &["/bin/bash", "-e", "text"]] {
            assert_eq!(shell(line), Some(Shell::Script("text")), "{line:?}");
        }
        for line in [
            &["server", "--name", "sh", "-c"][..],
            &["server", "sh", "-c", "x"],
            &["--shell=/bin/sh", "-c", "x"],
            &["sh", "-c"],
            &["sh"],
            &[],
        ] {
            assert_eq!(shell(line), None, "{line:?}");
        }
    }

    #[test]
    fn the_last_flag_counts() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let port = |text| flag(&words(text), "port", Forms::Any);
        assert_eq!(port("x --port=1 -port 2").as_deref(), Some("2"));
        assert_eq!(port("x --port 1 --portly=2").as_deref(), Some("1"));
        assert_eq!(port("x ---port=1 port=2 --port"), None);
        assert_eq!(port("x --port=1 --port --host=2").as_deref(), Some("1"));
        let read = |text| flag(&words(text), "port", Forms::Read);
        assert_eq!(read("x --port=1 -port=2 --port 3").as_deref(), Some("1"));
    }
}
