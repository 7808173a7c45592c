//! The mutating admission webhook: reviews in, patches of `inject` out, over TLS.

mod own;
mod review;
mod server;

pub use own::{Keeper, Lifetimes, Names, Pair, Step};
pub use review::answer;
pub use server::BODY;

use crate::config::Address;
use crate::error::Error;
use crate::inject::{Settings, Skip};
use crate::telemetry::{self, Reviewing};
use crate::tls::{FileMistake, Files, Shown};
use kube::Client;
use server::Served;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often files, the Secret and the caBundle are looked at.
const LOOK: Duration = Duration::from_secs(60);
/// Pause before the cluster is asked again, doubled up to [`LOOK`].
const AGAIN: Duration = Duration::from_secs(1);

/// Where the certificate comes from.
pub enum Certificates {
    /// Files, read again every so often.
    Files(Files, Duration),
    /// Made here, kept in a Secret, and published in the webhook's configuration.
    Own(Box<Names>, Lifetimes),
}

/// A webhook that serves.
pub struct Running {
    /// Where it listens, with the port that was taken.
    pub listen: Address,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    keeping: JoinHandle<()>,
}

/// Binds, gets a certificate, and serves.
///
/// # Errors
/// When the address cannot be bound, the files make no identity, or there is no cluster to ask.
pub async fn start(
    listen: &Address,
    certificates: Certificates,
    settings: Settings,
) -> Result<Running, Error> {
    let metrics = telemetry::install()?;
    let reviewing = Arc::new(Reviewing::new(&Skip::ALL.map(Skip::as_label)));
    let listener = bind(listen).await?;
    let bound = listener
        .local_addr()
        .map_err(|error| Error::Internal(error.to_string()))?;
    let (shown, keeping) = match certificates {
        Certificates::Files(files, every) => {
            let identity = files
                .load()
                .await
                .map_err(|error| Error::Config(format!("tls-cert: {error}")))?;
            let shown = Shown::new(identity);
            let (count, show) = (Arc::clone(&reviewing), shown.clone());
            let keeping = tokio::spawn(async move {
                let told = |change: Result<&[u8], &FileMistake>| match change {
                    Ok(certificate) => count.loaded(own::expires(certificate)),
                    Err(_) => count.not_loaded(),
                };
                files.follow(&show, every, told).await;
            });
            (shown, keeping)
        }
        Certificates::Own(names, lifetimes) => {
            let client = Client::try_default().await.map_err(|error| {
                Error::Unavailable(format!(
                    "cluster: {error} (example: KUBECONFIG, or run in a pod)"
                ))
            })?;
            let mut keeper = Keeper::new(client, *names, lifetimes);
            let shown = first(&mut keeper, &reviewing).await?;
            (
                shown.clone(),
                tokio::spawn(keep(keeper, shown, Arc::clone(&reviewing))),
            )
        }
    };
    let tls = shown
        .server(&[b"h2", b"http/1.1"])
        .map_err(|error| Error::Internal(format!("TLS: {error}")))?;
    let (stop, stopped) = watch::channel(false);
    let served = Served {
        settings: Arc::new(settings),
        metrics,
        reviewing,
    };
    Ok(Running {
        listen: Address::Tcp(bound.ip().to_string(), bound.port()),
        stop,
        serving: tokio::spawn(server::serve(listener, tls, served, stopped)),
        keeping,
    })
}

impl Running {
    /// Stops accepting, lets what is being answered finish, ends.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        let _ = self.serving.await;
        self.keeping.abort();
    }
}

/// Asks the cluster until there is a pair to show.
async fn first(keeper: &mut Keeper, reviewing: &Reviewing) -> Result<Shown, Error> {
    let mut pause = AGAIN;
    loop {
        match keeper.look(jiff::Timestamp::now()).await {
            Ok(Step {
                pair: Some(pair), ..
            }) => {
                reviewing.loaded(Some(pair.expires));
                return Ok(Shown::new(pair.identity));
            }
            Ok(Step { pair: None, .. }) => {
                return Err(Error::Internal("no certificate was made".to_owned()));
            }
            Err(error) => {
                tracing::warn!(%error, "certificate not ready; asking again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LOOK);
            }
        }
    }
}

/// Looks every so often, and shows what others or this replica have made.
async fn keep(mut keeper: Keeper, shown: Shown, reviewing: Arc<Reviewing>) {
    loop {
        tokio::time::sleep(keeper.pause(LOOK)).await;
        match keeper.look(jiff::Timestamp::now()).await {
            Ok(Step {
                pair: Some(pair), ..
            }) => {
                reviewing.loaded(Some(pair.expires));
                tracing::info!(expires = %pair.expires, "certificate loaded");
                shown.replace(pair.identity);
            }
            Ok(Step { pair: None, .. }) => {}
            Err(error) => {
                reviewing.not_loaded();
                tracing::warn!(%error, "certificate not looked after; the one before is kept");
            }
        }
    }
}

async fn bind(listen: &Address) -> Result<TcpListener, Error> {
    let Address::Tcp(host, port) = listen else {
        return Err(Error::Config(format!(
            "listen: `{listen}` is no TCP address (example: --listen 0.0.0.0:8443)"
        )));
    };
    let bound = match TcpListener::bind((host.as_str(), *port)).await {
        // Every address, in a cluster without IPv6.
        Err(_) if host == "::" => TcpListener::bind(("0.0.0.0", *port)).await,
        bound => bound,
    };
    bound.map_err(|error| Error::Config(format!("listen: cannot listen on `{listen}`: {error}")))
}
