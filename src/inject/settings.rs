//! What the installation decides for every pod.

use serde_json::{Value, json};

/// What the installation decides for every pod; a pod's annotations override parts of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Image of the sidecar.
    pub image: String,
    /// Image of the init container that redirects the port: a shell, and `nft` or `iptables`.
    pub redirect_image: String,
    /// The sidecar is an ordinary container, for clusters before 1.29.
    pub legacy_sidecar: bool,
    /// `resources` of the sidecar: `requests` and `limits` of `cpu` and `memory`.
    pub resources: Value,
    /// Port of metrics and health; the next free one where the pod has it already.
    pub admin_port: u16,
    /// What becomes of a pod whose annotations are wrong.
    pub on_bad_annotation: OnBadAnnotation,
    /// How the port is taken where a pod does not say.
    pub redirect: Redirect,
    /// How the kubelet asks the sidecar's health.
    pub probes: Probes,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            image: concat!("flatline:", env!("CARGO_PKG_VERSION")).to_owned(),
            redirect_image: concat!("flatline-redirect:", env!("CARGO_PKG_VERSION")).to_owned(),
            legacy_sidecar: false,
            resources: json!({
                "requests": {"cpu": "50m", "memory": "64Mi"},
                "limits": {"cpu": "1", "memory": "256Mi"}
            }),
            admin_port: 9464,
            on_bad_annotation: OnBadAnnotation::default(),
            redirect: Redirect::default(),
            probes: Probes::default(),
        }
    }
}

/// What becomes of a pod whose annotations are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OnBadAnnotation {
    /// It is admitted without a sidecar, with a warning.
    #[default]
    Admit,
    /// It is denied.
    Deny,
}

/// How the kubelet asks the sidecar's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Probes {
    /// On the admin port over the pod's network; by a command where the pod shows a mesh, which may
    /// stand in between.
    #[default]
    Http,
    /// By a command in the sidecar that asks the admin port.
    Exec,
}

/// How Flatline takes the port that clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Redirect {
    /// The model server's flags move it to another port.
    #[default]
    Args,
    /// The kernel redirects the port.
    Iptables,
}
