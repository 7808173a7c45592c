//! The init container that has the kernel redirect the port, for pods whose flags must stay.

use super::sidecar::{UID, no_token};
use serde_json::{Value, json};

/// Name of the init container.
pub(super) const NAME: &str = "flatline-redirect";

/// The shell text that redirects TCP `port` to `to`, for IPv4 and IPv6, by `nft` where it is, by
/// `iptables` otherwise: what comes from outside, and what the pod's own containers dial on the
/// loopback interface, except what [`UID`] dials. Running it twice leaves one set of rules.
#[must_use]
pub fn script(port: u16, to: u16) -> String {
    format!(
        r#"set -eu
if command -v nft >/dev/null 2>&1; then
  nft -f - <<'RULES'
table inet flatline
delete table inet flatline
table inet flatline {{
  chain inbound {{
    type nat hook prerouting priority dstnat; policy accept;
    tcp dport {port} redirect to :{to}
  }}
  chain local {{
    type nat hook output priority -100; policy accept;
    meta skuid {UID} return
    oifname "lo" tcp dport {port} redirect to :{to}
  }}
}}
RULES
  exit 0
fi
# The root is read-only, and the lock needs no place that lasts.
export XTABLES_LOCKFILE="${{XTABLES_LOCKFILE:-/dev/shm/xtables.lock}}"
for run in iptables ip6tables; do
  if [ "$run" = ip6tables ] && ! ip6tables -w -t nat -L -n >/dev/null 2>&1; then continue; fi
  $run -w -t nat -N FLATLINE_IN 2>/dev/null || $run -w -t nat -F FLATLINE_IN
  $run -w -t nat -N FLATLINE_OUT 2>/dev/null || $run -w -t nat -F FLATLINE_OUT
  $run -w -t nat -A FLATLINE_IN -p tcp --dport {port} -j REDIRECT --to-ports {to}
  $run -w -t nat -A FLATLINE_OUT -m owner --uid-owner {UID} -j RETURN
  $run -w -t nat -A FLATLINE_OUT -o lo -p tcp --dport {port} -j REDIRECT --to-ports {to}
  $run -w -t nat -C PREROUTING -j FLATLINE_IN 2>/dev/null || $run -w -t nat -A PREROUTING -j FLATLINE_IN
  $run -w -t nat -C OUTPUT -j FLATLINE_OUT 2>/dev/null || $run -w -t nat -A OUTPUT -j FLATLINE_OUT
done
"#
    )
}

/// The only container that gets NET_ADMIN, and it ends before anything else starts.
///
/// Of `resources` it gets what the sidecar gets, which adds nothing to what the pod needs, since it
/// has ended by then, and leaves a pod Guaranteed that was.
pub(super) fn container(image: &str, port: u16, to: u16, resources: &Value) -> Value {
    json!({
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script(port, to)],
        "resources": resources,
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "runAsNonRoot": false,
            "privileged": false,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]},
            "seccompProfile": {"type": "RuntimeDefault"}
        },
        "volumeMounts": [no_token()]
    })
}
