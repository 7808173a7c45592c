//! TLS towards clients.

use super::identity::{chain, private_key};
use super::{Live, Refused, Source, SslConfig, provider};
use crate::config::ListenTls;
use crate::net::Stream;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsStream};

/// What clients are shown now, and asked for.
#[derive(Debug, Clone)]
pub struct Server(Live<ServerConfig>);

/// Why there is no TLS with a client.
#[derive(Debug)]
pub enum Unmet {
    /// It does not speak TLS at all.
    Plain,
    /// It does, and it came to nothing.
    Failed(io::Error),
}

impl Server {
    /// Reads the files, for `h2`.
    ///
    /// # Errors
    /// Which file, and what is wrong with it.
    pub fn open(tls: &ListenTls) -> Result<(Self, Source<ServerConfig>), Refused> {
        let source = match tls {
            ListenTls::SslConfig(path) => {
                let at = path.display().to_string();
                Source::open(vec![path.clone()], move |content| {
                    let text = String::from_utf8_lossy(&content[0]);
                    let named = |refused: Refused| Refused(format!("{at}: {refused}"));
                    let ssl = SslConfig::parse(&text).map_err(named)?;
                    if ssl.client_verify && ssl.custom_ca.is_empty() {
                        return Err(named(Refused(
                            "client_verify needs a custom_ca to verify with".to_owned(),
                        )));
                    }
                    let ca = ssl.client_verify.then_some(&ssl.custom_ca[..]);
                    config(&ssl.server_cert, &ssl.server_key, ca).map_err(named)
                })?
            }
            ListenTls::Files { pair, client_ca } => {
                let mut paths: Vec<PathBuf> = vec![pair.certificate.clone(), pair.key.clone()];
                paths.extend(client_ca.clone());
                let at = names(&paths);
                Source::open(paths, move |content| {
                    let ca = content.get(2).map(|ca| &ca[..]);
                    config(&content[0], &content[1], ca)
                        .map_err(|refused| Refused(format!("{at}: {refused}")))
                })?
            }
        };
        Ok((Server(source.live()), source))
    }

    /// Speaks TLS on a client's connection.
    ///
    /// # Errors
    /// When the client does not, or the handshake fails.
    pub async fn accept(&self, stream: Stream) -> Result<Stream, Unmet> {
        let acceptor = TlsAcceptor::from(self.0.now());
        match acceptor.accept(stream).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(TlsStream::Server(stream)))),
            Err(error) if is_plain(&error) => Err(Unmet::Plain),
            Err(error) => Err(Unmet::Failed(error)),
        }
    }
}

/// The paths in words.
pub(super) fn names(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}

/// The peer's first bytes were no TLS record.
pub(super) fn is_plain(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(
        inner,
        Some(rustls::Error::InvalidMessage(
            rustls::InvalidMessage::InvalidContentType
        ))
    )
}

/// Authorities of a PEM text.
pub(super) fn roots(pem: &[u8]) -> Result<RootCertStore, Refused> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(pem).map_err(|mistake| Refused(format!("authority: {mistake}")))? {
        roots
            .add(certificate)
            .map_err(|error| Refused(format!("authority: {error}")))?;
    }
    Ok(roots)
}

fn config(certificate: &[u8], key: &[u8], ca: Option<&[u8]>) -> Result<ServerConfig, Refused> {
    let say = |error: &dyn std::fmt::Display| Refused(error.to_string());
    let verifier = match ca {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(pem) => WebPkiClientVerifier::builder_with_provider(Arc::new(roots(pem)?), provider())
            .build()
            .map_err(|error| say(&error))?,
    };
    let chain = chain(certificate).map_err(|mistake| say(&mistake))?;
    let key = private_key(key).map_err(|mistake| say(&mistake))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| say(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| say(&super::Mistake::Pair(error)))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
