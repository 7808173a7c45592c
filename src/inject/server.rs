//! Finds the model server of a pod, how it is started, and its gRPC port.

use super::annotations::Overrides;
use super::flags::{self, Flag};
use super::pod::{Container, Pod};
use super::ports;
use super::probes;
use super::start::{Launch, Start, is_official};
use super::takeover::Refusal;
use super::{Mistake, Redirect, Skip};

/// Where TensorFlow Serving listens if nothing says otherwise, and so does its image's entrypoint.
const DEFAULT_PORT: u16 = 8500;

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

pub(super) fn find<'a>(
    pod: &Pod<'a>,
    overrides: &Overrides<'_>,
    redirect: Redirect,
) -> Result<Server<'a>, Refusal> {
    let container = choose(pod, overrides)?;
    let start = Start::read(&container);
    if start.has_tls() {
        let detail = format!("container `{}` has a flag for it", container.name());
        return Err(Refusal::Skip(Skip::TlsInServer, detail));
    }
    Ok(Server {
        container,
        launch: start.launch(),
        port: port(&container, &start, overrides, redirect)?,
        flags: start.flags("port"),
    })
}

fn port(
    container: &Container<'_>,
    start: &Start<'_>,
    overrides: &Overrides<'_>,
    redirect: Redirect,
) -> Result<u16, Refusal> {
    let name = container.name();
    let launch = start.launch();
    let known_later = |what: String| {
        let detail = format!(
            "{what} of container `{name}` is known only when it runs; name its gRPC port by \
             flatline.dev/port"
        );
        Err(Refusal::Skip(Skip::ShellCommand, detail))
    };
    let hidden = start.hidden();
    if let (Some(word), None) = (hidden, overrides.port) {
        return known_later(format!("the word `{word}`"));
    }
    let is_default = hidden.is_none() && launch == Launch::Words && start.is_certain();
    let said = match (start.value("port"), overrides.port) {
        (Some(text), _) => text,
        (None, _) if is_default => DEFAULT_PORT.to_string(),
        (None, Some(port)) => return Ok(port),
        (None, None) => return guess(container, start),
    };
    if said == "0" {
        let detail = format!("container `{name}` has --port=0");
        return Err(Refusal::Skip(Skip::UnixOnly, detail));
    }
    // Of a program that nobody knows, `--port` may be any; to move it by one, it has to be this.
    let is_certain = redirect == Redirect::Args || is_model_server(container);
    match (overrides.port, said.parse::<u16>()) {
        (Some(port), Ok(other)) if port != other && is_certain => Err(Refusal::Mistake(Mistake {
            annotation: "flatline.dev/port".to_owned(),
            value: port.to_string(),
            reason: format!(
                "is not the port of container `{name}`, which is started with port {other}"
            ),
            example: other.to_string(),
        })),
        (Some(port), _) | (None, Ok(port)) => Ok(port),
        (None, Err(_)) if said.contains(['$', '`']) || said.contains(" and ") => {
            known_later(format!("port `{said}`"))
        }
        (None, Err(_)) => {
            let detail =
                format!("container `{name}`: --port={said:?} is no number from 1 to 65535");
            Err(Refusal::Skip(Skip::UnknownEntrypoint, detail))
        }
    }
}

/// The default, unless the container speaks against it: an image's own entrypoint may well have
/// another, and so may a script or text in which nobody sees the server start.
fn guess(container: &Container<'_>, start: &Start<'_>) -> Result<u16, Refusal> {
    // The variable that Bitnami's image turns into `--port`.
    let mut variables = container.list("env").iter();
    let bitnami = variables.find(|v| v["name"] == "TENSORFLOW_SERVING_PORT_NUMBER");
    let bitnami = bitnami.and_then(|v| v["value"].as_str()?.parse().ok());
    if let (Some(port), Launch::Unknown) = (bitnami, start.launch()) {
        return Ok(port);
    }
    let declared = container.list("ports").iter().filter(|p| ports::is_tcp(p));
    let declared: Vec<_> = declared.filter_map(ports::number).collect();
    let declares_another = !declared.is_empty() && !declared.contains(&DEFAULT_PORT);
    let runs_another = match start.launch() {
        Launch::Words => false,
        Launch::Shell => declared.is_empty() && !start.names_server(),
        Launch::Unknown => !container.list("command").is_empty(),
    };
    if declares_another || runs_another {
        let detail = format!(
            "nothing says that container `{}` listens on {DEFAULT_PORT}; name its gRPC port by \
             flatline.dev/port",
            container.name()
        );
        return Err(Refusal::Skip(Skip::UnknownEntrypoint, detail));
    }
    Ok(DEFAULT_PORT)
}

/// Whether a container that is not the pod's server runs one on `port`, as a check of a model does.
pub(super) fn runs_on(container: &Container<'_>, port: u16) -> bool {
    let start = Start::read(container);
    let said = start.value("port").map(|text| text.parse());
    start.names_server() && said.unwrap_or(Ok(DEFAULT_PORT)) == Ok(port)
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
    let start = Start::read(container);
    is_official(container.image())
        || is_image_of_server(flags::base(container.image()))
        || start.names_server()
        || start.has_own_flag()
            && !is_another_program(container)
            && !answers_http(container, &start)
}

/// Whether a probe asks by HTTP the port that would be gRPC's.
fn answers_http(container: &Container<'_>, start: &Start<'_>) -> bool {
    let Some(port) = start.value("port") else {
        return false;
    };
    probes::ports(container).iter().any(|(path, asked)| {
        let asked = ports::asked(container, asked);
        path.contains(&"httpGet") && asked.is_some_and(|asked| asked.to_string() == port)
    })
}

/// Whether the command starts a program that is known to be none of TensorFlow's: its flags may be
/// named as those of the server are.
fn is_another_program(container: &Container<'_>) -> bool {
    const OTHERS: [&str; 16] = [
        "python",
        "java",
        "node",
        "deno",
        "bun",
        "ruby",
        "perl",
        "php",
        "go",
        "dotnet",
        "gunicorn",
        "uvicorn",
        "flask",
        "ovms",
        "tritonserver",
        "torchserve",
    ];
    let words = flags::words(container);
    let mut program = words.iter().map(|word| flags::base(word.text));
    program.next().is_some_and(|word| {
        // `python3.11` is one too.
        OTHERS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
    })
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
    let of_another = |owner: &str| {
        const BESIDE: [&str; 10] = [
            "gateway", "proxy", "client", "exporter", "for", "test", "bench", "loader", "monitor",
            "adapter",
        ];
        owner.split('-').any(|part| BESIDE.contains(&part))
    };
    let owner = dashed.strip_suffix("-tensorflow-serving");
    owner.is_some_and(|owner| !of_another(owner))
        || NAMES.iter().any(|name| {
            let build = dashed.strip_prefix(name);
            build.is_some_and(|build| BUILDS.contains(&build))
        })
}
