//! A certificate with its key, and the one that is shown now.

use super::provider;
use crate::visible::visible;
use std::sync::{Arc, PoisonError, RwLock};
use thiserror::Error;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error as TlsError, ServerConfig, server::WebPkiClientVerifier};

/// Why a certificate and a key make no identity.
#[derive(Debug, Error)]
pub enum Mistake {
    /// The certificate's PEM.
    #[error("certificate: {} (example: -----BEGIN CERTIFICATE-----)", broken(.0))]
    Certificate(pem::Error),
    /// No certificate in it.
    #[error("certificate: none in the file (example: -----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The key's PEM.
    #[error("key: {} (example: -----BEGIN PRIVATE KEY-----)", broken(.0))]
    Key(pem::Error),
    /// They do not belong together, or the key is of a kind that is not known.
    #[error("certificate and key do not make a pair: {0}")]
    Pair(TlsError),
}

/// What is wrong with a PEM text; the parser itself writes its bytes as numbers.
fn broken(error: &pem::Error) -> String {
    let text = |bytes: &[u8]| visible(&String::from_utf8_lossy(bytes)).to_string();
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("its end is missing, `-----END {}-----`", text(end_marker))
        }
        pem::Error::IllegalSectionStart { line } => {
            format!("`{}` begins no section", text(line))
        }
        other => other.to_string(),
    }
}

/// A chain of certificates and the key of the first.
#[derive(Debug, Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// Reads PEM: the server's certificate first, then those that lead to its authority.
    ///
    /// # Errors
    /// When either cannot be read, or the key is not the certificate's: half a rotation.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, Mistake> {
        let (chain, key) = (chain(certificate)?, private_key(key)?);
        CertifiedKey::from_der(chain, key, &provider())
            .map(|pair| Identity(Arc::new(pair)))
            .map_err(Mistake::Pair)
    }
}

/// The certificates of a PEM text, one at least.
pub(super) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Mistake> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(Mistake::Certificate)?;
    if chain.is_empty() {
        return Err(Mistake::NoCertificate);
    }
    Ok(chain)
}

/// The first key of a PEM text.
pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Mistake> {
    PrivateKeyDer::from_pem_slice(pem).map_err(Mistake::Key)
}

/// The identity that new connections are shown. Those that stand keep what they began with, so
/// that a change drops none.
#[derive(Debug, Clone)]
pub struct Shown(Arc<RwLock<Identity>>);

impl Shown {
    /// Shows `identity` first.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Shown(Arc::new(RwLock::new(identity)))
    }

    /// Shows `identity` from the next handshake on.
    pub fn replace(&self, identity: Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// A server's configuration that shows it, for `protocols` (ALPN), without client certificates.
    ///
    /// # Errors
    /// When the provider has no protocol version in common with rustls, which is a build's mistake.
    pub fn server(&self, protocols: &[&[u8]]) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(WebPkiClientVerifier::no_client_auth())
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn half_a_rotation_is_refused() {
        let (old, new) = (pair(), pair());
        assert!(Identity::from_pem(old.0.as_bytes(), old.1.as_bytes()).is_ok());
        let mixed = Identity::from_pem(new.0.as_bytes(), old.1.as_bytes());
        assert!(matches!(mixed, Err(Mistake::Pair(_))), "{mixed:?}");
        let empty = Identity::from_pem(b"", old.1.as_bytes());
        assert!(matches!(empty, Err(Mistake::NoCertificate)), "{empty:?}");
        let cut = &old.0.as_bytes()[..old.0.len() / 2];
        let cut = Identity::from_pem(cut, old.1.as_bytes());
        let cut = cut.expect_err("cut").to_string();
        let end = "certificate: its end is missing, `-----END CERTIFICATE-----`";
        assert!(cut.starts_with(end), "{cut}");
        let key = Identity::from_pem(old.0.as_bytes(), &old.1.as_bytes()[..40]);
        let key = key.expect_err("cut").to_string();
        assert!(key.contains("`-----END PRIVATE KEY-----`"), "{key}");
        let open = Identity::from_pem(b"-----BEGIN A\x1b\n", old.1.as_bytes());
        let open = open.expect_err("open").to_string();
        assert!(open.contains("`-----BEGIN A\\u{1b}` begins"), "{open}");
    }
}
