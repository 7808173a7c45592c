//! The gRPC port that a model server's clients know.

use super::annotations::Overrides;
use super::flags::Forms;
use super::pod::Container;
use super::start::{Launch, Start};
use super::takeover::Refusal;
use super::{Mistake, Redirect, Skip, ports, probes, server};

/// Where TensorFlow Serving listens if nothing says otherwise, and so does its image's entrypoint.
pub(super) const DEFAULT: u16 = 8500;

/// The port, and what the pod's owner should know of it.
pub(super) fn find(
    container: &Container<'_>,
    start: &Start<'_>,
    overrides: &Overrides<'_>,
    redirect: Redirect,
) -> Result<(u16, Option<String>), Refusal> {
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
    let (said, warning) = match (start.value("port", Forms::Any), overrides.port) {
        (Some(text), _) => weigh(container, start, overrides, redirect, text),
        (None, _) if is_default => (DEFAULT.to_string(), None),
        (None, Some(port)) => return Ok((port, None)),
        (None, None) => return guess(container, start).map(|port| (port, None)),
    };
    if said == "0" {
        let detail = format!("container `{name}` has --port=0");
        return Err(Refusal::Skip(Skip::UnixOnly, detail));
    }
    // Of a program that nobody knows, `--port` may be any; to move it by one, it has to be this.
    let is_certain = redirect == Redirect::Args || server::is_model_server(container);
    match (overrides.port, said.parse::<u16>()) {
        (Some(port), Ok(other)) if port != other && is_certain => Err(Refusal::Mistake(Mistake {
            annotation: "flatline.dev/port".to_owned(),
            value: port.to_string(),
            reason: format!(
                "is not the port of container `{name}`, which is started with port {other}"
            ),
            example: other.to_string(),
        })),
        (Some(port), _) | (None, Ok(port)) => Ok((port, warning)),
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

/// Which port counts where `meant` may stand in a form that TensorFlow Serving does not read, and
/// so serves another; and a warning where the two differ.
fn weigh(
    container: &Container<'_>,
    start: &Start<'_>,
    overrides: &Overrides<'_>,
    redirect: Redirect,
    meant: String,
) -> (String, Option<String>) {
    let served = start.value("port", Forms::Read);
    let served = served.unwrap_or_else(|| DEFAULT.to_string());
    let number = |text: &str| text.parse::<u16>().ok();
    if number(&meant).is_none() || number(&meant) == number(&served) {
        return (meant, None);
    }
    let names = |port: &str| {
        let declared = container.list("ports").iter().filter(|p| ports::is_tcp(p));
        let asked = probes::ports(container).into_iter();
        let asked = asked.filter_map(|(_, port)| ports::asked(container, port));
        let mut named = declared.filter_map(ports::number).chain(asked);
        named.any(|number| number.to_string() == port)
    };
    // Behind a redirection by the kernel it stays where it is. Where it is moved, it goes where
    // Flatline expects it, and what counts is the port that others dial.
    let stays = redirect == Redirect::Iptables && (start.names_server() || start.is_certain());
    let port = match overrides.port.map(|port| port.to_string()) {
        Some(port) if port == served || port == meant => port,
        _ if stays || names(&served) && !names(&meant) => served.clone(),
        _ => meant.clone(),
    };
    let warning = format!(
        "container `{}` names port {meant} in a form that TensorFlow Serving does not read: it reads \
         `--port={meant}` alone, and listens on {served} without Flatline, which takes port {port}",
        container.name()
    );
    (port, Some(warning))
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
    let declares_another = !declared.is_empty() && !declared.contains(&DEFAULT);
    let runs_another = match start.launch() {
        Launch::Words => false,
        Launch::Shell => declared.is_empty() && !start.names_server(),
        Launch::Unknown => !container.list("command").is_empty(),
    };
    if declares_another || runs_another {
        let detail = format!(
            "nothing says that container `{}` listens on {DEFAULT}; name its gRPC port by \
             flatline.dev/port",
            container.name()
        );
        return Err(Refusal::Skip(Skip::UnknownEntrypoint, detail));
    }
    Ok(DEFAULT)
}
