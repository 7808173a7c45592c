//! Plans how Flatline takes the port that clients know.

use super::annotations::{INJECTED, Overrides, SKIPPED, quantity};
use super::patch::Edits;
use super::pod::{Object, Pod};
use super::server::{self, Launch, Server};
use super::sidecar::{self, Ports};
use super::{Mistake, Redirect, Settings, Skip, ports, redirect};
use json_patch::Patch;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// First port tried for what moves out of the way.
const FIRST: u16 = 8510;
const PROBES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];

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
    exclude(pod, settings)?;
    let server = server::find(pod, overrides)?;
    let redirect = overrides.redirect.unwrap_or(settings.redirect);
    if redirect == Redirect::Args {
        rewritable(&server, overrides)?;
    }
    let mut warnings = overrides.warnings.clone();
    let resources = resources(pod, overrides, settings, &mut warnings)?;
    let mut ports = choose_ports(pod, &server, settings, redirect, &mut warnings)?;

    let mut edits = Edits::default();
    // The server first: what goes in front of it moves its place in the list.
    match redirect {
        Redirect::Args => move_server(&mut edits, &server, &mut ports),
        Redirect::Iptables => warn_of_tcp_probes(&server, &mut warnings),
    }
    let container = sidecar::container(pod, overrides, settings, redirect, &ports, &resources);
    let mut init = Vec::new();
    if redirect == Redirect::Iptables {
        let image = &settings.redirect_image;
        init.push(redirect::container(image, server.port, ports.listen));
    }
    if settings.legacy_sidecar {
        edits.add(&["spec", "containers", "-"], container);
    } else {
        init.push(container);
    }
    let volumes = sidecar::volumes(overrides);
    names_are_free("container", pod.containers().map(|c| c.name()), &init)?;
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

fn exclude(pod: &Pod<'_>, settings: &Settings) -> Result<(), Refusal> {
    let skip = |reason, detail: &str| Err(Refusal::Skip(reason, detail.to_owned()));
    if pod.spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        return skip(Skip::HostNetwork, "spec.hostNetwork is true");
    }
    let os = pod.spec.get("os").and_then(|os| os.get("name"));
    if os.is_some_and(|name| name == "windows") {
        return skip(Skip::Windows, "spec.os.name is windows");
    }
    let policy = pod.spec.get("restartPolicy").and_then(Value::as_str);
    if settings.legacy_sidecar && policy.is_some_and(|policy| policy != "Always") {
        return skip(
            Skip::WouldNotComplete,
            "restartPolicy is not Always, and a legacy sidecar does not end by itself",
        );
    }
    Ok(())
}

