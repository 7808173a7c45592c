//! Where a container's probes and hooks name a port.

use super::pod::Container;
use super::ports::asked;
use serde_json::Value;

/// Where probes and hooks stand in a container.
const PLACES: [&[&str]; 5] = [
    &["startupProbe"],
    &["readinessProbe"],
    &["livenessProbe"],
    &["lifecycle", "postStart"],
    &["lifecycle", "preStop"],
];

/// How a probe asks a port.
const KINDS: [&str; 3] = ["grpc", "tcpSocket", "httpGet"];

/// A container's probes and hooks, with their places.
fn checks<'a>(
    container: &Container<'a>,
) -> impl Iterator<Item = (&'static [&'static str], &'a Value)> {
    let fields = container.fields;
    PLACES.into_iter().filter_map(move |place| {
        let (first, rest) = place.split_first()?;
        let start = fields.get(*first)?;
        let check = rest.iter().try_fold(start, |at, key| at.get(key))?;
        Some((place, check))
    })
}

/// The paths to the ports that probes and hooks ask in the pod, and the ports.
pub(super) fn ports<'a>(container: &Container<'a>) -> Vec<(Vec<&'static str>, &'a Value)> {
    let mut found = Vec::new();
    for (place, check) in checks(container) {
        for kind in KINDS {
            let asked = &check[kind];
            // With a host it may ask another machine.
            let elsewhere = asked["host"].as_str().is_some_and(|host| !host.is_empty());
            if let (Some(port), false) = (asked.get("port"), elsewhere) {
                found.push(([place, &[kind, "port"]].concat(), port));
            }
        }
    }
    found
}

/// Variables in which another container is told what to ask of the pod's own: Knative's queue-proxy
/// and Istio's agent probe in the kubelet's place.
const HANDED_ON: [&str; 2] = ["SERVING_READINESS_PROBE", "ISTIO_KUBE_APP_PROBERS"];

/// Such variables of a container that ask `port` in the pod: their place in `env`, the name, the
/// value, and the value with `to` in the port's place.
pub(super) fn handed_on<'a>(
    container: &Container<'a>,
    port: u16,
    to: u16,
) -> Vec<(usize, &'a str, &'a Value, String)> {
    let variables = container.list("env").iter().enumerate();
    let moved = |(at, variable): (usize, &'a Value)| {
        let name = variable["name"].as_str()?;
        let mut probes: Value = serde_json::from_str(variable["value"].as_str()?).ok()?;
        let is_one = HANDED_ON.contains(&name) && move_ports(&mut probes, port, to);
        is_one.then(|| (at, name, &variable["value"], probes.to_string()))
    };
    variables.filter_map(moved).collect()
}

/// Puts `to` in the place of `port` in every probe of a JSON value; whether there was one.
fn move_ports(value: &mut Value, port: u16, to: u16) -> bool {
    let Value::Object(fields) = value else {
        return false;
    };
    let mut moved = false;
    for (key, field) in fields {
        let here = matches!(
            field["host"].as_str(),
            None | Some("" | "127.0.0.1" | "localhost" | "::1")
        );
        if KINDS.contains(&key.as_str()) && here && field["port"] == port {
            field["port"] = to.into();
            moved = true;
        } else {
            moved |= move_ports(field, port, to);
        }
    }
    moved
}

/// Warns of what now finds Flatline in the server's place: commands that name `port`, since nobody
/// knows what they do with it, and where the kernel redirects, TCP probes of it, which it cannot
/// tell from clients.
pub(super) fn warn(
    container: &Container<'_>,
    port: u16,
    redirected: bool,
    warnings: &mut Vec<String>,
) {
    let name = container.name();
    let digits = port.to_string();
    let has_port = |text: &str| {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        numbers.any(|number| number == digits)
    };
    let variables = container.list("env").iter().filter_map(|variable| {
        let value = variable["value"].as_str()?;
        variable["name"].as_str().filter(|_| has_port(value))
    });
    let variables: Vec<&str> = variables.collect();
    let names_port = |word: &Value| {
        let text = word.as_str().unwrap_or_default();
        has_port(text) || variables.iter().any(|name| text.contains(name))
    };
    if redirected {
        for (_, variable, ..) in handed_on(container, port, port) {
            warnings.push(format!(
                "{variable} of container `{name}` asks port {port}, where Flatline answers in the \
                 server's place; let it ask the server in another way"
            ));
        }
    }
    for (place, fields) in checks(container) {
        let probe = place[place.len() - 1];
        let command = fields["exec"]["command"].as_array();
        if command.is_some_and(|words| words.iter().any(names_port)) {
            warnings.push(format!(
                "{probe} of container `{name}` runs a command that names port {port}, where \
                 Flatline accepts connections in the server's place; use a grpc probe"
            ));
        }
        if redirected && asked(container, &fields["tcpSocket"]["port"]) == Some(port) {
            warnings.push(format!(
                "{probe} of container `{name}` opens a TCP connection, which Flatline accepts in \
                 the server's place; use a grpc probe"
            ));
        }
    }
}
