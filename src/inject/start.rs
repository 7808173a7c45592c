//! How a container's process is started, and what that says of the model server in it.

use super::flags::{self, Flag, Forms, Word};
use super::pod::Container;
use super::shell::{self, Shell};
use super::text;

/// Behind this word TensorFlow Serving reads no flags.
const END: &str = "--";
const BINARY: &str = "tensorflow_model_server";
const ENTRYPOINT: &str = "tf_serving_entrypoint.sh";
/// What stands for the words behind a shell's text.
const ALL_WORDS: [&str; 4] = ["$@", "$*", "${@}", "${*}"];
/// Commands that give others words which are not written out.
const FEEDS: [&str; 2] = ["xargs", "parallel"];
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
    /// The word behind which the server reads none, and nor do the words above go on.
    end: Option<Word<'a>>,
    shell: Option<Shell<'a>>,
    text: Commands,
}

/// What a shell's text runs.
#[derive(Default)]
struct Commands {
    /// The commands that start the server, from it on; all, if none is known to.
    words: Vec<Vec<String>>,
    /// Whether they are known to.
    is_named: bool,
    /// What starts a server in a way that is not read here.
    hidden: Option<String>,
}

impl<'a> Start<'a> {
    pub(super) fn read(container: &Container<'a>) -> Self {
        let mut words = flags::words(container);
        let shell = shell::find(&words, runs_server);
        let text = match shell {
            Some(Shell::Text(text)) => commands(container, &words, text),
            _ => Commands::default(),
        };
        let named = words.iter().position(|word| runs_server(word.text));
        let mut start = Start {
            container: *container,
            words: words.split_off(named.unwrap_or(0)),
            is_named: named.is_some(),
            end: None,
            shell,
            text,
        };
        // Of a program that nobody knows, it may stand before the server's own.
        if start.is_certain() {
            let end = start.words.iter().position(|word| word.text == END);
            let behind = end.map(|at| start.words.split_off(at));
            start.end = behind.and_then(|words| words.first().copied());
        }
        start
    }

    pub(super) fn end(&self) -> Option<Word<'a>> {
        self.end
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
        self.is_named || self.text.is_named
    }

    /// Whether the words reach the server itself, which takes its defaults where they say nothing.
    pub(super) fn is_certain(&self) -> bool {
        let has_entrypoint = self.container.list("command").is_empty();
        // What is for building it has a shell for its entrypoint.
        let is_for_building = self.container.tag().contains("devel");
        self.is_named || has_entrypoint && is_official(self.container.image()) && !is_for_building
    }

    pub(super) fn has_own_flag(&self) -> bool {
        OWN_FLAGS.iter().any(|name| !self.flags(name).is_empty())
    }

    /// The places among the words that set `name`.
    pub(super) fn flags(&self, name: &str) -> Vec<Flag<'a>> {
        flags::find(&self.container, &self.words, name)
    }

    /// The value of the flag `name`, as far as it is written out.
    pub(super) fn value(&self, name: &str, forms: Forms) -> Option<String> {
        let Some(Shell::Text(_)) = self.shell else {
            let mut flags = self.flags(name);
            flags.retain(|flag| forms == Forms::Any || flag.is_read);
            return flags.pop().map(|flag| flag.value);
        };
        let commands = self.text.words.iter();
        let mut values: Vec<_> = commands
            .filter_map(|words| shell::flag(words, name, forms))
            .collect();
        values.dedup();
        // Servers that differ have no value in common, and neither of two is read as one.
        (!values.is_empty()).then(|| values.join(" and "))
    }

    /// Whether TLS ends in the server: by its flags, by a variable that holds one, or by a text
    /// that names one anywhere.
    pub(super) fn has_tls(&self) -> bool {
        const SWITCH: &str = "use_alts_credentials";
        const FILE: &str = "ssl_config_file";
        let is_on = |name| {
            let value = self.value(name, Forms::Any);
            value.is_some_and(|v| !v.is_empty() && v != "0" && !v.eq_ignore_ascii_case("false"))
        };
        let is_switch = |word: &str| flags::value_in(word, SWITCH) == Some(None);
        let mut variables = self.container.list("env").iter();
        let hides = |name| {
            let is_written = matches!(self.shell, Some(Shell::Text(text)) if text.contains(name));
            is_written && self.value(name, Forms::Any).is_none()
        };
        is_on(FILE)
            || is_on(SWITCH)
            || hides(FILE)
            || hides(SWITCH)
            || self.words.iter().any(|word| is_switch(word.text))
            || variables.any(|v| {
                v["value"]
                    .as_str()
                    .is_some_and(|v| v.contains("--ssl_config_file="))
            })
    }

    /// A word that may bring a port when it runs, which is not seen here. Behind a port that is
    /// written out it would be the last, which counts.
    pub(super) fn hidden(&self) -> Option<&str> {
        if let Some(Shell::Text(_)) = self.shell {
            let has_port = self.value("port", Forms::Any).is_some();
            let mut commands = self.text.words.iter();
            let hidden = self.text.hidden.as_deref();
            return hidden.or_else(|| commands.find_map(|c| self.text.hidden_in(c, has_port)));
        }
        flags::variable_flag(&self.container, &self.words)
    }
}

