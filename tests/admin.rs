//! The admin port: who may change what, and what a restart keeps.

use flatline::admin;
use flatline::app;
use flatline::config::{Config, Raw};
use http::{Method, StatusCode};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const TOKEN: &str = "a-secret-of-enough-letters";

async fn start(toml: &str) -> app::Running {
    let raw = format!("listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n{toml}");
    let config = Config::check(&Raw::from_toml(&raw).expect("TOML")).expect("a configuration");
    app::start(config).await.expect("a proxy")
}

async fn post(running: &app::Running, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let (status, body) = admin::ask(&running.admin, Method::POST, path, token)
        .await
        .expect("an answer");
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn nothing_can_be_changed_without_a_token() {
    let running = start("").await;
    let (status, text) = post(&running, "/api/v1/reset", Some(TOKEN)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("--admin-token"), "{text}");
    let (status, _) = post(&running, "/metrics", None).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_reset_needs_the_right_token() {
    let running = start(&format!("admin-token = \"{TOKEN}\"")).await;
    let reset = "/api/v1/reset?model=m";
    assert_eq!(
        post(&running, reset, None).await.0,
        StatusCode::UNAUTHORIZED
    );
    let wrong = Some("a-secret-of-enough-lettres");
    assert_eq!(
        post(&running, reset, wrong).await.0,
        StatusCode::UNAUTHORIZED
    );
    let (status, text) = post(&running, reset, Some(TOKEN)).await;
    assert_eq!((status, text.trim()), (StatusCode::OK, "[]"));
    let (status, text) = post(&running, "/api/v1/reset?version=new", Some(TOKEN)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("`new`"), "{text}");
}

/// What the admin port answers to these bytes until it closes.
async fn raw(running: &app::Running, asked: &[u8]) -> String {
    let stream = TcpStream::connect(running.admin.to_string()).await;
    let mut stream = stream.expect("the admin port");
    // It may be closed before all was taken.
    let _ = stream.write_all(asked).await;
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    let _ = read.await.expect("closed in time");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_are_bounded_in_size() {
    let running = start("").await;
    let long = "x".repeat(17 << 10);
    for asked in [
        format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: a\r\nlong: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200)),
    ] {
        let answer = raw(&running, asked.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    // A body is not waited for, however long it says it is.
    let asked = b"POST /api/v1/reset HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000000000\r\n\r\nx";
    let answer = raw(&running, asked).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn requests_are_bounded_in_time() {
    let running = start("").await;
    let (nothing, line, head) = tokio::join!(
        raw(&running, b""),
        raw(&running, b"GET / HT"),
        raw(&running, b"GET /metrics HTTP/1.1\r\nhost: a\r\n")
    );
    for answer in [nothing, line, head] {
        assert!(!answer.contains(" 200 "), "{answer}");
    }
}
