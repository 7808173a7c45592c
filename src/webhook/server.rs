//! HTTPS: `/mutate`, `/healthz`, `/metrics`.

use super::review;
use crate::inject::Settings;
use crate::telemetry::{Reviewing, Unanswered};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use metrics_exporter_prometheus::PrometheusHandle;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// An object has 3 MiB at most, and a review may hold an old one besides.
pub const BODY: usize = 8 << 20;
/// How long a review may take, which is what the API server waits.
const LONGEST: Duration = Duration::from_secs(5);
/// Connections at once; the API server keeps a few open.
const CONNECTIONS: usize = 512;
/// How long a connection may be without a request once it had one: longer than the API server keeps it,
/// 90 seconds, so that a review does not meet the end.
const IDLE: Duration = Duration::from_secs(100);
/// Pause after an error on accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Served {
    /// What every pod gets.
    pub(super) settings: Arc<Settings>,
    /// Where metrics come from.
    pub(super) metrics: PrometheusHandle,
    /// Counts what is answered and what is not.
    pub(super) reviewing: Arc<Reviewing>,
}

/// Serves until `stop` turns true, then lets what is being answered finish.
pub(super) async fn serve(
    listener: TcpListener,
    tls: ServerConfig,
    served: Served,
    mut stop: watch::Receiver<bool>,
) {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let stopped = stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping(&mut stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                    break;
                };
                let (acceptor, served, stop) = (acceptor.clone(), served.clone(), stopped.clone());
                tokio::spawn(async move {
                    connection(stream, &acceptor, served, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "webhook: a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // All places are free again once the last connection has ended.
    let _ = tokio::time::timeout(LONGEST, places.acquire_many(CONNECTIONS as u32)).await;
}

async fn connection(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    served: Served,
    mut stop: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let reviewing = Arc::clone(&served.reviewing);
    let stream = match tokio::time::timeout(LONGEST, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "webhook: no TLS");
            return reviewing.unanswered(Unanswered::Handshake);
        }
        Err(_) => return reviewing.unanswered(Unanswered::Handshake),
    };
    let begun = Arc::new(Notify::new());
    let begins = Arc::clone(&begun);
    let service = service_fn(move |request| {
        begins.notify_one();
        let served = served.clone();
        async move { Ok::<_, Infallible>(answer(request, &served).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .header_read_timeout(None)
        .max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .max_concurrent_streams(250)
        .max_header_list_size(16 << 10);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = silent(&begun) => {
            connection.as_mut().graceful_shutdown();
            // Nothing is being answered: one turn says goodbye.
            let goodbye = tokio::time::timeout(Duration::ZERO, connection);
            goodbye.await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "webhook: a connection ended early");
    }
}

/// Ends when no request has begun for too long, whatever was sent instead: else a few hundred
/// connections that say nothing would take all places.
async fn silent(begun: &Notify) {
    let mut patience = LONGEST;
    while tokio::time::timeout(patience, begun.notified())
        .await
        .is_ok()
    {
        patience = IDLE;
    }
}

/// Ends when the server is to stop.
async fn stopping(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn answer(request: Request<Incoming>, served: &Served) -> Response<Full<Bytes>> {
    match (request.uri().path(), request.method()) {
        ("/mutate", &Method::POST) => mutate(request, served).await,
        ("/mutate", _) => wrong_method("POST"),
        ("/healthz" | "/metrics", method) if !matches!(*method, Method::GET | Method::HEAD) => {
            wrong_method("GET, HEAD")
        }
        ("/healthz", _) => plain(StatusCode::OK, "ok\n"),
        ("/metrics", _) => body(
            "text/plain; version=0.0.4; charset=utf-8",
            served.metrics.render(),
        ),
        _ => plain(
            StatusCode::NOT_FOUND,
            "not found; try /mutate /healthz /metrics\n",
        ),
    }
}

async fn mutate(request: Request<Incoming>, served: &Served) -> Response<Full<Bytes>> {
    let begun = Instant::now();
    let refuse = |status, why, text: String| {
        served.reviewing.unanswered(why);
        tracing::warn!(reason = why.as_str(), detail = %text.trim_end(), "review not answered");
        plain(status, text)
    };
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let media = kind.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        let text = format!("content-type: `{kind}` is not read (example: application/json)\n");
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Unanswered::ContentType,
            text,
        );
    }
    let bytes = match tokio::time::timeout(LONGEST, collect(request)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("body: more than {BODY} bytes\n");
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, Unanswered::TooLarge, text);
        }
        Ok(Err(error)) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                Unanswered::Malformed,
                format!("body: {error}\n"),
            );
        }
        Err(_) => {
            let text = format!("body: not there within {} s\n", LONGEST.as_secs());
            return refuse(StatusCode::REQUEST_TIMEOUT, Unanswered::Late, text);
        }
    };
    match review::answer(&bytes, &served.settings) {
        Ok(json) => {
            served.reviewing.answered(begun.elapsed());
            body("application/json", json)
        }
        Err(why) => refuse(
            StatusCode::BAD_REQUEST,
            Unanswered::Malformed,
            format!("{why}\n"),
        ),
    }
}

async fn collect(
    request: Request<Incoming>,
) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let body = Limited::new(request.into_body(), BODY);
    Ok(body.collect().await?.to_bytes())
}

fn wrong_method(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, format!("{allowed} only\n"));
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = body("text/plain; charset=utf-8", text);
    *response.status_mut() = status;
    response
}

fn body(kind: &'static str, content: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content.into()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
