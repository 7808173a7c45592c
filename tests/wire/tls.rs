//! TLS on either side: who is shown what, what changes while connections stand, and what is said
//! when one side speaks plain text.

use super::certificates::*;
use super::peer::*;
use super::process::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATH: &str = "/tensorflow.serving.PredictionService/Predict";
const WINDOWS: &[(u16, u32)] = &[(4, 1 << 20), (5, 1 << 20)];

async fn works(client: &mut Peer) {
    let reply = client.call(&request(PATH, &[]), b"\0\0\0\0\x01x").await;
    assert_eq!(
        (reply.status().as_deref(), &reply.body[..]),
        (Some("0"), &b"\0\0\0\0\x01x"[..])
    );
}

/// A client over TLS that trusts `ca`, and shows `own` if given.
async fn client(proxy: &Proxy, ca: &Authority, own: Option<&Leaf>) -> Option<Peer> {
    let stream = TcpStream::connect(&proxy.address)
        .await
        .expect("it listens");
    let stream = ca.connect(stream, own).await.ok()?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    Some(Peer::client_over(stream, WINDOWS).await)
}

#[tokio::test]
async fn both_sides_with_certificates_of_both_ends() {
    let dir = Folder::new();
    let (ca, clients, ours) = (Authority::new(), Authority::new(), Authority::new());
    let shown = ca.leaf("localhost");
    let (up_ca, our) = (Authority::new(), ours.leaf("flatline"));
    let (port, names) = tls_echo(up_ca.leaf("models.internal"), Some(&ours)).await;
    let proxy = Proxy::start_with(
        port,
        &[
            "--tls-cert",
            &dir.write("tls.crt", &shown.certificate),
            "--tls-key",
            &dir.write("tls.key", &shown.key),
            "--tls-client-ca",
            &dir.write("clients.pem", &clients.pem()),
            "--upstream-ca",
            &dir.write("up.pem", &up_ca.pem()),
            "--upstream-cert",
            &dir.write("our.crt", &our.certificate),
            "--upstream-key",
            &dir.write("our.key", &our.key),
            "--upstream-sni",
            "models.internal",
        ],
    );
    let known = clients.leaf("a client");
    let mut peer = client(&proxy, &ca, Some(&known)).await.expect("TLS");
    works(&mut peer).await;
    assert_eq!(names.lock().expect("a lock")[..], ["models.internal h2"]);
    // Without a certificate, or with somebody else's, no call passes.
    let stranger = ca.leaf("a stranger");
    for own in [None, Some(&stranger)] {
        if let Some(mut peer) = client(&proxy, &ca, own).await {
            let stream = peer.open(&request(PATH, &[]), true).await;
            assert!(peer.reply(stream).await.lost);
        }
    }
    assert_eq!(proxy.says("a TLS handshake with a client failed").await, 1);
    let metrics = proxy.admin("/metrics").await;
    assert!(
        metrics.contains("flatline_connections_cut_total{reason=\"tls_failed\"} 2"),
        "{metrics}"
    );
    works(&mut peer).await;
}

#[tokio::test]
async fn files_are_taken_and_kept_out_while_connections_stand() {
    let dir = Folder::new();
    let (old, new) = (Authority::new(), Authority::new());
    let (one, two) = (old.leaf("localhost"), new.leaf("localhost"));
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start_with(
        upstream.port,
        &[
            "--tls-cert",
            &dir.write("tls.crt", &one.certificate),
            "--tls-key",
            &dir.write("tls.key", &one.key),
        ],
    );
    let mut first = client(&proxy, &old, None).await.expect("TLS");
    works(&mut first).await;
    dir.write("tls.crt", "-----BEGIN CERTIFICATE-----\nnonsense\n");
    proxy
        .says("certificates not loaded; those before are kept")
        .await;
    works(&mut client(&proxy, &old, None).await.expect("the old one")).await;
    // Half a rotation, and then the other half.
    dir.write("tls.crt", &two.certificate);
    proxy.says("do not make a pair").await;
    works(&mut client(&proxy, &old, None).await.expect("the old one")).await;
    dir.write("tls.key", &two.key);
    proxy.says("certificates loaded").await;
    assert!(client(&proxy, &old, None).await.is_none(), "the new one");
    works(&mut client(&proxy, &new, None).await.expect("the new one")).await;
    works(&mut first).await;
    assert_eq!(
        proxy.said("certificates not loaded"),
        2,
        "each mistake once"
    );
}