impl Commands {
    /// All commands of `text` and of the texts that it hands to other shells, and whether there are
    /// functions among them.
    fn read(&mut self, text: String) -> (Vec<Vec<String>>, bool) {
        const DEEPEST: u32 = 3;
        let (mut all, mut has_functions) = (Vec::new(), false);
        let mut texts = vec![(text, 0)];
        while let Some((text, depth)) = texts.pop() {
            let read = text::read(&text);
            has_functions |= read.has_functions;
            if read.documents.iter().any(|document| names_server(document)) {
                self.hidden = Some("<<".to_owned());
            }
            for command in &read.commands {
                let mut feeds = command.iter().filter(|w| FEEDS.contains(&flags::base(w)));
                if let (Some(feeds), Some(_)) = (feeds.next(), started(command)) {
                    self.hidden = Some(feeds.clone());
                }
                let inner = command.iter().take_while(|word| !is_looking(word));
                // `A=$(which server)` is the same word however often it is read.
                let inner = inner.filter(|word| {
                    names_server(word) && word.contains(char::is_whitespace) && **word != text
                });
                for word in inner {
                    if depth < DEEPEST {
                        texts.push((word.clone(), depth + 1));
                    } else {
                        self.hidden = Some(word.clone());
                    }
                }
            }
            all.extend(read.commands);
        }
        (all, has_functions)
    }

    /// A word of a command that only the shell knows, and that may be a flag.
    fn hidden_in<'w>(&self, words: &'w [String], has_port: bool) -> Option<&'w str> {
        // What it runs may be a variable, where its flags are none.
        let first = match (self.is_named, has_port) {
            (true, _) => 1,
            (false, true) => words.iter().position(|word| word.starts_with('-'))?,
            (false, false) => 0,
        };
        let texts: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut places = first..words.len();
        let found = places.find(|at| flags::may_be_flag(&texts, *at, &["$", "`"]))?;
        Some(&words[found])
    }
}

/// The project's own image, from wherever it is mirrored: its entrypoint passes words on, behind
/// its own flags, and TensorFlow Serving takes the last.
pub(super) fn is_official(image: &str) -> bool {
    image == "tensorflow/serving" || image.ends_with("/tensorflow/serving")
}

/// The commands that start the server in `text`, with the words behind the text where they go.
fn commands(container: &Container<'_>, words: &[Word<'_>], text: &str) -> Commands {
    let behind = words.iter().skip_while(|w| !std::ptr::eq(w.text, text));
    // The first is the shell's `$0`.
    let behind = behind
        .skip(2)
        .map(|word| flags::expand(container, word.text));
    let behind: Vec<_> = behind.collect();
    let mut found = Commands::default();
    // The kubelet expands before the shell does.
    let (all, has_functions) = found.read(flags::expand(container, text));
    // They stand for something else behind `set --`, and within a function.
    let sets = |words: &Vec<String>| words[0] == "set" && words.iter().any(|word| word == "--");
    let is_set = has_functions || all.iter().any(sets);
    let server = |words: &Vec<String>| Some(words[started(words)?..].to_vec());
    let servers: Vec<_> = all.iter().filter_map(server).collect();
    let has = |words: &[String], flag| shell::flag(words, flag, Forms::Any).is_some();
    let has_own = |words: &&Vec<String>| OWN_FLAGS.iter().any(|flag| has(words, flag));
    found.is_named = !servers.is_empty();
    found.words = match all.iter().find(has_own) {
        _ if found.is_named => servers,
        Some(words) => vec![words.clone()],
        None => all,
    };
    for words in &mut found.words {
        let before = words.len();
        words.retain(|word| is_set || !ALL_WORDS.contains(&word.as_str()));
        if words.len() < before {
            words.extend(behind.iter().cloned());
        }
        if let (true, Some(end)) = (found.is_named, words.iter().position(|word| word == END)) {
            words.truncate(end);
        }
    }
    found
}

/// Where in a command's words the server is that it starts, and does not only look for.
fn started(words: &[String]) -> Option<usize> {
    let at = words.iter().position(|word| runs_server(word))?;
    (!words[..at].iter().any(|word| is_looking(word))).then_some(at)
}

/// Whether a command speaks of what is in its words, and does not start it.
fn is_looking(word: &str) -> bool {
    const LOOKS: [&str; 18] = [
        "pgrep", "pkill", "pidof", "killall", "grep", "ps", "which", "ls", "test", "[", "[[",
        "echo", "printf", "logger", "ln", "cp", "chmod", "type",
    ];
    LOOKS.contains(&flags::base(word))
}

/// Whether a text speaks of the server.
fn names_server(text: &str) -> bool {
    text.contains(BINARY) || text.contains(ENTRYPOINT)
}

fn runs_server(word: &str) -> bool {
    // Neither a text that ends with it nor a variable that holds it.
    let is_path = !word.contains(|c: char| c.is_whitespace() || c == '=');
    is_path && [BINARY, ENTRYPOINT].contains(&flags::base(word))
}
