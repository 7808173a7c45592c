//! Plans how Flatline takes the port that clients know.

use super::annotations::{INJECTED, Overrides, SKIPPED};
use super::patch::Edits;
use super::pod::Pod;
use super::server::{self, Server};
use super::sidecar::{self, ADMIN_PORT_NAME, Ports};
use super::{
    Mistake, Redirect, Settings, Skip, exclude, grace, ports, probes, redirect, resources,
};
use json_patch::Patch;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// First port tried for what moves out of the way.
const FIRST: u16 = 8510;
/// Ports that the project's own image opens without a word: gRPC and REST.
const ENTRYPOINT_PORTS: [u16; 2] = [8500, 8501];

/// Why there is no plan.
#[derive(Debug)]
pub(super) enum Refusal {
    Skip(Skip, String),
    Mistake(Mistake),
}

pub(super) fn plan(
    pod: &Pod<'_>,
    overrides: &Overrides<'_>,
    settings: &Settings,
) -> Result<(Patch, Vec<String>), Refusal> {
    exclude::of_pod(pod, settings)?;
    let redirect = overrides.redirect.unwrap_or(settings.redirect);
    let server = server::find(pod, overrides, redirect)?;
    exclude::of_way(pod, &server, overrides, redirect)?;
    let mut warnings = overrides.warnings.clone();
    warnings.extend(server.warning.clone());
    let resources = resources::choose(pod, overrides, settings, &mut warnings)?;
    let mut ports = choose_ports(pod, &server, settings, redirect, &mut warnings)?;

    let mut edits = Edits::default();
    // The server first: what goes in front of it moves its place in the list.
    if redirect == Redirect::Args {
        move_server(&mut edits, pod, &server, &mut ports);
    }
    for container in pod.running() {
        let redirected = redirect == Redirect::Iptables;
        probes::warn(&container, server.port, redirected, &mut warnings);
    }
    grace::warn(pod, settings.legacy_sidecar, &mut warnings);
    resources::raise_pod(&mut edits, pod, &resources, &mut warnings);
    let container = sidecar::container(pod, overrides, settings, redirect, &ports, &resources);
    let mut init = Vec::new();
    if redirect == Redirect::Iptables {
        let image = &settings.redirect_image;
        init.push(redirect::container(
            image,
            server.port,
            ports.listen,
            &resources,
        ));
    }
    let mut added = init.clone();
    added.push(container.clone());
    names_are_free("container", pod.containers().map(|c| c.name()), &added)?;
    if settings.legacy_sidecar {
        edits.add(&["spec", "containers", "-"], container);
    } else {
        init.push(container);
    }
    let volumes = sidecar::volumes(overrides);
    let own = pod
        .list("volumes")
        .iter()
        .filter_map(|v| v["name"].as_str());
    names_are_free("volume", own, &volumes)?;
    edits.prepend(pod, "initContainers", init);
    edits.prepend(pod, "volumes", volumes);
    annotate(&mut edits, pod, ports.admin);
    Ok((edits.finish(), warnings))
}

/// The API server refuses a pod in which a name stands twice.
fn names_are_free<'a>(
    what: &str,
    mut own: impl Iterator<Item = &'a str>,
    added: &[Value],
) -> Result<(), Refusal> {
    match own.find(|name| added.iter().any(|item| item["name"] == *name)) {
        Some(name) => Err(Refusal::Skip(
            Skip::NameTaken,
            format!("{what} `{name}` is the pod's own"),
        )),
        None => Ok(()),
    }
}

