//! The sidecar container.

use super::annotations::Overrides;
use super::flags;
use super::pod::Pod;
use super::{Probes, Redirect, Settings, grace, health, mesh};
use serde_json::{Value, json};

/// Name of the container.
pub const NAME: &str = "flatline";
/// User and group that the sidecar runs as, by which a redirection exempts it.
pub const UID: u32 = 2102;
/// Name of the port of metrics and health.
pub const ADMIN_PORT_NAME: &str = "flatline-admin";
/// Volume of the ConfigMap.
const CONFIG_VOLUME: &str = "flatline-config";
/// Volume that stands where the token of the service account would be mounted.
const NO_TOKEN_VOLUME: &str = "flatline-no-token";

/// The ports of a pod that gets a sidecar.
#[derive(Debug, Clone)]
pub(super) struct Ports {
    /// Where the sidecar listens.
    pub(super) listen: u16,
    /// Where TensorFlow Serving listens.
    pub(super) upstream: u16,
    pub(super) admin: u16,
    /// The `ports` entry that the sidecar declares besides the admin port's.
    pub(super) declared: Option<Value>,
}

/// The name of the container that is Flatline already, if one is.
pub(super) fn present<'a>(pod: &Pod<'a>) -> Option<&'a str> {
    pod.containers()
        .find(|container| {
            let serves = flags::words(container)
                .iter()
                .any(|word| word.text == "serve");
            // Each may be another's by chance, and the image be chosen by an annotation.
            let is_ours = flags::base(container.image()) == NAME;
            let signs = [container.name() == NAME, is_ours, serves];
            signs.into_iter().filter(|sign| *sign).count() >= 2
        })
        .map(|container| container.name())
}

pub(super) fn container(
    pod: &Pod<'_>,
    overrides: &Overrides<'_>,
    settings: &Settings,
    redirect: Redirect,
    ports: &Ports,
    resources: &Value,
) -> Value {
    let mut declared: Vec<Value> = ports.declared.iter().cloned().collect();
    declared
        .push(json!({"name": ADMIN_PORT_NAME, "containerPort": ports.admin, "protocol": "TCP"}));
    let mut mounts = vec![no_token()];
    if overrides.config.is_some() {
        mounts.push(json!({"name": CONFIG_VOLUME, "mountPath": "/etc/flatline", "readOnly": true}));
    }
    let by_command = settings.probes == Probes::Exec || mesh::of(pod).is_some();
    let mut container = json!({
        "name": NAME,
        "image": overrides.image.unwrap_or(&settings.image),
        "imagePullPolicy": "IfNotPresent",
        "args": args(pod, overrides, settings, redirect, ports),
        // What the tap keeps follows the limit, be it changed by another webhook.
        "env": [{"name": "FLATLINE_MEMORY_LIMIT", "valueFrom": {
            "resourceFieldRef": {"containerName": NAME, "resource": "limits.memory"}
        }}],
        "ports": declared,
        "resources": resources,
        // Alive before the model server is started, so that no call finds the port closed.
        "securityContext": {
            "runAsUser": UID,
            "runAsGroup": UID,
            "runAsNonRoot": true,
            "privileged": false,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}
        },
        "volumeMounts": mounts
    });
    for (name, probe) in health::probes(ports.admin, by_command) {
        container[name] = probe;
    }
    if !settings.legacy_sidecar {
        container["restartPolicy"] = json!("Always");
    }
    container
}

/// Volumes that the sidecar mounts.
pub(super) fn volumes(overrides: &Overrides<'_>) -> Vec<Value> {
    let mut volumes = vec![json!({"name": NO_TOKEN_VOLUME, "emptyDir": {"sizeLimit": "1Mi"}})];
    if let Some(name) = overrides.config {
        volumes.push(json!({"name": CONFIG_VOLUME, "configMap": {"name": name}}));
    }
    volumes
}

/// The API server mounts the service account's token into every container that has nothing at
/// this path, and does so again after a webhook.
pub(super) fn no_token() -> Value {
    json!({
        "name": NO_TOKEN_VOLUME,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        "readOnly": true
    })
}

fn args(
    pod: &Pod<'_>,
    overrides: &Overrides<'_>,
    settings: &Settings,
    redirect: Redirect,
    ports: &Ports,
) -> Vec<String> {
    let mut args = vec![
        "serve".to_owned(),
        format!("--listen=[::]:{}", ports.listen),
        format!("--upstream=127.0.0.1:{}", ports.upstream),
        format!("--admin=[::]:{}", ports.admin),
    ];
    args.extend(grace::flags(pod, settings.legacy_sidecar));
    args.push("--log-format=json".to_owned());
    if redirect == Redirect::Iptables {
        args.push("--original-dst".to_owned());
    }
    if overrides.config.is_some() {
        args.push("--config=/etc/flatline/flatline.toml".to_owned());
    }
    args.extend(
        overrides
            .log_level
            .map(|level| format!("--log-level={level}")),
    );
    args.extend(overrides.action.map(|action| format!("--action={action}")));
    args
}
