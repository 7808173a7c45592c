//! TLS towards the upstream.

use super::identity::{chain, private_key};
use super::server::{is_plain, names, roots};
use super::{Live, Refused, Source, provider};
use crate::config::{Address, UpstreamTls};
use crate::net::Stream;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, TlsStream};

/// How the upstream is spoken to now.
#[derive(Debug, Clone)]
pub struct Client {
    live: Live<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl Client {
    /// Reads the files, for `h2`.
    ///
    /// # Errors
    /// Which file, and what is wrong with it.
    pub fn open(tls: &UpstreamTls) -> Result<(Self, Source<ClientConfig>), Refused> {
        let name = tls.name.clone().map(ServerName::try_from).transpose();
        let name = name.map_err(|_| {
            Refused("upstream-sni is no host name (example: models.internal)".to_owned())
        })?;
        let mut paths: Vec<PathBuf> = Vec::new();
        if let Some(pair) = &tls.pair {
            paths.extend([pair.certificate.clone(), pair.key.clone()]);
        }
        let (pair, ca) = (tls.pair.is_some(), tls.ca.is_some());
        paths.extend(tls.ca.clone());
        let at = names(&paths);
        let source = Source::open(paths, move |content| {
            let own = pair.then(|| (&content[0][..], &content[1][..]));
            let ca = ca.then(|| &content[content.len() - 1][..]);
            config(own, ca).map_err(|refused| Refused(format!("{at}: {refused}")))
        })?;
        let live = source.live();
        Ok((Client { live, name }, source))
    }

    /// Speaks TLS on a connection to `address`.
    ///
    /// # Errors
    /// In words: that it is plain text, or why the handshake failed.
    pub async fn connect(&self, address: &Address, stream: Stream) -> Result<Stream, String> {
        let name = match (&self.name, address) {
            (Some(name), _) => name.clone(),
            (None, Address::Tcp(host, _)) => ServerName::try_from(host.clone())
                .map_err(|_| format!("`{host}` is no name for TLS; see --upstream-sni"))?,
            (None, Address::Unix(_)) => {
                ServerName::try_from("localhost").map_err(|error| error.to_string())?
            }
        };
        let connector = TlsConnector::from(self.live.now());
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(TlsStream::Client(stream)))),
            Err(error) if is_plain(&error) => {
                Err("it speaks plain text, not TLS; see --upstream-tls".to_owned())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
                ) =>
            {
                Err(format!(
                    "it hung up on TLS ({error}); if it speaks plain text, see --upstream-tls"
                ))
            }
            Err(error) => Err(format!("TLS: {error}")),
        }
    }
}

fn config(own: Option<(&[u8], &[u8])>, ca: Option<&[u8]>) -> Result<ClientConfig, Refused> {
    let say = |error: &dyn std::fmt::Display| Refused(error.to_string());
    let roots = match ca {
        Some(pem) => roots(pem)?,
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(Refused(
                    "the system has no certificate authorities; see --upstream-ca".to_owned(),
                ));
            }
            roots
        }
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| say(&error))?
        .with_root_certificates(Arc::new(roots));
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = chain(certificate).map_err(|mistake| say(&mistake))?;
            let key = private_key(key).map_err(|mistake| say(&mistake))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| say(&super::Mistake::Pair(error)))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
