//! A caller like the API server, and a webhook to call.

use bytes::Bytes;
use flatline::config::Address;
use flatline::inject::Settings;
use flatline::tls::{Files, provider};
use flatline::webhook::{self, Certificates, Running};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub(super) const HOST: &str = "flatline-webhook.flatline.svc";

/// A review as it was recorded.
pub(super) fn review(name: &str) -> Value {
    let path = format!(
        "{}/tests/data/kubernetes/reviews/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&fs::read_to_string(path).expect("as the test sets it up"))
        .expect("as the test sets it up")
}

/// The names of all of them.
pub(super) fn names() -> Vec<String> {
    let folder = format!(
        "{}/tests/data/kubernetes/reviews",
        env!("CARGO_MANIFEST_DIR")
    );
    let files = fs::read_dir(folder).expect("as the test sets it up");
    let name = |file: fs::DirEntry| {
        file.path()
            .file_stem()
            .expect("as the test sets it up")
            .to_str()
            .expect("as the test sets it up")
            .to_owned()
    };
    files
        .map(|file| name(file.expect("as the test sets it up")))
        .collect()
}

/// A webhook with a certificate in files.
pub(super) struct Served {
    pub(super) running: Running,
    pub(super) port: u16,
    pub(super) folder: TempDir,
    /// PEM that callers trust.
    pub(super) trusted: String,
}

pub(super) async fn serve(settings: Settings) -> Served {
    let folder = TempDir::new().expect("as the test sets it up");
    let trusted = renew(folder.path());
    let files = Files {
        certificate: folder.path().join("tls.crt"),
        key: folder.path().join("tls.key"),
    };
    let listen = Address::Tcp("127.0.0.1".to_owned(), 0);
    let certificates = Certificates::Files(files, Duration::from_millis(20));
    let running = webhook::start(&listen, certificates, settings)
        .await
        .expect("as the test sets it up");
    let Address::Tcp(_, port) = running.listen else {
        panic!("{:?}", running.listen);
    };
    Served {
        running,
        port,
        folder,
        trusted,
    }
}

/// Writes another certificate, and returns it.
pub(super) fn renew(folder: &Path) -> String {
    let made =
        rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).expect("as the test sets it up");
    for (file, text) in [
        ("tls.crt", made.cert.pem()),
        ("tls.key", made.signing_key.serialize_pem()),
    ] {
        // As a mounted Secret changes: at once.
        let next = folder.join(format!("{file}.next"));
        fs::write(&next, text).expect("as the test sets it up");
        fs::rename(next, folder.join(file)).expect("as the test sets it up");
    }
    made.cert.pem()
}

/// A connection that requests are sent over.
pub(super) struct Caller(SendRequest<Full<Bytes>>);

impl Caller {
    /// Connects, and trusts the certificates of `trusted` alone.
    pub(super) async fn connect(port: u16, trusted: &str) -> std::io::Result<Self> {
        let stream = tls(port, trusted).await?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Caller(sender))
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Bytes>> {
        self.0.ready().await?;
        let (parts, body) = self.0.send_request(request).await?.into_parts();
        Ok(Response::from_parts(
            parts,
            body.collect().await?.to_bytes(),
        ))
    }

    pub(super) async fn post(&mut self, kind: &str, body: impl Into<Bytes>) -> (u16, String) {
        let request = Request::post("/mutate")
            .header("host", HOST)
            .header("content-type", kind);
        let request = request
            .body(Full::new(body.into()))
            .expect("as the test sets it up");
        let response = self.send(request).await.expect("as the test sets it up");
        let text = String::from_utf8(response.body().to_vec()).expect("as the test sets it up");
        (response.status().as_u16(), text)
    }

    pub(super) async fn ask(&mut self, review: &Value) -> Value {
        let (status, text) = self.post("application/json", review.to_string()).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("as the test sets it up")
    }

    pub(super) async fn fetch(&mut self, path: &str) -> (u16, String) {
        let request = Request::get(path).header("host", HOST);
        let response = self
            .send(
                request
                    .body(Full::default())
                    .expect("as the test sets it up"),
            )
            .await
            .expect("as the test sets it up");
        let text = String::from_utf8(response.body().to_vec()).expect("as the test sets it up");
        (response.status().as_u16(), text)
    }
}

/// A connection over which anything can be sent.
pub(super) async fn tls(port: u16, trusted: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trusted.as_bytes()) {
        roots
            .add(certificate.expect("as the test sets it up"))
            .expect("as the test sets it up");
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("as the test sets it up")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let host = ServerName::try_from(HOST).expect("as the test sets it up");
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(host, stream).await
}
