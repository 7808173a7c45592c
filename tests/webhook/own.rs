//! Certificates made here: by several replicas, and again before they end.

use super::caller::{Caller, review};
use super::cluster::Cluster;
use flatline::tls::{Shown, provider};
use flatline::webhook::{Keeper, Lifetimes, Names, Pair};
use jiff::{SignedDuration, Timestamp};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConnection, time_provider::TimeProvider,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn keeper(cluster: &Cluster) -> Keeper {
    let names = Names {
        namespace: "flatline".to_owned(),
        service: "flatline-webhook".to_owned(),
        secret: "flatline-webhook-tls".to_owned(),
        configuration: "flatline".to_owned(),
    };
    let lifetimes = Lifetimes::of(Duration::from_secs(90 * 24 * 60 * 60));
    Keeper::new(cluster.client(), names, lifetimes)
}

#[derive(Debug)]
struct At(Timestamp);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.as_second()).expect("as the test sets it up");
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// Whether a caller that trusts `bundle` gets in at `now`.
fn trusts(bundle: &str, pair: &Pair, now: Timestamp) -> bool {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots
            .add(certificate.expect("as the test sets it up"))
            .expect("as the test sets it up");
    }
    let client = ClientConfig::builder_with_details(provider(), Arc::new(At(now)))
        .with_safe_default_protocol_versions()
        .expect("as the test sets it up")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host =
        ServerName::try_from("flatline-webhook.flatline.svc").expect("as the test sets it up");
    let mut client = ClientConnection::new(Arc::new(client), host).expect("as the test sets it up");
    let server = Shown::new(pair.identity.clone())
        .server(&[])
        .expect("as the test sets it up");
    let mut server = ServerConnection::new(Arc::new(server)).expect("as the test sets it up");
    let mut bytes = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        bytes.clear();
        while client.wants_write() {
            client
                .write_tls(&mut bytes)
                .expect("as the test sets it up");
        }
        server
            .read_tls(&mut bytes.as_slice())
            .expect("as the test sets it up");
        if server.process_new_packets().is_err() {
            return false;
        }
        bytes.clear();
        while server.wants_write() {
            server
                .write_tls(&mut bytes)
                .expect("as the test sets it up");
        }
        client
            .read_tls(&mut bytes.as_slice())
            .expect("as the test sets it up");
        if client.process_new_packets().is_err() {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn replicas_agree_on_one_certificate() {
    let cluster = Cluster::start().await;
    let now = Timestamp::now();
    let looks = (0..6).map(|_| {
        let mut keeper = keeper(&cluster);
        tokio::spawn(async move { keeper.look(now).await.expect("as the test sets it up") })
    });
    let mut pairs = Vec::new();
    let mut wrote = 0;
    for look in looks.collect::<Vec<_>>() {
        let step = look.await.expect("as the test sets it up");
        wrote += u32::from(step.wrote);
        pairs.push(step.pair.expect("as the test sets it up"));
    }
    assert_eq!(wrote, 1);
    let bundles = cluster.bundles();
    assert_eq!(bundles.len(), 2);
    for bundle in &bundles {
        assert_eq!(Some(bundle), cluster.secret("ca.crt").as_ref());
        assert!(pairs.iter().all(|pair| trusts(bundle, pair, now)));
    }
    assert!(!trusts(&bundles[0], &pairs[0], now + DAY * 91));
}

#[tokio::test]
async fn certificates_are_replaced_before_they_end() {
    let cluster = Cluster::start().await;
    let now = Timestamp::now();
    let (mut first, mut second) = (keeper(&cluster), keeper(&cluster));
    let begun = first
        .look(now)
        .await
        .expect("as the test sets it up")
        .pair
        .expect("as the test sets it up");
    second.look(now).await.expect("as the test sets it up");
    let quiet = first
        .look(now + DAY * 59)
        .await
        .expect("as the test sets it up");
    assert!(quiet.pair.is_none() && !quiet.wrote && !quiet.published);

    // A third of the certificate's life is left: another, by the same authority.
    let later = now + DAY * 61;
    let authority = cluster.secret("ca.crt").expect("as the test sets it up");
    let renewed = first.look(later).await.expect("as the test sets it up");
    assert!(renewed.wrote && !renewed.published);
    let renewed = renewed.pair.expect("as the test sets it up");
    assert!(renewed.expires > begun.expires);
    assert!(trusts(&authority, &renewed, later) && trusts(&authority, &begun, later));
    let other = second.look(later).await.expect("as the test sets it up");
    assert!(!other.wrote && other.pair.expect("as the test sets it up").expires == renewed.expires);

    // The authority would end before what it signs: a new one stands beside it, and both
    // replicas are trusted, whichever of them has looked.
    let last = now + DAY * 271;
    let mut held = None;
    for day in (121..271).step_by(10) {
        held = first
            .look(now + DAY * day)
            .await
            .expect("as the test sets it up")
            .pair
            .or(held);
    }
    let held = held.expect("as the test sets it up");
    let step = second.look(last).await.expect("as the test sets it up");
    assert!(step.wrote && step.published);
    let next = step.pair.expect("as the test sets it up");
    let bundle = cluster.bundles().remove(0);
    assert_ne!(cluster.secret("ca.crt"), Some(authority.clone()));
    assert_eq!(cluster.secret("ca-before.crt"), Some(authority));
    assert!(
        trusts(&bundle, &next, last),
        "the new authority is published"
    );
    assert!(trusts(&bundle, &held, last), "and the old one still is");
}

#[tokio::test]
async fn a_renewal_that_comes_second_takes_what_is_there() {
    let cluster = Cluster::start().await;
    let now = Timestamp::now();
    keeper(&cluster)
        .look(now)
        .await
        .expect("as the test sets it up");
    let later = now + DAY * 80;
    let looks = (0..6).map(|_| {
        let mut keeper = keeper(&cluster);
        tokio::spawn(async move { keeper.look(later).await.expect("as the test sets it up") })
    });
    let (mut wrote, mut ends) = (0, Vec::new());
    for look in looks.collect::<Vec<_>>() {
        let step = look.await.expect("as the test sets it up");
        wrote += u32::from(step.wrote);
        ends.push(step.pair.expect("as the test sets it up"));
    }
    assert_eq!(wrote, 1, "{} conflicts", cluster.conflicts());
    let bundle = cluster.bundles().remove(0);
    assert!(ends.iter().all(|pair| trusts(&bundle, pair, later)));
}

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command, its port, and what it publishes that it is to be trusted by.
async fn command(cluster: &Cluster, more: &[&str]) -> (Running, u16, String) {
    let folder = tempfile::TempDir::new().expect("as the test sets it up");
    let kubeconfig = folder.path().join("config");
    std::fs::write(&kubeconfig, cluster.kubeconfig()).expect("as the test sets it up");
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatline"));
    command
        .args([
            "webhook",
            "--listen=127.0.0.1:0",
            "--namespace=flatline",
            "--log-level=warn",
        ])
        .args(more)
        .env("KUBECONFIG", &kubeconfig)
        .stdout(Stdio::piped());
    let mut webhook = Running(command.spawn().expect("as the test sets it up"));
    let stdout = webhook.0.stdout.take().expect("as the test sets it up");
    let line = tokio::task::spawn_blocking(move || BufReader::new(stdout).lines().next());
    let line = line
        .await
        .expect("as the test sets it up")
        .expect("as the test sets it up")
        .expect("as the test sets it up");
    let port = line
        .rsplit(':')
        .next()
        .expect("as the test sets it up")
        .parse()
        .expect("as the test sets it up");
    (webhook, port, cluster.bundles().remove(0))
}

#[tokio::test]
async fn the_command_makes_its_certificate_and_is_trusted_by_the_bundle() {
    let cluster = Cluster::start().await;
    let (_webhook, port, bundle) = command(&cluster, &[]).await;
    let mut caller = Caller::connect(port, &bundle).await.unwrap();
    let answer = caller.ask(&review("bare")).await;
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    let (_, metrics) = caller.fetch("/metrics").await;
    assert!(
        metrics.contains("flatline_webhook_certificate_expiry_timestamp_seconds 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_command_serves_on_after_sigterm_until_it_is_told_again() {
    let cluster = Cluster::start().await;
    let (mut webhook, port, bundle) = command(&cluster, &["--shutdown-delay=1h"]).await;
    let signal = |webhook: &Running| {
        let kill = Command::new("kill")
            .args(["-TERM", &webhook.0.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    };
    signal(&webhook);
    // New connections, as from an API server that has not heard yet.
    for _ in 0..20 {
        let mut caller = Caller::connect(port, &bundle).await.unwrap();
        let answer = caller.ask(&review("bare")).await;
        assert_eq!(answer["response"]["patchType"], "JSONPatch");
    }
    signal(&webhook);
    let ended = tokio::task::spawn_blocking(move || webhook.0.wait());
    assert!(ended.await.unwrap().unwrap().success());
}

#[test]
fn the_commands_log_has_no_colours_where_no_terminal_is() {
    let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let file = |name: &str, pem: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let mut webhook = Command::new(env!("CARGO_BIN_EXE_flatline"))
        .args(["webhook", "--listen=127.0.0.1:0", "--tls-cert"])
        .arg(file("tls.crt", made.cert.pem()))
        .arg("--tls-key")
        .arg(file("tls.key", made.signing_key.serialize_pem()))
        .env_remove("NO_COLOR")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let stdout = webhook.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut said).unwrap();
    let id = webhook.id().to_string();
    let kill = Command::new("kill").args(["-INT", &id]).status();
    assert!(kill.unwrap().success());
    let output = webhook.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("draining"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log:?}");
}
