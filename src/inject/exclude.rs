//! What no sidecar goes into, and what the port of cannot be taken.

use super::annotations::Overrides;
use super::mesh;
use super::pod::Pod;
use super::server::Server;
use super::start::Launch;
use super::takeover::Refusal;
use super::{Redirect, Settings, Skip};
use serde_json::Value;

/// Ports below this are for those who may `CAP_NET_BIND_SERVICE`, unless the node or pod lowers it.
const FIRST_UNPRIVILEGED: u16 = 1024;

/// Whether the pod is one that may have a sidecar at all.
pub(super) fn of_pod(pod: &Pod<'_>, settings: &Settings) -> Result<(), Refusal> {
    let skip = |reason, detail: &str| Err(Refusal::Skip(reason, detail.to_owned()));
    if pod.spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        return skip(Skip::HostNetwork, "spec.hostNetwork is true");
    }
    for (path, field) in [("os", "name"), ("nodeSelector", "kubernetes.io/os")] {
        let os = pod.spec.get(path).and_then(|os| os.get(field));
        if os.is_some_and(|name| name == "windows") {
            return skip(Skip::Windows, &format!("spec.{path}: {field} is windows"));
        }
    }
    let context = pod.spec.get("securityContext");
    if context
        .and_then(|context| context.get("windowsOptions"))
        .is_some_and(Value::is_object)
    {
        return skip(Skip::Windows, "spec.securityContext: windowsOptions is set");
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

/// Whether the port can be taken in the way that is asked for.
pub(super) fn of_way(
    pod: &Pod<'_>,
    server: &Server<'_>,
    overrides: &Overrides<'_>,
    redirect: Redirect,
) -> Result<(), Refusal> {
    match redirect {
        Redirect::Args => {
            rewritable(server, overrides)?;
            bindable(pod, server.port)
        }
        Redirect::Iptables => unmeshed(pod),
    }
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
        // Who says the way knows the image. Args where there are none would take the place of the image's own.
        Launch::Unknown
            if overrides.redirect == Some(Redirect::Args)
                && !server.container.list("args").is_empty() =>
        {
            Ok(())
        }
        Launch::Unknown => Err(Refusal::Skip(
            Skip::UnknownEntrypoint,
            format!(
                "container `{name}`: nothing says that its image passes flags to TensorFlow \
                 Serving; if it does, write args with --port={} in them, {advice}",
                server.port
            ),
        )),
    }
}

/// Whether the sidecar, which has no capability, can listen on `port` on every node.
fn bindable(pod: &Pod<'_>, port: u16) -> Result<(), Refusal> {
    const SYSCTL: &str = "net.ipv4.ip_unprivileged_port_start";
    let security = pod.spec.get("securityContext");
    let sysctls = security.and_then(|s| s["sysctls"].as_array());
    let own = sysctls.into_iter().flatten().find(|s| s["name"] == SYSCTL);
    let own = own.and_then(|sysctl| sysctl["value"].as_str()?.trim().parse().ok());
    if port >= own.unwrap_or(FIRST_UNPRIVILEGED) {
        return Ok(());
    }
    let detail = format!(
        "the sidecar runs without privileges, and not every node lets such a process listen on port \
         {port}; use flatline.dev/redirect: iptables, or let spec.securityContext.sysctls set \
         {SYSCTL} to {port}"
    );
    Err(Refusal::Skip(Skip::PrivilegedPort, detail))
}

/// Whether no mesh takes what comes in: its rules in the kernel and ours would compete, and what
/// passes by the mesh passes by its encryption and policies.
fn unmeshed(pod: &Pod<'_>) -> Result<(), Refusal> {
    let Some((mesh, sign)) = mesh::of(pod) else {
        return Ok(());
    };
    let detail = format!(
        "the pod is in {mesh}'s mesh ({sign}), and a redirection of the port by the kernel may pass \
         by its mTLS and its policies; use flatline.dev/redirect: args"
    );
    Err(Refusal::Skip(Skip::ServiceMesh, detail))
}
