//! Config -> bind -> run -> drain.

use crate::action;
use crate::admin;
use crate::config::{Address, Capture, Config, ListenTls, UpstreamTls};
use crate::drain;
use crate::error::Error;
use crate::fingerprint::random_key;
use crate::listen::{self, Settings};
use crate::net::{self, Listener, Own};
use crate::observe::{Bounds, Keep, Observer};
use crate::replay::{CaptureWriter, Limits};
use crate::report::Report;
use crate::state::StateDir;
use crate::tap::Tap;
use crate::telemetry::{self, Forwarding};
use crate::tls;
use crate::truth;
use crate::truth::ask::Server;
use crate::truth::poll::Poll;
use crate::truth::volume::Volume;
use crate::upstream::Dial;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};

/// How long the analyzer may take at the end for what is queued.
const FLUSH: Duration = Duration::from_secs(2);

/// How often certificate files are looked at.
const RELOAD: Duration = Duration::from_secs(1);

/// Versions that answered for the first time and wait to be asked about.
const APPEARED: usize = 64;

/// A proxy that runs.
pub struct Running {
    /// Where clients connect, with the port that was taken.
    pub listen: Address,
    /// Where metrics and verdicts are served, with the port that was taken.
    pub admin: Address,
    observer: Observer,
    drain: drain::Signal,
    drain_timeout: Duration,
    ready: admin::Readiness,
    serving: JoinHandle<()>,
    administering: JoinHandle<()>,
    own: Own,
    _following: JoinSet<()>,
    /// Ended with the rest.
    beside: [JoinHandle<()>; 2],
}

/// Binds both addresses and starts to serve.
///
/// # Errors
/// When an address cannot be bound, or the upstream is this very listener.
pub async fn start(config: Config) -> Result<Running, Error> {
    let metrics = telemetry::install()?;
    let listener = bind("listen", &config.listen).await?;
    let admin_listener = bind("admin", &config.admin).await?;
    let listen = local(&listener)?;
    let admin = local(&admin_listener)?;
    refuse_loop(&listen, &config.upstream).await?;

    let (state_dir, key) = state(&config)?;
    let bounds = Bounds {
        queue: config.queue,
        message: config.tap_bytes_per_call,
        total: config.tap_bytes_total,
    };
    let keep = capture(config.capture.as_ref())?;
    let volume = Volume {
        model_dir: config.model_dir.clone(),
        models_config: config.models_config.clone(),
    };
    let observer = Observer::start(
        config.analyzer.clone(),
        key,
        bounds,
        keep,
        truth::ask::reach(&config.upstream, config.upstream_tls.as_ref(), &volume),
        state_dir,
    )
    .map_err(|error| Error::Internal(format!("analyzer: {error}")))?;
    let own = Own::new();
    let mut following = JoinSet::new();
    let listen_tls = listen_tls(config.listen_tls.as_ref(), &mut following)?;
    let upstream_tls = upstream_tls(config.upstream_tls.as_ref(), &mut following)?;
    let acting = action::prepare(config.action.clone());
    if let Some(every) = config.truth_interval {
        let dial = truth::ask::dialler(config.upstream.clone(), upstream_tls.clone());
        let server = Server::lazily(&config.upstream, dial, truth::poll::DEADLINE)
            .map_err(|error| Error::Config(format!("upstream: {error}")))?;
        let poll = Poll::new(server, volume, every, observer.clone());
        let (appeared, versions) = tokio::sync::mpsc::channel(APPEARED);
        observer.announce(appeared);
        following.spawn(poll.run(versions));
    }
    let dial = Arc::new(Dial::new(config.upstream, upstream_tls, own.clone()));
    let settings = Settings {
        dial: Arc::clone(&dial),
        original_dst: config.original_dst,
        tls: listen_tls,
        own: own.clone(),
        tap: Tap::new(
            Arc::new(observer.clone()),
            config.tap_bytes_per_call,
            config.tap_bytes_total,
        )
        .saying(acting.notes.clone()),
        metrics: Arc::new(Forwarding::new()),
        handshake_timeout: config.handshake_timeout,
    };
    let (drain, watch) = drain::channel();
    let ready = admin::Readiness::default();
    let state = admin::State {
        observer: observer.clone(),
        metrics: metrics.clone(),
        ready: ready.clone(),
        standing: acting.standing.clone(),
        dial,
        token: config.admin_token.as_deref().map(admin::Token::new),
    };
    let administering = tokio::spawn(admin::serve(admin_listener, state));
    let acting = tokio::spawn(action::run(acting, observer.clone()));
    let keeping = tokio::spawn(telemetry::upkeep(metrics));
    let serving = tokio::spawn(listen::serve(listener, settings, watch));
    ready.set(true);
    Ok(Running {
        listen,
        admin,
        observer,
        drain,
        drain_timeout: config.drain_timeout,
        ready,
        serving,
        administering,
        own,
        _following: following,
        beside: [acting, keeping],
    })
}

