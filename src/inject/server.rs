//! Finds the model server of a pod, how it is started, and its gRPC port.

use super::annotations::Overrides;
use super::flags::{self, Flag, Word};
use super::pod::{Container, Pod};
use super::ports;
use super::shell::{self, Shell};
use super::takeover::Refusal;
use super::{Mistake, Redirect, Skip};

/// Where TensorFlow Serving listens if nothing says otherwise, and so does its image's entrypoint.
const DEFAULT_PORT: u16 = 8500;
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

/// A model server.
#[derive(Debug)]
pub(super) struct Server<'a> {
    pub(super) container: Container<'a>,
    pub(super) launch: Launch,
    /// The gRPC port that clients know.
    pub(super) port: u16,
    /// Every place where that port is a flag.
    pub(super) flags: Vec<Flag<'a>>,
}

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

pub(super) fn find<'a>(
    pod: &Pod<'a>,
    overrides: &Overrides<'_>,
    redirect: Redirect,
) -> Result<Server<'a>, Refusal> {
    let container = choose(pod, overrides)?;
    let words = flags::words(&container);
    let shell = shell::find(&words, runs_binary);
    let launch = launch(&container, &words, shell);
    // What starts the server may have flags of its own.
    let at = words.iter().position(|word| runs_binary(word.text));
    let own = &words[at.unwrap_or(0)..];
    let commands = match shell {
        Some(Shell::Text(text)) => commands(&container, &words, text),
        _ => Vec::new(),
    };
    let variable = match shell {
        Some(Shell::Text(_)) => None,
        _ => flags::variable_flag(&container, &words),
    };
    if let (Some(word), None) = (variable, overrides.port) {
        let detail = format!(
            "the word `{word}` of container `{}` becomes a flag only when it runs; write it out, or name the port by flatline.dev/port",
            container.name()
        );
        return Err(Refusal::Skip(Skip::ShellCommand, detail));
    }
    let value = |name: &str| match shell {
        Some(Shell::Text(_)) => {
            let mut values: Vec<_> = commands
                .iter()
                .filter_map(|words| shell::flag(words, name))
                .collect();
            values.dedup();
            // Servers that differ have no value in common, and none of the two is read as one.
            (!values.is_empty()).then(|| values.join(" and "))
        }
        _ => flags::find(&container, own, name)
            .pop()
            .map(|flag| flag.value),
    };
    let is_on = |name: &str| value(name).is_some_and(|v| !v.is_empty() && v != "false");
    let is_bare = |word: &str| ["--use_alts_credentials", "-use_alts_credentials"].contains(&word);
    let hidden = container.list("env").iter();
    let mut hidden = hidden.filter_map(|variable| variable.get("value")?.as_str());
    if is_on("ssl_config_file")
        || is_on("use_alts_credentials")
        || own.iter().any(|word| is_bare(word.text))
        || commands.iter().flatten().any(|word| is_bare(word))
        || hidden.any(|value| value.contains("--ssl_config_file="))
    {
        let detail = format!("container `{}` has a flag for it", container.name());
        return Err(Refusal::Skip(Skip::TlsInServer, detail));
    }
    let mut said = value("port");
    let is_hidden = said.is_none() && commands.iter().any(|words| may_bring_flags(words));
    if is_hidden && overrides.port.is_none() {
        let detail = format!(
            "what starts container `{}` has words that only the shell knows; name its gRPC port by flatline.dev/port",
            container.name()
        );
        return Err(Refusal::Skip(Skip::ShellCommand, detail));
    }
    let is_said = said.is_some() || variable.is_some() || launch != Launch::Words;
    if !is_said && is_default_certain(&container, &words) {
        said = Some(DEFAULT_PORT.to_string());
    }
    if said.as_deref() == Some("0") {
        let detail = format!("container `{}` has --port=0", container.name());
        return Err(Refusal::Skip(Skip::UnixOnly, detail));
    }
    // Of a program that nobody knows, `--port` may be any; to move it by one, it has to be this.
    let certain = redirect == Redirect::Args || is_model_server(&container);
    let parsed: Option<u16> = said.as_deref().and_then(|text| text.parse().ok());
    let port = match (overrides.port, parsed, &said) {
        (Some(port), Some(other), _) if port != other && certain => {
            return Err(Refusal::Mistake(Mistake {
                annotation: "flatline.dev/port".to_owned(),
                value: port.to_string(),
                reason: format!(
                    "is not the port of container `{}`, which is started with port {other}",
                    container.name()
                ),
                example: other.to_string(),
            }));
        }
        (Some(port), ..) | (None, Some(port), _) => port,
        (None, None, None)
            if declares_another(&container)
                || launch == Launch::Unknown && !container.list("command").is_empty() =>
        {
            let detail = format!(
                "nothing says that container `{}` listens on {DEFAULT_PORT}; name its gRPC port by flatline.dev/port",
                container.name()
            );
            return Err(Refusal::Skip(Skip::UnknownEntrypoint, detail));
        }
        (None, None, None) => DEFAULT_PORT,
        (None, None, Some(text)) => {
            let detail = format!(
                "port `{text}` of container `{}` is known only when it runs; name it by flatline.dev/port",
                container.name()
            );
            return Err(Refusal::Skip(Skip::ShellCommand, detail));
        }
    };
    let flags = flags::find(&container, own, "port");
    Ok(Server {
        container,
        launch,
        port,
        flags,
    })
}

