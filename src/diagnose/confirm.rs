//! Commands to paste. Names come from the wire and from the disk: none may end its quotes.

use crate::visible::is_hidden;
use std::fmt::Write;

/// The command that asks the running server, and with `--probe` tries it.
pub(super) fn doctor(upstream: &str, model: &str, probe: bool) -> String {
    let upstream = if upstream.is_empty() {
        "127.0.0.1:8500"
    } else {
        upstream
    };
    let probe = if probe { " --probe" } else { "" };
    format!(
        "flatline doctor --upstream {} --model {}{probe}",
        bare(upstream),
        quoted(model)
    )
}

/// A version's folder.
pub(super) fn path(base: &str, version: i64) -> String {
    if base.is_empty() {
        return format!("<model dir>/{version}");
    }
    quoted(&format!("{base}/{version}"))
}

/// Text inside single quotes; with what is not seen in it, inside those of bash and zsh that spell
/// it out.
pub(super) fn quoted(text: &str) -> String {
    if !text.contains(is_hidden) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for c in text.chars() {
        let _ = match c {
            '\'' | '\\' => write!(quoted, "\\{c}"),
            c if is_hidden(c) => write!(quoted, "\\U{:08x}", u32::from(c)),
            c => write!(quoted, "{c}"),
        };
    }
    quoted + "'"
}

/// Text as it stands where a shell takes it as one word, quoted otherwise.
fn bare(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:[]".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_any_name_as_one_word() {
        for name in [
            "digits",
            "it's; rm -rf $HOME `x` \"y\"",
            "a\\b",
            "a\nb\u{1b}[2J\u{202e}it's\\'c\u{7f}\u{e0041}",
            "\u{202e}4",
        ] {
            let command = format!("printf %s {}", quoted(name));
            assert!(!command.contains(is_hidden), "{command}");
            let mut shell = Command::new("bash");
            let shell = shell.env("LC_ALL", "C.UTF-8").args(["-c", &command]);
            let said = shell.output().expect("bash is there");
            assert_eq!(String::from_utf8_lossy(&said.stdout), name, "{command}");
        }
    }
}
