//! Finds the model server of a pod, and how it is started.

use super::annotations::Overrides;
use super::flags::{self, Flag, Forms, Word};
use super::pod::{Container, Pod};
use super::start::{Launch, Start, is_official};
use super::takeover::Refusal;
use super::{Redirect, Skip, port, ports, probes};
use serde_json::Value;

/// A model server.
#[derive(Debug)]
pub(super) struct Server<'a> {
    pub(super) container: Container<'a>,
    pub(super) launch: Launch,
    /// The gRPC port that clients know.
    pub(super) port: u16,
    /// Every place where that port is a flag.
    pub(super) flags: Vec<Flag<'a>>,
    /// The word behind which it reads no flags.
    pub(super) end: Option<Word<'a>>,
    /// What the pod's owner should know of the port.
    pub(super) warning: Option<String>,
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
    let (port, warning) = port::find(&container, &start, overrides, redirect)?;
    Ok(Server {
        container,
        launch: start.launch(),
        port,
        flags: start.flags("port"),
        end: start.end(),
        warning,
    })
}

/// Whether a container that is not the pod's server runs one on `port`, as a check of a model does.
pub(super) fn runs_on(container: &Container<'_>, port: u16) -> bool {
    let start = Start::read(container);
    // Which of two forms its server reads does not matter: neither may be in the way.
    let may_be = |forms| {
        let said = start.value("port", forms).map(|text| text.parse());
        said.unwrap_or(Ok(port::DEFAULT)) == Ok(port)
    };
    let runs = start.names_server() || start.is_certain();
    runs && (may_be(Forms::Any) || may_be(Forms::Read))
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
            let image = all.iter().find(|container| has_image(container));
            if let Some(container) = image {
                return of_image(container, overrides);
            }
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

/// A container that has an image of the server and seems to be something else, unless the owner
/// names its port.
fn of_image<'a>(
    container: &Container<'a>,
    overrides: &Overrides<'_>,
) -> Result<Container<'a>, Refusal> {
    match other_than_server(container, &Start::read(container)) {
        Some(what) if overrides.port.is_none() => {
            let detail = format!(
                "container `{}` has an image of TensorFlow Serving and {what}; where that serves \
                 models, name it by flatline.dev/container",
                container.name()
            );
            Err(Refusal::Skip(Skip::UnknownEntrypoint, detail))
        }
        _ => Ok(*container),
    }
}

pub(super) fn is_model_server(container: &Container<'_>) -> bool {
    let start = Start::read(container);
    start.names_server()
        || (start.has_own_flag() || has_image(container))
            && other_than_server(container, &start).is_none()
}

/// Whether the image is one of the server, which may as well run something else.
fn has_image(container: &Container<'_>) -> bool {
    is_official(container.image()) || is_image_of_server(flags::base(container.image()))
}

/// What a container seems to be that does not name the server's binary, if not the server.
fn other_than_server(container: &Container<'_>, start: &Start<'_>) -> Option<String> {
    let command = container.list("command").first().and_then(Value::as_str);
    // A shell may run the server, and a program of which the flags are the server's does.
    let runs = command.filter(|_| start.launch() != Launch::Shell && !start.has_own_flag());
    let runs = runs.or_else(|| another_program(container));
    let http = || answers_http(container, start).then(|| "answers HTTP on its port".to_owned());
    runs.map(|program| format!("runs `{program}`"))
        .or_else(http)
}

/// Whether a probe asks by HTTP the port that would be gRPC's.
fn answers_http(container: &Container<'_>, start: &Start<'_>) -> bool {
    let port = start.value("port", Forms::Any);
    let port = port.unwrap_or_else(|| port::DEFAULT.to_string());
    probes::ports(container).iter().any(|(path, asked)| {
        let asked = ports::asked(container, asked);
        path.contains(&"httpGet") && asked.is_some_and(|asked| asked.to_string() == port)
    })
}

/// The program that the words start, if it is known to be none of TensorFlow's: its flags may be
/// named as those of the server are.
fn another_program<'a>(container: &Container<'a>) -> Option<&'a str> {
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
    let program = flags::words(container).first()?.text;
    let name = flags::base(program);
    // `python3.11` is one too.
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    OTHERS.contains(&name).then_some(program)
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
