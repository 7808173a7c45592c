//! Service meshes. They redirect what comes into a pod, and may ask its probes in the kubelet's place.

use super::pod::Pod;

/// What shows that a pod is in a mesh.
struct Mesh {
    name: &'static str,
    /// Containers that it adds.
    containers: &'static [&'static str],
    /// An annotation that it leaves behind.
    status: &'static str,
    /// The label or annotation that asks for it, and the values that do.
    asked: &'static str,
    values: &'static [&'static str],
}

const MESHES: [Mesh; 4] = [
    Mesh {
        name: "Istio",
        containers: &["istio-proxy", "istio-init", "istio-validation"],
        status: "sidecar.istio.io/status",
        asked: "sidecar.istio.io/inject",
        values: &["true"],
    },
    Mesh {
        name: "Linkerd",
        containers: &["linkerd-proxy", "linkerd-init", "linkerd-network-validator"],
        status: "linkerd.io/proxy-version",
        asked: "linkerd.io/inject",
        values: &["enabled", "ingress"],
    },
    Mesh {
        name: "Kuma",
        containers: &["kuma-sidecar", "kuma-init", "kuma-validation"],
        status: "kuma.io/sidecar-injected",
        asked: "kuma.io/sidecar-injection",
        values: &["enabled", "true"],
    },
    Mesh {
        name: "Consul",
        containers: &["consul-dataplane", "consul-connect-inject-init"],
        status: "consul.hashicorp.com/connect-inject-status",
        asked: "consul.hashicorp.com/connect-inject",
        values: &["true"],
    },
];

/// The mesh that the pod is in, and the sign of it. Where a namespace's label brings one in later,
/// no pod shows it.
pub(super) fn of(pod: &Pod<'_>) -> Option<(&'static str, String)> {
    MESHES.iter().find_map(|mesh| {
        let mut names = pod.containers().map(|container| container.name());
        let container = names.find(|name| mesh.containers.contains(name));
        let told = [pod.label(mesh.asked), pod.annotation(mesh.asked)];
        let asks = told.into_iter().flatten().find(|v| mesh.values.contains(v));
        let sign = match (container, asks) {
            (Some(name), _) => format!("container `{name}`"),
            _ if pod.annotation(mesh.status).is_some() => format!("annotation {}", mesh.status),
            (_, Some(value)) => format!("{}: {value}", mesh.asked),
            _ => return None,
        };
        Some((mesh.name, sign))
    })
}