/// Whether the flags can be changed with certainty.
fn rewritable(server: &Server<'_>, overrides: &Overrides<'_>) -> Result<(), Refusal> {
    let name = server.container.name();
    let advice = "or use flatline.dev/redirect: iptables";
    match server.launch {
        Launch::Words => Ok(()),
        Launch::Shell => Err(Refusal::Skip(
            Skip::ShellCommand,
            format!("container `{name}`: write command and args without a shell, {advice}"),
        )),
        // Who names both the container and the way knows the image.
        Launch::Unknown if overrides.redirect == Some(Redirect::Args) => Ok(()),
        Launch::Unknown => Err(Refusal::Skip(
            Skip::UnknownEntrypoint,
            format!(
                "container `{name}`: nothing says that its image passes flags to TensorFlow \
                 Serving; write --port={} into args, say flatline.dev/redirect: args, {advice}",
                server.port
            ),
        )),
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
    let other = pod.running().find(|container| {
        container.name() != name
            && container
                .list("ports")
                .iter()
                .any(|p| here(&p) && ports::is_tcp(p))
    });
    let clash = |detail: String| Refusal::Skip(Skip::PortClash, detail);
    if let Some(other) = other {
        return Err(clash(format!(
            "container `{}` declares port {} too",
            other.name(),
            server.port
        )));
    }
    let mut taken = ports::declared(pod);
    taken.extend(ports::mentioned(&server.container));
    taken.insert(server.port);
    let none = || clash("no port is free".to_owned());
    let admin = ports::free(settings.admin_port, &taken).ok_or_else(none)?;
    if admin != settings.admin_port {
        warnings.push(format!(
            "port {} is taken, so metrics and health are on {admin}",
            settings.admin_port
        ));
    }
    taken.insert(admin);
    taken.extend(pod.containers().flat_map(|c| ports::mentioned(&c)));
    let free = ports::free(FIRST, &taken).ok_or_else(none)?;
    let (listen, upstream) = match redirect {
        Redirect::Args => (server.port, free),
        Redirect::Iptables => (free, server.port),
    };
    Ok(Ports {
        listen,
        upstream,
        admin,
        declared: Vec::new(),
    })
}

/// Moves TensorFlow Serving to the upstream port: flags, declared ports, probes and hooks.
fn move_server(edits: &mut Edits, server: &Server<'_>, ports: &mut Ports) {
    let container = &server.container;
    let index = container.index.to_string();
    let at = ["spec", container.list, index.as_str()];
    if server.flags.is_empty() {
        let flag = json!(format!("--port={}", ports.upstream));
        // Behind all others, so that it is the last, which counts.
        match container.list("args") {
            [] => edits.add(&[at[0], at[1], at[2], "args"], json!([flag])),
            _ => edits.add(&[at[0], at[1], at[2], "args", "-"], flag),
        }
    }
    for flag in &server.flags {
        let word = flag.word;
        let path = [at[0], at[1], at[2], word.list, &word.index.to_string()];
        let moved = format!("{}{}", flag.before, ports.upstream);
        edits.replace(&path, &json!(word.text), json!(moved));
    }
    let mut names = BTreeSet::new();
    let mut declared = Vec::new();
    for (index, port) in container.list("ports").iter().enumerate() {
        if ports::number(port) != Some(server.port) || !ports::is_tcp(port) {
            continue;
        }
        names.extend(port.get("name").and_then(Value::as_str));
        let here = json!({"containerPort": ports.upstream, "protocol": "TCP"});
        edits.replace(
            &[at[0], at[1], at[2], "ports", &index.to_string()],
            port,
            here,
        );
        declared.push(port.clone());
    }
    if declared.is_empty() {
        declared.push(json!({"containerPort": server.port, "protocol": "TCP"}));
    }
    ports.declared = declared;
    let known = |port: &Value| match port {
        Value::String(name) => names.contains(name.as_str()),
        number => number.as_u64() == Some(u64::from(server.port)),
    };
    for (path, port) in checks(container.fields) {
        if known(port) {
            let mut full = at.to_vec();
            full.extend(path);
            edits.replace(&full, port, json!(ports.upstream));
        }
    }
}

/// Where probes and hooks name a port, and the port.
fn checks(container: &Object) -> Vec<(Vec<&'static str>, &Value)> {
    const KINDS: [&str; 3] = ["grpc", "tcpSocket", "httpGet"];
    let hooks = ["postStart", "preStop"].map(|hook| vec!["lifecycle", hook]);
    let places = PROBES.into_iter().map(|probe| vec![probe]).chain(hooks);
    let mut found = Vec::new();
    for place in places {
        for kind in KINDS {
            let mut path = place.clone();
            path.extend([kind, "port"]);
            let start = container.get(path[0]);
            let port = path[1..]
                .iter()
                .try_fold(start, |at, key| Some(at?.get(key)));
            if let Some(Some(port)) = port {
                found.push((path, port));
            }
        }
    }
    found
}

/// The kernel cannot tell a probe from a client, so a TCP probe now finds Flatline.
fn warn_of_tcp_probes(server: &Server<'_>, warnings: &mut Vec<String>) {
    for probe in PROBES {
        if server
            .container
            .fields
            .get(probe)
            .is_some_and(|p| p.get("tcpSocket").is_some())
        {
            warnings.push(format!(
                "{probe} of container `{}` opens a TCP connection, which Flatline accepts in the \
                 server's place; use a grpc probe",
                server.container.name()
            ));
        }
    }
}

/// The installation's resources with the pod's overrides.
fn resources(
    pod: &Pod<'_>,
    overrides: &Overrides<'_>,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<Value, Refusal> {
    let mut resources = settings.resources.clone();
    for (bound, resource, text) in &overrides.resources {
        resources[*bound][*resource] = json!(text);
    }
    let asked = |bound, resource| {
        overrides
            .resources
            .iter()
            .any(|(b, r, _)| *b == bound && *r == resource)
    };
    for resource in ["cpu", "memory"] {
        let text = |bound: &str| {
            resources[bound][resource]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let (request, limit) = (text("requests"), text("limits"));
        let (Some(least), Some(most)) = (quantity(&request), quantity(&limit)) else {
            continue;
        };
        if least <= most {
            continue;
        }
        if asked("requests", resource) && asked("limits", resource) {
            return Err(Refusal::Mistake(Mistake {
                annotation: format!("flatline.dev/{resource}-request"),
                value: request,
                reason: format!("is more than the limit, {limit}"),
                example: limit,
            }));
        }
        // Only one of the two was asked for, and the other follows it.
        let (bound, value) = if asked("requests", resource) {
            ("limits", request)
        } else {
            ("requests", limit)
        };
        resources[bound][resource] = json!(value);
    }
    if is_guaranteed(pod) && resources["requests"] != resources["limits"] {
        resources["requests"] = resources["limits"].clone();
        warnings.push(
            "the pod's QoS class is Guaranteed, so the sidecar requests as much as its limits"
                .to_owned(),
        );
    }
    Ok(resources)
}

/// Whether every container has limits for processor and memory, and requests no less.
fn is_guaranteed(pod: &Pod<'_>) -> bool {
    pod.containers().all(|container| {
        let resources = container.fields.get("resources");
        let bound = |bound: &str, key: &str| resources?.get(bound)?.get(key);
        ["cpu", "memory"].iter().all(|key| {
            let limit = bound("limits", key);
            limit.is_some() && bound("requests", key).is_none_or(|request| Some(request) == limit)
        })
    })
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
    if pod.annotations.is_some_and(|a| a.contains_key(SKIPPED)) {
        edits.remove(&["metadata", "annotations", SKIPPED]);
    }
}
