//! Asking another process's admin port.

use crate::config::Address;
use crate::error::Error;
use crate::net;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(15);
const MOST_BYTES: usize = 64 << 20;

/// Sends one request to the admin port at `address` and returns the status and the body.
///
/// # Errors
/// When nobody answers there in 15 seconds, or not in HTTP.
pub async fn ask(
    address: &Address,
    method: Method,
    path: &str,
    token: Option<&str>,
) -> Result<(StatusCode, Bytes), Error> {
    let unavailable = |reason: String| {
        Error::Unavailable(format!(
            "admin: `{address}`: {reason} (example: 127.0.0.1:9464)"
        ))
    };
    tokio::time::timeout(LONGEST, exchange(address, method, path, token))
        .await
        .map_err(|_| unavailable("no answer in 15 s".to_owned()))?
        .map_err(|error| unavailable(error.to_string()))
}

async fn exchange(
    address: &Address,
    method: Method,
    path: &str,
    token: Option<&str>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = net::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "flatline");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = sender
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MOST_BYTES)
        .collect()
        .await?
        .to_bytes();
    driver.abort();
    Ok((status, body))
}
