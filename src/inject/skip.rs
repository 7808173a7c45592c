//! Why a pod stays without a sidecar.

use std::fmt;

/// Why a pod stays without a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// An annotation or label asks for none.
    OptedOut,
    /// The pod shares the node's network, whose ports are not the pod's to move.
    HostNetwork,
    /// No container is a model server.
    NoModelServer,
    /// More than one container is, and none is named.
    SeveralModelServers,
    /// There is a sidecar already.
    AlreadyInjected,
    /// No port is left to listen on.
    PortClash,
    /// A volume or container of the pod's own has a name that the sidecar needs.
    NameTaken,
    /// The model server takes calls on a Unix socket only.
    UnixOnly,
    /// The port is declared for UDP or SCTP.
    NotTcp,
    /// TLS ends inside the model server.
    TlsInServer,
    /// A shell starts the model server, and its text cannot be rewritten with certainty.
    ShellCommand,
    /// An image's own entrypoint starts it, and nobody knows whether that passes flags on.
    UnknownEntrypoint,
    /// The port is one of those on which only the privileged may listen.
    PrivilegedPort,
    /// A service mesh takes inbound connections by rules of its own in the kernel.
    ServiceMesh,
    /// A sidecar of the old kind would keep the pod from ever completing.
    WouldNotComplete,
    /// The pod runs Windows.
    Windows,
    /// The pod is on its way out.
    BeingDeleted,
    /// This is no pod.
    NotAPod,
}

impl Skip {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Skip; 18] = [
        Skip::OptedOut,
        Skip::HostNetwork,
        Skip::NoModelServer,
        Skip::SeveralModelServers,
        Skip::AlreadyInjected,
        Skip::PortClash,
        Skip::NameTaken,
        Skip::UnixOnly,
        Skip::NotTcp,
        Skip::TlsInServer,
        Skip::ShellCommand,
        Skip::UnknownEntrypoint,
        Skip::PrivilegedPort,
        Skip::ServiceMesh,
        Skip::WouldNotComplete,
        Skip::Windows,
        Skip::BeingDeleted,
        Skip::NotAPod,
    ];

    /// As a metric label and an annotation's value.
    #[must_use]
    pub fn as_label(self) -> &'static str {
        match self {
            Skip::OptedOut => "opted_out",
            Skip::HostNetwork => "host_network",
            Skip::NoModelServer => "no_model_server",
            Skip::SeveralModelServers => "several_model_servers",
            Skip::AlreadyInjected => "already_injected",
            Skip::PortClash => "port_clash",
            Skip::NameTaken => "name_taken",
            Skip::UnixOnly => "unix_only",
            Skip::NotTcp => "not_tcp",
            Skip::TlsInServer => "tls_in_server",
            Skip::ShellCommand => "shell_command",
            Skip::UnknownEntrypoint => "unknown_entrypoint",
            Skip::PrivilegedPort => "privileged_port",
            Skip::ServiceMesh => "service_mesh",
            Skip::WouldNotComplete => "would_not_complete",
            Skip::Windows => "windows",
            Skip::BeingDeleted => "being_deleted",
            Skip::NotAPod => "not_a_pod",
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Skip::OptedOut => "opted out",
            Skip::HostNetwork => "shares the node's network",
            Skip::NoModelServer => "no model server found",
            Skip::SeveralModelServers => "several model servers",
            Skip::AlreadyInjected => "already injected",
            Skip::PortClash => "port clash",
            Skip::NameTaken => "a name is taken",
            Skip::UnixOnly => "serves on a Unix socket only",
            Skip::NotTcp => "serves no TCP port",
            Skip::TlsInServer => "TLS ends inside the model server",
            Skip::ShellCommand => "started by a shell",
            Skip::UnknownEntrypoint => "started by an entrypoint that is not known",
            Skip::PrivilegedPort => "its port is a privileged one",
            Skip::ServiceMesh => "in a service mesh",
            Skip::WouldNotComplete => "would never complete",
            Skip::Windows => "runs Windows",
            Skip::BeingDeleted => "being deleted",
            Skip::NotAPod => "not a pod",
        })
    }
}
