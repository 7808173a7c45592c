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

/// The admin port to ask: an address, or the URL of it that a browser shows.
///
/// # Errors
/// What is wrong with it, in words.
pub fn address(text: &str) -> Result<Address, String> {
    if text.starts_with("unix:") {
        return Ok(text.parse::<Address>()?);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return bare(text);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => bare(rest),
        other => Err(format!(
            "the admin port speaks plain http, not {other} (example: http://127.0.0.1:9464)"
        )),
    }
}

fn bare(text: &str) -> Result<Address, String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.contains(['/', '?', '#']) {
        return Err(
            "give the address alone, without a path (example: http://127.0.0.1:9464)".to_owned(),
        );
    }
    Ok(text.parse::<Address>()?)
}

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

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn urls_are_addresses_too() {
        for (text, means) in [
            ("127.0.0.1:9464", "127.0.0.1:9464"),
            ("127.0.0.1:9464/", "127.0.0.1:9464"),
            ("http://127.0.0.1:9464", "127.0.0.1:9464"),
            ("HTTP://pod.svc:1/", "pod.svc:1"),
            ("http://[::1]:9464/", "[::1]:9464"),
            ("unix:/run/admin.sock", "unix:/run/admin.sock"),
            ("unix:///run/a/", "unix:/run/a/"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), means, "{text}");
        }
        for (text, why) in [
            ("https://127.0.0.1:9464", "plain http, not https"),
            ("grpc://a:1", "plain http, not grpc"),
            ("http://127.0.0.1", "has no port"),
            ("http://:9464", "has no host"),
            ("http://a:1/api/v1/verdicts", "without a path"),
            ("a:1/metrics", "without a path"),
            ("http://a:1?x", "without a path"),
        ] {
            let said = address(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
