//! Authorities, certificates, and ends of TLS connections made with them.

use super::peer::{Io, Peer};
use super::process::echo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

/// A folder of files, removed when dropped.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    /// Puts a file in the place of another at once, and returns its path.
    pub(super) fn write(&self, name: &str, content: &str) -> String {
        let (new, path): (PathBuf, PathBuf) = (self.0.path().join("new"), self.0.path().join(name));
        std::fs::write(&new, content).expect("written");
        std::fs::rename(new, &path).expect("renamed");
        path.display().to_string()
    }
}

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
pub(super) struct Leaf {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Leaf {
    fn der(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM");
        (vec![chain], key)
    }
}

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("signed"))
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name`.
    pub(super) fn leaf(&self, name: &str) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.replace(' ', "-")]).expect("a name");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        Leaf {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("an authority");
        Arc::new(roots)
    }

    /// Speaks TLS to whoever shows `localhost` from this authority.
    pub(super) async fn connect<S: Io>(
        &self,
        stream: S,
        own: Option<&Leaf>,
    ) -> std::io::Result<client::TlsStream<S>> {
        let builder = ClientConfig::builder_with_provider(flatline::tls::provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(self.roots());
        let mut config = match own.map(Leaf::der) {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).expect("a pair"),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }
}

/// An echo behind TLS that shows `leaf` and asks for a certificate of `clients`, if given. Notes
/// the name and the protocol that each connection asked for.
pub(super) async fn tls_echo(
    leaf: Leaf,
    clients: Option<&Authority>,
) -> (u16, Arc<Mutex<Vec<String>>>) {
    let provider = flatline::tls::provider();
    let verifier = match clients {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(ca) => WebPkiClientVerifier::builder_with_provider(ca.roots(), provider.clone())
            .build()
            .expect("a verifier"),
    };
    let (chain, key) = leaf.der();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let names = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&names);
    tokio::spawn(async move {
        loop {
            let (stream, _): (TcpStream, _) = listener.accept().await.expect("a connection");
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let session = stream.get_ref().1;
                let protocol = session.alpn_protocol().unwrap_or_default();
                seen.lock().expect("a lock").push(format!(
                    "{} {}",
                    session.server_name().unwrap_or_default(),
                    String::from_utf8_lossy(protocol)
                ));
                if let Some(peer) = Peer::server(stream, &[(4, 1 << 20)]).await {
                    echo(peer).await;
                }
            });
        }
    });
    (port, names)
}
