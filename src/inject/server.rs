//! Finds the model server of a pod, how it is started, and its gRPC port.

use super::annotations::Overrides;
use super::flags::{self, Flag, Word};
use super::pod::{Container, Pod};
use super::takeover::Refusal;
use super::{Mistake, Skip};

/// Where TensorFlow Serving listens if nothing says otherwise, and so does its image's entrypoint.
const DEFAULT_PORT: u16 = 8500;
const BINARY: &str = "tensorflow_model_server";
const ENTRYPOINT: &str = "tf_serving_entrypoint.sh";
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
    /// A shell's text.
    Shell,
    /// An image's own entrypoint that is not known to pass words on.
    Unknown,
}

pub(super) fn find<'a>(pod: &Pod<'a>, overrides: &Overrides<'_>) -> Result<Server<'a>, Refusal> {
    let container = choose(pod, overrides)?;
    let words = flags::words(&container);
    let text = flags::shell_text(&words);
    let launch = launch(&container, &words, text.is_some());
    let value = |name: &str| match text {
        Some(text) => flags::in_shell(text, name),
        None => flags::find(&container, &words, name)
            .pop()
            .map(|flag| flag.value),
    };
    if ["ssl_config_file", "use_alts_credentials"]
        .iter()
        .any(|name| value(name).is_some_and(|v| !v.is_empty() && v != "false"))
    {
        let detail = format!("container `{}` has a flag for it", container.name());
        return Err(Refusal::Skip(Skip::TlsInServer, detail));
    }
    let said = value("port");
    if said.as_deref() == Some("0") {
        let detail = format!("container `{}` has --port=0", container.name());
        return Err(Refusal::Skip(Skip::UnixOnly, detail));
    }
    let parsed: Option<u16> = said.as_deref().and_then(|text| text.parse().ok());
    let port = match (overrides.port, parsed, &said) {
        (Some(port), Some(other), _) if port != other => {
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
        (None, None, None) => DEFAULT_PORT,
        (None, None, Some(text)) => {
            let detail = format!(
                "port `{text}` of container `{}` is known only when it runs; name it by flatline.dev/port",
                container.name()
            );
            return Err(Refusal::Skip(Skip::ShellCommand, detail));
        }
    };
    let flags = flags::find(&container, &words, "port");
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
    // Scrapers and clients of the server are not the server.
    let dashed = flags::base(&image).replace('_', "-");
    let words = flags::words(container);
    is_official(&image)
        || dashed.starts_with("tensorflow-serving")
        || dashed.ends_with("tensorflow-serving")
        || ["tf-serving", "tfserving", "tensorflow-model-server"].contains(&dashed.as_str())
        || words.iter().any(|word| runs_binary(word.text))
        || flags::shell_text(&words).is_some_and(|text| text.contains(BINARY))
        || has_own_flag(container, &words)
}

fn launch(container: &Container<'_>, words: &[Word<'_>], shell: bool) -> Launch {
    if shell {
        return Launch::Shell;
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

fn runs_binary(word: &str) -> bool {
    [BINARY, ENTRYPOINT].contains(&flags::base(word))
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
