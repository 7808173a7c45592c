//! TLS towards clients and towards the upstream: which files, and how they go together.

use super::raw::Raw;
use super::value::{Checker, Text};
use std::path::PathBuf;

/// A certificate and its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The chain.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What clients are shown, and what they have to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenTls {
    /// From PEM files.
    Files {
        /// The server's own.
        pair: Pair,
        /// Authorities of clients' certificates, if they have to show one.
        client_ca: Option<PathBuf>,
    },
    /// From TensorFlow Serving's own `SSLConfig` file.
    SslConfig(PathBuf),
}

/// How the upstream is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Authorities of its certificate; the system's if none.
    pub ca: Option<PathBuf>,
    /// What it is shown, if anything.
    pub pair: Option<Pair>,
    /// The name in its certificate, and in SNI; its host if none.
    pub name: Option<String>,
}

impl UpstreamTls {
    /// As options of the command line, a word each.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut give = |name: &str, value: String| words.extend([name.to_owned(), value]);
        if let Some(ca) = &self.ca {
            give("--upstream-ca", ca.display().to_string());
        }
        if let Some(pair) = &self.pair {
            give("--upstream-cert", pair.certificate.display().to_string());
            give("--upstream-key", pair.key.display().to_string());
        }
        if let Some(name) = &self.name {
            give("--upstream-sni", name.clone());
        }
        if words.is_empty() {
            words.push("--upstream-tls".to_owned());
        }
        words
    }
}

pub(super) fn listen(check: &mut Checker, raw: &Raw) -> Option<ListenTls> {
    let pair = pair(
        check,
        "tls-cert",
        raw.tls_cert.as_ref(),
        "tls-key",
        raw.tls_key.as_ref(),
    );
    let client_ca = path(raw.tls_client_ca.as_ref());
    if let Some(file) = path(raw.ssl_config_file.as_ref()) {
        if pair.is_some() || client_ca.is_some() {
            check.wrong(
                "ssl-config-file",
                &file.display().to_string(),
                "holds certificate and key already: give it or tls-cert, not both",
                "/etc/tfs/ssl.conf",
            );
        }
        return Some(ListenTls::SslConfig(file));
    }
    match (pair, client_ca) {
        (Some(pair), client_ca) => Some(ListenTls::Files { pair, client_ca }),
        (None, Some(ca)) => {
            check.wrong(
                "tls-client-ca",
                &ca.display().to_string(),
                "asks clients for certificates, but there is no tls-cert to speak TLS with",
                "/etc/tls/clients.pem",
            );
            None
        }
        (None, None) => None,
    }
}

pub(super) fn upstream(check: &mut Checker, raw: &Raw) -> Option<UpstreamTls> {
    let pair = pair(
        check,
        "upstream-cert",
        raw.upstream_cert.as_ref(),
        "upstream-key",
        raw.upstream_key.as_ref(),
    );
    let tls = UpstreamTls {
        ca: path(raw.upstream_ca.as_ref()),
        pair,
        name: raw.upstream_sni.as_ref().map(|name| name.0.clone()),
    };
    let asked = raw.upstream_tls.is_some();
    let wanted = check.flag("upstream-tls", raw.upstream_tls.as_ref());
    if asked && !wanted && tls != UpstreamTls::default() {
        check.wrong(
            "upstream-tls",
            "false",
            "contradicts upstream-ca, upstream-cert or upstream-sni",
            "true",
        );
    }
    (wanted || tls != UpstreamTls::default()).then_some(tls)
}

fn path(value: Option<&Text>) -> Option<PathBuf> {
    value.map(|text| text.0.clone().into())
}

fn pair(
    check: &mut Checker,
    certificate_field: &str,
    certificate: Option<&Text>,
    key_field: &str,
    key: Option<&Text>,
) -> Option<Pair> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Pair {
            certificate: certificate.0.clone().into(),
            key: key.0.clone().into(),
        }),
        (Some(certificate), None) => {
            let reason = format!("needs {key_field} beside it");
            check.wrong(
                certificate_field,
                &certificate.0,
                &reason,
                "/etc/tls/tls.crt",
            );
            None
        }
        (None, Some(key)) => {
            let reason = format!("needs {certificate_field} beside it");
            check.wrong(key_field, &key.0, &reason, "/etc/tls/tls.key");
            None
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Raw};

    fn toml(text: &str) -> Result<Config, String> {
        let raw = Raw::from_toml(text).map_err(|e| e.to_string())?;
        Config::check(&raw).map_err(|e| e.to_string())
    }

    #[test]
    fn one_flag_is_enough_where_it_says_all() {
        let config = toml("upstream-ca = \"a\"").unwrap();
        assert!(config.upstream_tls.is_some() && config.listen_tls.is_none());
        assert!(toml("upstream-tls = true").unwrap().upstream_tls.is_some());
        assert!(toml("upstream-tls = false").unwrap().upstream_tls.is_none());
        let config = toml("tls-cert = \"a\"\ntls-key = \"b\"\noriginal-dst = true").unwrap();
        assert!(config.listen_tls.is_some() && config.original_dst);
    }

    #[test]
    fn halves_and_contradictions_are_named() {
        for (text, fields) in [
            ("tls-cert = \"a\"", &["tls-cert", "tls-key"][..]),
            ("tls-key = \"a\"", &["tls-key", "tls-cert"]),
            ("tls-client-ca = \"a\"", &["tls-client-ca", "tls-cert"]),
            ("upstream-cert = \"a\"", &["upstream-cert", "upstream-key"]),
            (
                "upstream-tls = false\nupstream-sni = \"a\"",
                &["upstream-tls"],
            ),
            (
                "ssl-config-file = \"a\"\ntls-client-ca = \"b\"",
                &["ssl-config-file", "not both"],
            ),
            ("upstream-tls = \"perhaps\"", &["upstream-tls", "perhaps"]),
        ] {
            let error = toml(text).unwrap_err();
            for field in fields {
                assert!(error.contains(field), "{text}: {error}");
            }
        }
    }
}