fn choose<'a>(pod: &Pod<'a>, overrides: &Overrides<'_>) -> Result<Container<'a>, Refusal> {
    if let Some(name) = overrides.container {
        let named = pod.running().find(|c| c.name() == name);
        return named.ok_or_else(|| Refusal::Skip(Skip::NoModelServer, name.to_owned()));
    }
    let found: Vec<_> = pod.running().filter(is_model_server).collect();
    let names = |list: &[Container<'_>]| {
        list.iter()
            .map(Container::name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let all: Vec<_> = pod.running().collect();
            let detail = format!(
                "none of the containers {} runs TensorFlow Serving; name one by flatline.dev/container",
                names(&all)
            );
            Err(Refusal::Skip(Skip::NoModelServer, detail))
        }
        several => {
            let detail = format!("{}; name one by flatline.dev/container", names(several));
            Err(Refusal::Skip(Skip::SeveralModelServers, detail))
        }
    }
}

fn is_model_server(container: &Container<'_>) -> bool {
    let image = repository(container.text("image").unwrap_or_default());
    let words = flags::words(container);
    is_official(&image)
        || is_image_of_server(flags::base(&image))
        || words.iter().any(|word| runs_binary(word.text))
        || matches!(shell::find(&words, runs_binary), Some(Shell::Text(text)) if starts_server(text))
        || has_own_flag(container, &words)
}

/// Whether an image without its path is named as the server's are: scrapers and clients of the
/// server, which have its name in theirs, are not the server.
fn is_image_of_server(base: &str) -> bool {
    const NAMES: [&str; 4] = [
        "tensorflow-serving",
        "tf-serving",
        "tfserving",
        "tensorflow-model-server",
    ];
    const BUILDS: [&str; 8] = [
        "",
        "-cpu",
        "-gpu",
        "-mkl",
        "-arm64",
        "-devel",
        "-devel-gpu",
        "-devel-mkl",
    ];
    let dashed = base.replace('_', "-");
    dashed.ends_with("-tensorflow-serving")
        || NAMES.iter().any(|name| {
            let build = dashed.strip_prefix(name);
            build.is_some_and(|build| BUILDS.contains(&build))
        })
}

fn launch(container: &Container<'_>, words: &[Word<'_>], shell: Option<Shell<'_>>) -> Launch {
    match shell {
        Some(Shell::Text(_)) => return Launch::Shell,
        // The project's own passes its words on.
        Some(Shell::Script(script)) if !runs_binary(script) => return Launch::Shell,
        _ => {}
    }
    let image = repository(container.text("image").unwrap_or_default());
    let entrypoint = container.list("command").is_empty() && is_official(&image);
    if entrypoint
        || words.iter().any(|word| runs_binary(word.text))
        || !flags::find(container, words, "port").is_empty()
        || has_own_flag(container, words)
    {
        Launch::Words
    } else {
        Launch::Unknown
    }
}

