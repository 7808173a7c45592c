//! The sidecar's own probes.

use super::patch::Edits;
use super::pod::Pod;
use super::{flags, mesh};
use json_patch::Patch;
use serde_json::{Value, json};

/// Where the image has the binary.
const BINARY: &str = "/flatline";

/// The probes with their names in a container: over the pod's network, or by a command where a mesh
/// may stand in between, which turns the kubelet away or asks in its place before it runs itself.
pub(super) fn probes(admin: u16, by_command: bool) -> [(&'static str, Value); 3] {
    let probe = |check: &str, period: u32, failures: u32| {
        let mut probe = json!({
            "periodSeconds": period,
            "timeoutSeconds": 2,
            "failureThreshold": failures
        });
        if by_command {
            let address = format!("--admin=127.0.0.1:{admin}");
            probe["exec"] = json!({"command": [BINARY, "health", address, check]});
        } else {
            probe["httpGet"] = json!({"path": format!("/{check}"), "port": admin});
        }
        probe
    };
    [
        // Alive before the model server is started, so that no call finds the port closed.
        ("startupProbe", probe("livez", 1, 60)),
        ("readinessProbe", probe("readyz", 5, 2)),
        ("livenessProbe", probe("livez", 10, 6)),
    ]
}

/// What has to be done to a pod whose sidecar, `name`, is asked over the network, where a mesh came
/// in behind it; nothing for any other.
pub(super) fn past_mesh(pod: &Pod<'_>, name: &str) -> Patch {
    let mut edits = Edits::default();
    let mut containers = pod.containers();
    let own = containers.find(|container| container.name() == name);
    if let (Some(own), Some(_)) = (own, mesh::of(pod))
        && let Some(admin) = admin(&flags::words(&own))
    {
        let index = own.index.to_string();
        for (probe, by_command) in probes(admin, true) {
            let at = own.fields.get(probe);
            if let Some(old) = at.filter(|probe| probe.get("httpGet").is_some()) {
                edits.replace(&["spec", own.list, &index, probe], old, by_command);
            }
        }
    }
    edits.finish()
}

/// The admin port in the sidecar's words.
fn admin(words: &[flags::Word<'_>]) -> Option<u16> {
    let mut addresses = words.iter().filter_map(|w| w.text.strip_prefix("--admin="));
    addresses.next()?.rsplit(':').next()?.parse().ok()
}