fn choose_ports(
    pod: &Pod<'_>,
    server: &Server<'_>,
    settings: &Settings,
    redirect: Redirect,
    warnings: &mut Vec<String>,
) -> Result<Ports, Refusal> {
    let name = server.container.name();
    let own = server.container.list("ports");
    let here = |port: &&Value| ports::number(port) == Some(server.port);
    if own.iter().any(|p| here(&p)) && !own.iter().filter(here).any(ports::is_tcp) {
        let detail = format!(
            "container `{name}` declares port {} without TCP",
            server.port
        );
        return Err(Refusal::Skip(Skip::NotTcp, detail));
    }
    // A native sidecar listens before the pod's own init containers run, be it for a while.
    let is_first = redirect == Redirect::Args && !settings.legacy_sidecar;
    let other = pod.containers().find(|container| {
        let mut declared = container.list("ports").iter();
        let declares = declared.any(|p| here(&p) && ports::is_tcp(p));
        let listens = match container.keeps_running() {
            true => declares,
            false => is_first && (declares || server::runs_on(container, server.port)),
        };
        container.name() != name && listens
    });
    let clash = |detail: String| Refusal::Skip(Skip::PortClash, detail);
    if let Some(other) = other {
        return Err(clash(format!(
            "container `{}` listens on port {} too",
            other.name(),
            server.port
        )));
    }
    let mut taken = ports::declared(pod);
    taken.extend(pod.containers().flat_map(|c| ports::mentioned(&c)));
    taken.insert(server.port);
    taken.extend(ENTRYPOINT_PORTS);
    let scraped = pod.annotation("prometheus.io/port");
    taken.extend(scraped.and_then(|port| port.parse::<u16>().ok()));
    let none = || clash("no port is free".to_owned());
    let admin = ports::free(settings.admin_port, &taken).ok_or_else(none)?;
    if admin != settings.admin_port {
        warnings.push(format!(
            "port {} is taken, so metrics and health are on {admin}",
            settings.admin_port
        ));
    }
    taken.insert(admin);
    let free = ports::free(FIRST, &taken).ok_or_else(none)?;
    let (listen, upstream) = match redirect {
        Redirect::Args => (server.port, free),
        Redirect::Iptables => (free, server.port),
    };
    Ok(Ports {
        listen,
        upstream,
        admin,
        declared: None,
    })
}

/// Moves TensorFlow Serving to the upstream port: flags, and the probes and hooks that ask there.
fn move_server(edits: &mut Edits, pod: &Pod<'_>, server: &Server<'_>, ports: &mut Ports) {
    let container = &server.container;
    let index = container.index.to_string();
    let at = ["spec", container.list, index.as_str()];
    let moved = json!(format!("--port={}", ports.upstream));
    if server.flags.is_empty() {
        // Behind all others, so that it is the last, which counts.
        match (server.end, container.list("args")) {
            (Some(end), _) => {
                let path = [at[0], at[1], at[2], end.list, &end.index.to_string()];
                edits.add(&path, moved.clone());
            }
            (None, []) => edits.add(&[at[0], at[1], at[2], "args"], json!([moved])),
            (None, _) => edits.add(&[at[0], at[1], at[2], "args", "-"], moved.clone()),
        }
    }
    // Each in the form that is read, and both words where there are two: the number of words stays.
    for word in server.flags.iter().flat_map(|flag| &flag.words) {
        let path = [at[0], at[1], at[2], word.list, &word.index.to_string()];
        edits.replace(&path, &json!(word.text), moved.clone());
    }
    // Its declared ports stay where they are, numbers and all: a Service finds a named port on the
    // pod's ordinary containers alone before Kubernetes 1.33, and a node's port leads to the number,
    // which is Flatline's from now on. Flatline declares them too, except for what may stand once.
    let own = container.list("ports").iter();
    let own = own.filter(|port| ports::number(port) == Some(server.port) && ports::is_tcp(port));
    let names: BTreeSet<&str> = own.filter_map(|port| port["name"].as_str()).collect();
    let mut declared = json!({"containerPort": server.port, "protocol": "TCP"});
    if let Some(name) = names.iter().find(|name| **name != ADMIN_PORT_NAME) {
        declared["name"] = json!(name);
    }
    ports.declared = Some(declared);
    for asking in pod.containers() {
        let is_own = asking.name() == container.name();
        let index = asking.index.to_string();
        for (at, _, value, moved) in probes::handed_on(&asking, server.port, ports.upstream) {
            let path = ["spec", asking.list, &index, "env", &at.to_string(), "value"];
            edits.replace(&path, value, json!(moved));
        }
        for (path, port) in probes::ports(&asking) {
            let here = match port {
                // Its own container's names are what a probe knows.
                Value::String(name) => is_own && names.contains(name.as_str()),
                number => *number == server.port,
            };
            if here {
                let mut full = vec!["spec", asking.list, &index];
                full.extend(path);
                edits.replace(&full, port, json!(ports.upstream));
            }
        }
    }
}

fn annotate(edits: &mut Edits, pod: &Pod<'_>, admin: u16) {
    let mut pairs = vec![(INJECTED, env!("CARGO_PKG_VERSION").to_owned())];
    let scraped = pod.annotations.is_some_and(|annotations| {
        annotations
            .keys()
            .any(|key| key.starts_with("prometheus.io/"))
    });
    // One that is there points elsewhere, and half of each would point nowhere.
    if !scraped {
        pairs.push(("prometheus.io/scrape", "true".to_owned()));
        pairs.push(("prometheus.io/port", admin.to_string()));
        pairs.push(("prometheus.io/path", "/metrics".to_owned()));
    }
    edits.annotate(pod, &pairs);
    edits.forget(pod, SKIPPED);
}