/// The commands that start the server in `text`, with the words behind the text where they go.
fn commands(container: &Container<'_>, words: &[Word<'_>], text: &str) -> Vec<Vec<String>> {
    let behind = words.iter().skip_while(|w| !std::ptr::eq(w.text, text));
    // The first is the shell's `$0`.
    let behind: Vec<_> = behind
        .skip(2)
        .map(|word| flags::expand(container, word.text))
        .collect();
    // The kubelet expands before the shell does.
    let text = flags::expand(container, text);
    // They stand for something else behind `set --`.
    let is_set = shell::commands(&text)
        .iter()
        .any(|words| words[0] == "set" && words.iter().any(|w| w == "--"));
    let mut commands = server_commands(&text);
    for words in &mut commands {
        let before = words.len();
        words.retain(|word| is_set || !ALL_WORDS.contains(&word.as_str()));
        if words.len() < before {
            words.extend(behind.iter().cloned());
        }
    }
    commands
}

/// The words of the commands that start the server in a shell's text; of all, if none is known to.
fn server_commands(text: &str) -> Vec<Vec<String>> {
    let commands = shell::commands(text);
    let servers: Vec<_> = commands
        .iter()
        .filter_map(|words| Some(words[started(words)?..].to_vec()))
        .collect();
    if !servers.is_empty() {
        return servers;
    }
    let has_own = |words: &Vec<String>| OWN_FLAGS.iter().any(|f| shell::flag(words, f).is_some());
    match commands.iter().find(|words| has_own(words)) {
        Some(words) => vec![words.clone()],
        None => commands,
    }
}

fn starts_server(text: &str) -> bool {
    shell::commands(text)
        .iter()
        .any(|words| started(words).is_some())
}

/// Where in a command's words the server is that it starts, and does not only look for.
fn started(words: &[String]) -> Option<usize> {
    const LOOKS: [&str; 13] = [
        "pgrep", "pkill", "pidof", "killall", "grep", "ps", "which", "ls", "test", "echo", "ln",
        "cp", "chmod",
    ];
    let at = words.iter().position(|word| runs_binary(word))?;
    let looks = |word: &String| LOOKS.contains(&flags::base(word));
    (!words[..at].iter().any(looks)).then_some(at)
}

/// Whether flags may come from words that only the shell knows.
fn may_bring_flags(command: &[String]) -> bool {
    command.iter().any(|word| word.starts_with(['$', '`']))
}

/// Whether a container that is no server of the pod's runs one on `port` for a while, as a check of
/// a model does.
pub(super) fn runs_on(container: &Container<'_>, port: u16) -> bool {
    let words = flags::words(container);
    let names = |text: &str| words.iter().any(|word| word.text.contains(text));
    names(BINARY)
        && (ports::mentioned(container).contains(&port)
            || port == DEFAULT_PORT && !names("-port=") && !names("-port "))
}

/// Whether the words reach the server itself, which takes its default where they name no port.
fn is_default_certain(container: &Container<'_>, words: &[Word<'_>]) -> bool {
    let image = repository(container.text("image").unwrap_or_default());
    container.list("command").is_empty() && is_official(&image)
        || words.iter().any(|word| runs_binary(word.text))
}

/// Whether it declares TCP ports without the default among them: an image's own entrypoint may
/// well have another.
fn declares_another(container: &Container<'_>) -> bool {
    let declared = container.list("ports").iter().filter(|p| ports::is_tcp(p));
    let declared: Vec<_> = declared.filter_map(ports::number).collect();
    !declared.is_empty() && !declared.contains(&DEFAULT_PORT)
}

fn runs_binary(word: &str) -> bool {
    // Neither a text that ends with it nor a variable that holds it.
    let is_path = !word.contains(|c: char| c.is_whitespace() || c == '=');
    [BINARY, ENTRYPOINT].contains(&flags::base(word)) && is_path
}

fn has_own_flag(container: &Container<'_>, words: &[Word<'_>]) -> bool {
    OWN_FLAGS
        .iter()
        .any(|name| !flags::find(container, words, name).is_empty())
}

/// The project's own image, from wherever it is mirrored: its entrypoint passes words on, behind
/// its own flags, and TensorFlow Serving takes the last.
fn is_official(repository: &str) -> bool {
    repository == "tensorflow/serving" || repository.ends_with("/tensorflow/serving")
}

/// An image's name without tag and digest.
fn repository(image: &str) -> String {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name.to_owned(),
        _ => name.to_owned(),
    }
}
