//! Where a container's probes and hooks name a port.

use super::pod::{Container, Object};
use serde_json::Value;

const PROBES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];

/// The paths to the ports that probes and hooks name, and the ports.
pub(super) fn ports(container: &Object) -> Vec<(Vec<&'static str>, &Value)> {
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
            let other = path[1..path.len() - 1]
                .iter()
                .try_fold(start, |at, key| Some(at?.get(key)))
                .flatten()
                .and_then(|asked| asked.get("host"));
            // With a host it may ask another machine.
            if let Some(Some(port)) = port
                && other.is_none_or(|host| host == "" || host.is_null())
            {
                found.push((path, port));
            }
        }
    }
    found
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
    let mut variables = Vec::new();
    for variable in container.list("env") {
        if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str())
            && has_port(value)
        {
            variables.push(name);
        }
    }
    let names_port = |word: &Value| {
        let text = word.as_str().unwrap_or_default();
        has_port(text) || variables.iter().any(|name| text.contains(name))
    };
    let hooks = ["postStart", "preStop"].map(|hook| {
        (
            hook,
            container.fields.get("lifecycle").and_then(|l| l.get(hook)),
        )
    });
    let probes = PROBES.map(|probe| (probe, container.fields.get(probe)));
    for (probe, fields) in probes.into_iter().chain(hooks) {
        let Some(fields) = fields else {
            continue;
        };
        let command = fields["exec"]["command"].as_array();
        if command.is_some_and(|words| words.iter().any(names_port)) {
            warnings.push(format!(
                "{probe} of container `{name}` runs a command that names port {port}, where \
                 Flatline accepts connections in the server's place; use a grpc probe"
            ));
        }
        let asked = &fields["tcpSocket"]["port"];
        let here =
            |entry: &Value| super::ports::number(entry) == Some(port) && entry["name"] == *asked;
        if redirected && (*asked == port || container.list("ports").iter().any(here)) {
            warnings.push(format!(
                "{probe} of container `{name}` opens a TCP connection, which Flatline accepts in \
                 the server's place; use a grpc probe"
            ));
        }
    }
}
