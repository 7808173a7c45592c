//! How a container's process is started, and what that says of the model server in it.

use super::flags::{self, Flag, Word};
use super::pod::Container;
use super::shell::{self, Shell};

const BINARY: &str = "tensorflow_model_server";
const ENTRYPOINT: &str = "tf_serving_entrypoint.sh";
/// What stands for the words behind a shell's text.
const ALL_WORDS: [&str; 4] = ["$@", "$*", "${@}", "${*}"];
/// Flags that no other server of models has.
const OWN_FLAGS: [&str; 9] = [
    "model_base_path",
    "model_config_file",
    "rest_api_port",
    "rest_api_timeout_in_ms",
    "grpc_socket_path",
    "enable_batching",
    "batching_parameters_file",
    "file_system_poll_wait_seconds",
    "tensorflow_session_parallelism",
];

/// How the process is started, which says whether its flags can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Launch {
    /// The words reach TensorFlow Serving as they are.
    Words,
    /// A shell's text or script.
    Shell,
    /// An image's own entrypoint that is not known to pass words on.
    Unknown,
}

/// The words that start a container, read.
pub(super) struct Start<'a> {
    container: Container<'a>,
    /// From the one on that starts the server, if one does: what starts that has its own flags.
    words: Vec<Word<'a>>,
    /// Whether the first of them does.
    is_named: bool,
    shell: Option<Shell<'a>>,
    /// Those of a shell's text that start the server; all, if none is known to.
    commands: Vec<Vec<String>>,
}

impl<'a> Start<'a> {
    pub(super) fn read(container: &Container<'a>) -> Self {
        let mut words = flags::words(container);
        let shell = shell::find(&words, runs_server);
        let commands = match shell {
            Some(Shell::Text(text)) => commands(container, &words, text),
            _ => Vec::new(),
        };
        let named = words.iter().position(|word| runs_server(word.text));
        Start {
            container: *container,
            words: words.split_off(named.unwrap_or(0)),
            is_named: named.is_some(),
            shell,
            commands,
        }
    }

    pub(super) fn launch(&self) -> Launch {
        match self.shell {
            // The project's own script passes its words on.
            Some(Shell::Script(script)) if runs_server(script) => Launch::Words,
            Some(_) => Launch::Shell,
            None if self.is_certain() || self.has_own_flag() || !self.flags("port").is_empty() => {
                Launch::Words
            }
            None => Launch::Unknown,
        }
    }

    /// Whether the server is named, by a word or by a command of a shell's text.
    pub(super) fn names_server(&self) -> bool {
        self.is_named || self.commands.iter().any(|words| started(words).is_some())
    }

    /// Whether the words reach the server itself, which takes its defaults where they say nothing.
    pub(super) fn is_certain(&self) -> bool {
        let has_entrypoint = self.container.list("command").is_empty();
        self.is_named || has_entrypoint && is_official(self.container.image())
    }

    pub(super) fn has_own_flag(&self) -> bool {
        OWN_FLAGS.iter().any(|name| !self.flags(name).is_empty())
    }

    /// The places among the words that set `name`.
    pub(super) fn flags(&self, name: &str) -> Vec<Flag<'a>> {
        flags::find(&self.container, &self.words, name)
    }

    /// The value of the flag `name`, as far as it is written out.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let Some(Shell::Text(_)) = self.shell else {
            return self.flags(name).pop().map(|flag| flag.value);
        };
        let values = self.commands.iter().filter_map(|c| shell::flag(c, name));
        let mut values: Vec<_> = values.collect();
        values.dedup();
        // Servers that differ have no value in common, and neither of two is read as one.
        (!values.is_empty()).then(|| values.join(" and "))
    }

    /// Whether TLS ends in the server: by its flags, or by a variable that holds one.
    pub(super) fn has_tls(&self) -> bool {
        const SWITCH: &str = "use_alts_credentials";
        let is_on = |name| {
            self.value(name)
                .is_some_and(|v| !v.is_empty() && v != "false")
        };
        let is_switch = |word: &str| flags::value_in(word, SWITCH) == Some(None);
        let mut variables = self.container.list("env").iter();
        is_on("ssl_config_file")
            || is_on(SWITCH)
            || self.words.iter().any(|word| is_switch(word.text))
            || self.commands.iter().flatten().any(|word| is_switch(word))
            || variables.any(|v| {
                v["value"]
                    .as_str()
                    .is_some_and(|v| v.contains("--ssl_config_file="))
            })
    }

    /// A word that may bring a port when it runs, which is not seen here.
    pub(super) fn hidden(&self) -> Option<&str> {
        if let Some(Shell::Text(_)) = self.shell {
            let mut words = self.commands.iter().flatten();
            let hidden = words.find(|word| word.starts_with(['$', '`']));
            return hidden
                .filter(|_| self.value("port").is_none())
                .map(String::as_str);
        }
        // Behind a port that is written out it would be the last, which counts.
        flags::variable_flag(&self.container, &self.words)
    }
}

/// The project's own image, from wherever it is mirrored: its entrypoint passes words on, behind
/// its own flags, and TensorFlow Serving takes the last.
pub(super) fn is_official(image: &str) -> bool {
    image == "tensorflow/serving" || image.ends_with("/tensorflow/serving")
}

/// The commands that start the server in `text`, with the words behind the text where they go.
fn commands(container: &Container<'_>, words: &[Word<'_>], text: &str) -> Vec<Vec<String>> {
    let behind = words.iter().skip_while(|w| !std::ptr::eq(w.text, text));
    // The first is the shell's `$0`.
    let behind = behind
        .skip(2)
        .map(|word| flags::expand(container, word.text));
    let behind: Vec<_> = behind.collect();
    // The kubelet expands before the shell does.
    let all = shell::commands(&flags::expand(container, text));
    // They stand for something else behind `set --`.
    let sets = |words: &Vec<String>| words[0] == "set" && words.iter().any(|word| word == "--");
    let is_set = all.iter().any(sets);
    let mut commands = server_commands(all);
    for words in &mut commands {
        let before = words.len();
        words.retain(|word| is_set || !ALL_WORDS.contains(&word.as_str()));
        if words.len() < before {
            words.extend(behind.iter().cloned());
        }
    }
    commands
}

/// The words of the commands that start the server; all, if none is known to.
fn server_commands(commands: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let server = |words: &Vec<String>| Some(words[started(words)?..].to_vec());
    let servers: Vec<_> = commands.iter().filter_map(server).collect();
    if !servers.is_empty() {
        return servers;
    }
    let has_own = |words: &&Vec<String>| OWN_FLAGS.iter().any(|f| shell::flag(words, f).is_some());
    match commands.iter().find(has_own) {
        Some(words) => vec![words.clone()],
        None => commands,
    }
}

/// Where in a command's words the server is that it starts, and does not only look for.
fn started(words: &[String]) -> Option<usize> {
    const LOOKS: [&str; 13] = [
        "pgrep", "pkill", "pidof", "killall", "grep", "ps", "which", "ls", "test", "echo", "ln",
        "cp", "chmod",
    ];
    let at = words.iter().position(|word| runs_server(word))?;
    let looks = |word: &String| LOOKS.contains(&flags::base(word));
    (!words[..at].iter().any(looks)).then_some(at)
}

fn runs_server(word: &str) -> bool {
    // Neither a text that ends with it nor a variable that holds it.
    let is_path = !word.contains(|c: char| c.is_whitespace() || c == '=');
    is_path && [BINARY, ENTRYPOINT].contains(&flags::base(word))
}
