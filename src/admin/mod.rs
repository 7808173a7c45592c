//! The admin port: metrics, health, verdicts, and a page for people. Read-only without a token.

mod client;
mod page;
mod reset;
mod schema;
mod token;

pub use client::{address, ask};
pub use token::Token;

use crate::net::{Listener, Stream};
use crate::observe::Observer;
use crate::telemetry;
use crate::upstream::Dial;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Reports made at once; others wait, so that fifty scrapers cost no more than these.
const AT_ONCE: usize = 8;
/// A reader slower than this is cut off.
const LONGEST: Duration = Duration::from_secs(30);
/// How long a client may take to send its request.
const HEADERS: Duration = Duration::from_secs(5);
/// How long the analyzer is waited for: less than a scraper waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections at once; one more, and the oldest is cut off: probes get through a crowd that stalls.
const CONNECTIONS: usize = 128;
/// Pause after an error on accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Whether calls may be sent here.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Sets it.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether a replica takes part in the fleet, with `--action eject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    /// It does.
    In,
    /// It does, and asks to leave.
    Asking,
    /// It has left.
    Out,
}

/// The place of this replica, shared.
#[derive(Debug, Clone, Default)]
pub struct Standing(Arc<AtomicU8>);

impl Standing {
    /// Sets it.
    pub fn set(&self, place: Place) {
        self.0.store(place as u8, Ordering::SeqCst);
    }

    fn answer(&self) -> Response<Full<Bytes>> {
        let place = self.0.load(Ordering::SeqCst);
        if place == Place::Out as u8 {
            plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "out: a model is flat for certain\n",
            )
        } else if place == Place::Asking as u8 {
            plain(StatusCode::OK, "ok, asking to leave\n")
        } else {
            plain(StatusCode::OK, "ok\n")
        }
    }
}

/// What the admin port shows.
#[derive(Clone)]
pub struct State {
    /// Where reports come from.
    pub observer: Observer,
    /// Where metrics come from.
    pub metrics: PrometheusHandle,
    /// For `/readyz`.
    pub ready: Readiness,
    /// For `/readyz` too.
    pub standing: Standing,
    /// Whether the upstream can be reached.
    pub dial: Arc<Dial>,
    /// Allows changes.
    pub token: Option<Token>,
}

/// Serves until the future is dropped.
pub async fn serve(listener: Listener, state: State) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                failing = false;
                let connection = connection(accepted.stream, state.clone(), Arc::clone(&turns));
                let bounded = tokio::time::timeout(LONGEST, connection);
                open.retain(|connection| !connection.is_finished());
                if open.len() >= CONNECTIONS
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                open.push_back(tokio::spawn(bounded).abort_handle());
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "admin: connections cannot be accepted; it is tried again");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: Stream, state: State, turns: Arc<Semaphore>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (state, turns) = (state.clone(), Arc::clone(&turns));
        async move { Ok::<_, Infallible>(answer(&request, &state, &turns).await) }
    });
    // HTTP/1 alone: nobody scrapes otherwise, and there is less to bound.
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(16 << 10);
    // A scraper that goes away in the middle is no event.
    let _ = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: &Request<Incoming>,
    state: &State,
    turns: &Semaphore,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if path == "/api/v1/reset" {
        return reset::answer(request, state).await;
    }
    if !matches!(
        path,
        "/" | "/metrics" | "/livez" | "/readyz" | "/api/v1/verdicts" | "/api/v1/verdicts/schema"
    ) {
        return plain(
            StatusCode::NOT_FOUND,
            "not found; try / /metrics /livez /readyz /api/v1/verdicts\n",
        );
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/livez" => plain(StatusCode::OK, "ok\n"),
        "/readyz" if state.ready.is_ready() => state.standing.answer(),
        "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        "/api/v1/verdicts/schema" => body("application/schema+json", schema::VERDICTS),
        _ => {
            let _turn = turns.acquire().await;
            with_report(path, state).await
        }
    }
}

/// What the analyzer answers, if it does while it is waited for.
async fn soon<T>(answer: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}

async fn with_report(path: &str, state: &State) -> Response<Full<Bytes>> {
    if path == "/metrics" {
        let scraped = soon(state.observer.scrape()).await;
        // Counters are worth having even while the analyzer is behind.
        let mut text = state.metrics.render();
        text.push_str(&telemetry::process_metrics());
        if let Some(snapshot) = &scraped {
            text.push_str(&telemetry::series_metrics(
                &snapshot.report,
                &snapshot.traffic,
            ));
        }
        return body("text/plain; version=0.0.4; charset=utf-8", text);
    }
    let behind = || {
        plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "the analyzer is behind; try again\n",
        )
    };
    if path == "/" {
        // Together, so that both take no longer than one.
        let both = tokio::join!(
            soon(state.observer.scrape()),
            soon(state.observer.accounts())
        );
        let (Some(snapshot), accounts) = both else {
            return behind();
        };
        let page = page::render(
            &snapshot,
            &accounts.unwrap_or_default(),
            state.dial.away().as_ref(),
        );
        let mut response = body("text/html; charset=utf-8", page);
        if let Ok(policy) = HeaderValue::from_str(&page::POLICY) {
            response
                .headers_mut()
                .insert(CONTENT_SECURITY_POLICY, policy);
        }
        return response;
    }
    let Some(report) = soon(state.observer.report()).await else {
        return behind();
    };
    match serde_json::to_string_pretty(&report) {
        Ok(json) => body("application/json", json),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = body("text/plain; charset=utf-8", text);
    *response.status_mut() = status;
    response
}

fn body(kind: &'static str, content: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response
}
