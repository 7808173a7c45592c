//! As much of an API server as certificates need: Secrets and a webhook's configuration, with
//! resource versions, in memory.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use kube::{Client, Config};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

#[derive(Default)]
struct Store {
    secret: Option<Value>,
    configuration: Value,
    version: u64,
    /// Writes that were refused because somebody else was faster.
    conflicts: u64,
}

#[derive(Clone, Default)]
pub(super) struct Cluster {
    store: Arc<Mutex<Store>>,
    port: u16,
}

impl Cluster {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("as the test sets it up");
        let address = listener.local_addr().expect("as the test sets it up");
        let cluster = Cluster {
            port: address.port(),
            ..Cluster::default()
        };
        let webhook = |name: &str| {
            json!({
                "name": name,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"service": {"name": "flatline-webhook", "namespace": "flatline"}},
            })
        };
        cluster
            .store
            .lock()
            .expect("as the test sets it up")
            .configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "flatline", "resourceVersion": "0"},
            "webhooks": [webhook("namespaces.flatline.dev"), webhook("pods.flatline.dev")],
        });
        let shared = cluster.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("as the test sets it up");
                let shared = shared.clone();
                let service = service_fn(move |request| {
                    let shared = shared.clone();
                    async move { Ok::<_, Infallible>(shared.answer(request).await) }
                });
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        cluster
    }

    pub(super) fn client(&self) -> Client {
        let url = format!("http://127.0.0.1:{}", self.port);
        Client::try_from(Config::new(url.parse().expect("as the test sets it up")))
            .expect("as the test sets it up")
    }

    /// A kubeconfig that leads here.
    pub(super) fn kubeconfig(&self) -> String {
        let cluster =
            json!({"name": "c", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}});
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        })
        .to_string()
    }

    /// A value of the Secret, as text.
    pub(super) fn secret(&self, key: &str) -> Option<String> {
        use base64::Engine;
        let store = self.store.lock().expect("as the test sets it up");
        let text = store.secret.as_ref()?["data"]
            .get(key)?
            .as_str()?
            .to_owned();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .expect("as the test sets it up");
        Some(String::from_utf8(bytes).expect("as the test sets it up"))
    }

    /// The caBundle of every webhook, as text.
    pub(super) fn bundles(&self) -> Vec<String> {
        use base64::Engine;
        let store = self.store.lock().expect("as the test sets it up");
        let webhooks = store.configuration["webhooks"]
            .as_array()
            .expect("as the test sets it up");
        let text = |w: &Value| {
            w["clientConfig"]["caBundle"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let decode = |text: String| {
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .expect("as the test sets it up")
        };
        webhooks
            .iter()
            .map(|w| String::from_utf8(decode(text(w))).expect("as the test sets it up"))
            .collect()
    }

    pub(super) fn conflicts(&self) -> u64 {
        self.store.lock().expect("as the test sets it up").conflicts
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .expect("as the test sets it up")
            .to_bytes();
        let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = parts.uri.path();
        let mut store = self.store.lock().expect("as the test sets it up");
        let store = &mut *store;
        if path.ends_with("/mutatingwebhookconfigurations/flatline") {
            if parts.method == Method::PATCH {
                assert_eq!(
                    parts.headers["content-type"],
                    "application/strategic-merge-patch+json"
                );
                if sent["metadata"]["resourceVersion"]
                    != store.configuration["metadata"]["resourceVersion"]
                {
                    return failure(409, "Conflict");
                }
                store.version += 1;
                store.configuration["metadata"]["resourceVersion"] =
                    json!(store.version.to_string());
                for entry in sent["webhooks"].as_array().expect("as the test sets it up") {
                    let webhooks = store.configuration["webhooks"]
                        .as_array_mut()
                        .expect("as the test sets it up");
                    let found = webhooks
                        .iter_mut()
                        .find(|w| w["name"] == entry["name"])
                        .expect("as the test sets it up");
                    found["clientConfig"]["caBundle"] = entry["clientConfig"]["caBundle"].clone();
                }
            }
            return reply(200, &store.configuration);
        }
        assert!(
            path.starts_with("/api/v1/namespaces/flatline/secrets"),
            "{path}"
        );
        match (&parts.method, &store.secret) {
            (&Method::GET, Some(secret)) => return reply(200, secret),
            (&Method::GET, None) => return failure(404, "NotFound"),
            (&Method::POST, Some(_)) => {
                store.conflicts += 1;
                return failure(409, "AlreadyExists");
            }
            (&Method::PUT, Some(secret))
                if sent["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"] =>
            {
                store.conflicts += 1;
                return failure(409, "Conflict");
            }
            _ => {}
        }
        store.version += 1;
        let mut secret = sent;
        secret["metadata"]["resourceVersion"] = json!(store.version.to_string());
        reply(200, store.secret.insert(secret))
    }
}

fn failure(code: u16, reason: &str) -> Response<Full<Bytes>> {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "code": code, "reason": reason, "message": reason,
    });
    reply(code, &status)
}

fn reply(code: u16, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(value.to_string().into()));
    *response.status_mut() = StatusCode::from_u16(code).expect("as the test sets it up");
    response
}
