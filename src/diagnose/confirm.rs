//! Commands to paste. Names come from the wire and from the disk: none may end its quotes.

use crate::codec::predict::DEFAULT_SIGNATURE;
use crate::visible::is_hidden;
use std::fmt::Write;

/// How `flatline doctor` reaches the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Where TensorFlow Serving listens; its default port on this host if empty.
    pub upstream: String,
    /// Other options that it takes, as of TLS and the model volume, a word each.
    pub options: Vec<String>,
}

impl Reach {
    /// The command that asks the running server.
    #[must_use]
    pub fn doctor(&self, model: &str) -> String {
        let upstream = match self.upstream.as_str() {
            "" => "127.0.0.1:8500",
            upstream => upstream,
        };
        let options = self.options.iter().map(|word| format!(" {}", bare(word)));
        format!(
            "flatline doctor --upstream {}{} --model {}",
            bare(upstream),
            options.collect::<String>(),
            quoted(model)
        )
    }

    /// The command that tries what one series stands for.
    #[must_use]
    pub fn probe(&self, model: &str, version: i64, signature: &str) -> String {
        let mut command = self.doctor(model);
        if version > 0 {
            let _ = write!(command, " --version {version}");
        }
        if signature != DEFAULT_SIGNATURE {
            let _ = write!(command, " --signature {}", quoted(signature));
        }
        command + " --probe"
    }
}

/// A version's folder; where that is not known, one that the shell asks for.
pub(super) fn path(base: &str, version: i64) -> String {
    if base.is_empty() {
        return format!("\"${{MODEL_DIR:?set it to the folder of the model}}/{version}\"");
    }
    quoted(&format!("{base}/{version}"))
}

/// The command that looks for names of features in a version's graph, where they stand as strings of
/// constants: with a tag and their length before them, so that no other word is taken for one.
pub(super) fn reads(names: &[String], folder: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    format!(
        "python3 -c 'import sys; g = open(sys.argv[1], \"rb\").read(); [print(n + \": the model \" + (\"reads it\" if b\"B\" + bytes([len(b)] if len(b) < 128 else [len(b) % 128 + 128, len(b) // 128]) + b in g else \"does not read it\")) for n in sys.argv[2:] for b in [n.encode()]]' {folder}/saved_model.pb {}",
        names.join(" ")
    )
}

/// The command that shows how far the values of a version's variables are apart.
pub(super) fn variables(folder: &str) -> String {
    format!(
        "python3 -c 'import sys, tensorflow as tf; r = tf.train.load_checkpoint(sys.argv[1]); [print(n, s, v.std()) for n, s in tf.train.list_variables(sys.argv[1]) if s for v in [r.get_tensor(n)] if v.size and v.dtype.kind in \"fiu\"]' {folder}/variables/variables"
    )
}

/// Text inside single quotes; with what is not seen in it, inside those of bash and zsh that spell
/// it out.
pub(crate) fn quoted(text: &str) -> String {
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
    fn the_command_reaches_the_server_as_the_proxy_does() {
        let words = [
            "--upstream-ca",
            "/etc/my tls/ca.pem",
            "--model-dir",
            "/models/m",
        ];
        let reach = Reach {
            upstream: "unix:/run/tfs.sock".to_owned(),
            options: words.map(str::to_owned).to_vec(),
        };
        let asks = "flatline doctor --upstream unix:/run/tfs.sock --upstream-ca '/etc/my tls/ca.pem' --model-dir /models/m --model 'm'";
        assert_eq!(reach.doctor("m"), asks);
        assert_eq!(
            reach.probe("m", 3, "regress"),
            format!("{asks} --version 3 --signature 'regress' --probe")
        );
        let plain = Reach::default().probe("m", 0, DEFAULT_SIGNATURE);
        assert_eq!(
            plain,
            "flatline doctor --upstream 127.0.0.1:8500 --model 'm' --probe"
        );
    }

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