impl Running {
    /// The report as of now.
    pub async fn report(&self) -> Option<Report> {
        self.observer.report().await
    }

    /// Returns when a call has come back to the proxy that sent it: it can never do its work.
    pub async fn circle(&self) -> Error {
        self.own.circle().await;
        circle("a connection to the upstream came back here")
    }

    /// Stops accepting, lets the calls in flight finish within the drain timeout, ends. Returns
    /// whether all of them finished.
    pub async fn shutdown(self) -> bool {
        self.ready.set(false);
        let finished = self.drain.drain(self.drain_timeout).await;
        // An answer comes behind all calls that are queued, so they were captured and judged.
        let _ = tokio::time::timeout(FLUSH, self.observer.flush()).await;
        self.serving.abort();
        self.administering.abort();
        self.beside.iter().for_each(JoinHandle::abort);
        finished
    }
}

/// The folder of baselines, if there is one, and the key of the fingerprints.
fn state(config: &Config) -> Result<(Option<StateDir>, [u8; 32]), Error> {
    let Some(dir) = &config.state_dir else {
        return Ok((None, config.fingerprint_key.unwrap_or_else(random_key)));
    };
    let most = config.analyzer.max_series;
    let opened = StateDir::open(dir, config.fingerprint_key, most);
    let (state, key) = opened.map_err(|error| {
        Error::Config(format!(
            "state-dir: `{}`: {error} (example: state-dir = \"/var/lib/flatline/state\")",
            dir.display()
        ))
    })?;
    Ok((Some(state), key))
}

fn capture(capture: Option<&Capture>) -> Result<Option<Box<dyn Keep>>, Error> {
    let Some(capture) = capture else {
        return Ok(None);
    };
    let limits = Limits {
        bytes: capture.max_bytes,
        age: capture.max_age,
    };
    let writer = CaptureWriter::open(&capture.dir, limits).map_err(|error| {
        Error::Config(format!(
            "capture: `{}`: {error} (example: capture = \"/var/lib/flatline\")",
            capture.dir.display()
        ))
    })?;
    Ok(Some(Box::new(writer)))
}

async fn bind(field: &str, address: &Address) -> Result<Listener, Error> {
    Listener::bind(address)
        .await
        .map_err(|error| Error::Config(format!("{field}: cannot listen on `{address}`: {error}")))
}

fn local(listener: &Listener) -> Result<Address, Error> {
    listener
        .local_address()
        .map_err(|error| Error::Internal(error.to_string()))
}

/// A proxy pointed at itself would call itself until nothing is left.
async fn refuse_loop(listen: &Address, upstream: &Address) -> Result<(), Error> {
    if net::leads_to(upstream, listen).await {
        return Err(circle(&format!("`{upstream}`")));
    }
    Ok(())
}

fn circle(what: &str) -> Error {
    Error::Config(format!(
        "upstream: {what} is where Flatline itself listens: every call would come back (example: upstream = \"127.0.0.1:8510\")"
    ))
}

fn listen_tls(
    tls: Option<&ListenTls>,
    following: &mut JoinSet<()>,
) -> Result<Option<tls::Server>, Error> {
    let Some(tls) = tls else { return Ok(None) };
    let (server, source) = tls::Server::open(tls).map_err(|refused| {
        Error::Config(format!("tls-cert, tls-key or ssl-config-file: {refused}"))
    })?;
    following.spawn(source.follow(RELOAD, |change| told("listen", change)));
    Ok(Some(server))
}

fn upstream_tls(
    tls: Option<&UpstreamTls>,
    following: &mut JoinSet<()>,
) -> Result<Option<tls::Client>, Error> {
    let Some(tls) = tls else { return Ok(None) };
    let (client, source) = tls::Client::open(tls)
        .map_err(|refused| Error::Config(format!("upstream-tls: {refused}")))?;
    following.spawn(source.follow(RELOAD, |change| told("upstream", change)));
    Ok(Some(client))
}

fn told(side: &'static str, change: &tls::Change) {
    match change {
        tls::Change::Taken => telemetry::certificates_changed(side, None),
        tls::Change::Kept(reason) => telemetry::certificates_changed(side, Some(reason)),
    }
}
