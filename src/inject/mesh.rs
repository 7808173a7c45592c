//! Service meshes. They redirect what comes into a pod, and may ask its probes in the kubelet's place.

use super::pod::Pod;

/// What shows that a pod is in a mesh.
struct Mesh {
    name: &'static str,
    /// Containers that it adds.
    containers: &'static [&'static str],
    /// An annotation that it leaves behind.
    status: &'static str,
    /// Labels or annotations that ask for it, each with the values that do; none: any.
    asked: &'static [(&'static str, &'static [&'static str])],
}

const MESHES: [Mesh; 4] = [
    Mesh {
        name: "Istio",
        containers: &["istio-proxy", "istio-init", "istio-validation"],
        status: "sidecar.istio.io/status",
        asked: &[
            ("sidecar.istio.io/inject", &["true"]),
            ("istio.io/rev", &[]),
            ("istio.io/dataplane-mode", &["ambient"]),
        ],
    },
    Mesh {
        name: "Linkerd",
        containers: &["linkerd-proxy", "linkerd-init", "linkerd-network-validator"],
        status: "linkerd.io/proxy-version",
        asked: &[("linkerd.io/inject", &["enabled", "ingress"])],
    },
    Mesh {
        name: "Kuma",
        containers: &["kuma-sidecar", "kuma-init", "kuma-validation"],
        status: "kuma.io/sidecar-injected",
        asked: &[("kuma.io/sidecar-injection", &["enabled", "true"])],
    },
    Mesh {
        name: "Consul",
        containers: &["consul-dataplane", "consul-connect-inject-init"],
        status: "consul.hashicorp.com/connect-inject-status",
        asked: &[("consul.hashicorp.com/connect-inject", &["true"])],
    },
];

/// The mesh that the pod is in, and the sign of it. Where a namespace's label brings one in later,
/// no pod shows it.
pub(super) fn of(pod: &Pod<'_>) -> Option<(&'static str, String)> {
    MESHES.iter().find_map(|mesh| {
        let mut names = pod.containers().map(|container| container.name());
        let container = names.find(|name| mesh.containers.contains(name));
        let told = |key| [pod.label(key), pod.annotation(key)].into_iter().flatten();
        let asks = mesh.asked.iter().find_map(|(key, values)| {
            let value = told(key).find(|v| values.is_empty() || values.contains(v))?;
            Some(format!("{key}: {value}"))
        });
        let sign = match (container, asks) {
            (Some(name), _) => format!("container `{name}`"),
            _ if pod.annotation(mesh.status).is_some() => format!("annotation {}", mesh.status),
            (_, Some(asks)) => asks,
            _ => return None,
        };
        Some((mesh.name, sign))
    })
}
