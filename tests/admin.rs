//! The admin port: who may change what, and what a restart keeps.

use flatline::admin;
use flatline::app;
use flatline::config::{Config, Raw};
use http::{Method, StatusCode};

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