#[tokio::test]
async fn the_upstreams_authority_changes_too() {
    let dir = Folder::new();
    let (wrong, right) = (Authority::new(), Authority::new());
    let (port, _) = tls_echo(right.leaf("127.0.0.1"), None).await;
    let ca = dir.write("up.pem", &wrong.pem());
    let proxy = Proxy::start_with(port, &["--upstream-ca", &ca]);
    let mut client = proxy.client().await;
    let reply = client.call(&request(PATH, &[]), b"x").await;
    assert_eq!(reply.status().as_deref(), Some("14"), "{reply:?}");
    proxy.says("no connection to the upstream").await;
    dir.write("up.pem", &right.pem());
    proxy.says("certificates loaded").await;
    works(&mut client).await;
}

#[tokio::test]
async fn tensorflow_servings_own_file_is_taken() {
    let dir = Folder::new();
    let (ca, clients) = (Authority::new(), Authority::new());
    let shown = ca.leaf("localhost");
    let text = format!(
        "server_key: {:?}\nserver_cert: {:?}\ncustom_ca: {:?}\nclient_verify: true\n",
        shown.key,
        shown.certificate,
        clients.pem()
    );
    let upstream = Upstream::echo().await;
    let file = dir.write("ssl.conf", &text);
    let proxy = Proxy::start_with(upstream.port, &["--ssl-config-file", &file]);
    let known = clients.leaf("a client");
    works(&mut client(&proxy, &ca, Some(&known)).await.expect("TLS")).await;
    if let Some(mut peer) = client(&proxy, &ca, None).await {
        let stream = peer.open(&request(PATH, &[]), true).await;
        assert!(peer.reply(stream).await.lost);
    }
}

#[tokio::test]
async fn the_wrong_kind_of_port_is_named_once() {
    let dir = Folder::new();
    let ca = Authority::new();
    let shown = ca.leaf("localhost");
    let upstream = Upstream::echo().await;
    let tls = Proxy::start_with(
        upstream.port,
        &[
            "--tls-cert",
            &dir.write("tls.crt", &shown.certificate),
            "--tls-key",
            &dir.write("tls.key", &shown.key),
        ],
    );
    let plain = Proxy::start(upstream.port);
    for _ in 0..3 {
        let mut stream = TcpStream::connect(&tls.address).await.expect("it listens");
        stream.write_all(PREFACE).await.expect("written");
        let _ = stream.read_to_end(&mut Vec::new()).await;
        assert!(client(&plain, &ca, None).await.is_none());
    }
    assert_eq!(
        tls.says("a client speaks plain text, but this port is TLS")
            .await,
        1
    );
    assert_eq!(
        plain
            .says("a client speaks TLS, but this port is plain text")
            .await,
        1
    );
    works(&mut client(&tls, &ca, None).await.expect("TLS")).await;
    works(&mut plain.client().await).await;

    let up_ca = dir.write("up.pem", &ca.pem());
    let (port, _) = tls_echo(ca.leaf("127.0.0.1"), None).await;
    for (port, flags, said) in [
        (
            upstream.port,
            &["--upstream-ca", &up_ca][..],
            "speaks plain text",
        ),
        (port, &[], "see --upstream-tls"),
    ] {
        let proxy = Proxy::start_with(port, flags);
        let mut client = proxy.client().await;
        for _ in 0..3 {
            let reply = client.call(&request(PATH, &[]), b"x").await;
            assert_eq!(reply.status().as_deref(), Some("14"), "{reply:?}");
        }
        assert_eq!(proxy.says(said).await, 1);
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_at_the_start() {
    let dir = Folder::new();
    let (ca, other) = (Authority::new(), Authority::new());
    let (one, two) = (ca.leaf("a"), other.leaf("a"));
    let certificate = dir.write("tls.crt", &one.certificate);
    let wrong_key = dir.write("wrong.key", &two.key);
    let empty = dir.write("empty", "");
    for (flags, part) in [
        (
            ["--tls-cert", &certificate, "--tls-key", &wrong_key],
            "do not make a pair",
        ),
        (
            ["--tls-cert", "/nowhere", "--tls-key", &wrong_key],
            "/nowhere",
        ),
        (
            ["--tls-cert", &empty, "--tls-key", &wrong_key],
            "none in the file",
        ),
        (
            ["--upstream-ca", &empty, "--upstream-sni", "a"],
            "authority",
        ),
        (
            [
                "--upstream-sni",
                "not a name",
                "--upstream-ca",
                &certificate,
            ],
            "upstream-sni",
        ),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_flatline"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(flags)
            .output()
            .expect("flatline runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(part), "{part}: {said}");
    }
}
