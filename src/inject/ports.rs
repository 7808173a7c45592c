//! Which ports a pod has, and which are free.

use super::pod::{Container, Pod};
use super::probes;
use serde_json::Value;
use std::collections::BTreeSet;

/// Ports that containers declare.
pub(super) fn declared(pod: &Pod<'_>) -> BTreeSet<u16> {
    pod.containers().flat_map(|c| of(&c)).collect()
}

/// Numbers that could be ports in anything a container is started with: one that is named
/// somewhere is not taken, whatever it is for.
pub(super) fn mentioned(container: &Container<'_>) -> BTreeSet<u16> {
    let words = ["command", "args"]
        .into_iter()
        .flat_map(|key| container.list(key));
    let variables = container.list("env").iter().filter_map(|v| v.get("value"));
    let probed = probes::ports(container).into_iter();
    words
        .chain(variables)
        .filter_map(Value::as_str)
        .flat_map(|text| text.split(|c: char| !c.is_ascii_digit()))
        .filter_map(|digits| digits.parse().ok())
        .chain(probed.filter_map(|(_, port)| port.as_u64()?.try_into().ok()))
        .chain(of(container))
        .collect()
}

/// The first port from `first` on that is not in `taken`.
pub(super) fn free(first: u16, taken: &BTreeSet<u16>) -> Option<u16> {
    (first..=first.saturating_add(999)).find(|port| !taken.contains(port))
}

/// Whether a declared port is TCP, which it is unless it says otherwise.
pub(super) fn is_tcp(port: &Value) -> bool {
    port.get("protocol")
        .and_then(Value::as_str)
        .is_none_or(|protocol| protocol == "TCP")
}

pub(super) fn number(port: &Value) -> Option<u16> {
    port.get("containerPort")?.as_u64()?.try_into().ok()
}

/// The port that a probe of the container's own asks for, by number or by name.
pub(super) fn asked(container: &Container<'_>, port: &Value) -> Option<u16> {
    match port {
        Value::String(name) => {
            let mut own = container.list("ports").iter();
            own.find(|entry| entry["name"] == **name).and_then(number)
        }
        port => port.as_u64()?.try_into().ok(),
    }
}

fn of<'a>(container: &Container<'a>) -> impl Iterator<Item = u16> + use<'a> {
    container.list("ports").iter().filter_map(number)
}
