//! Peers that fall silent: nothing they send arrives any more, and nothing they are sent. The
//! kernel finds them, in 25 seconds, without an HTTP/2 PING.

use super::peer::*;
use super::process::*;
use std::process::Command;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const PATH: &str = "/tensorflow.serving.PredictionService/Predict";

#[test]
fn silent_peers_are_found() {
    in_a_network_of_its_own("wire::silence::inside_silence");
}

/// From here on nothing passes to or from these ports.
fn silence(ports: &[u16]) {
    let mut rules =
        "add table inet t\nadd chain inet t out { type filter hook output priority 0; }\n"
            .to_owned();
    for port in ports {
        rules += &format!(
            "add rule inet t out tcp dport {port} drop\nadd rule inet t out tcp sport {port} drop\n"
        );
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), rules).expect("written");
    let done = Command::new("nft").arg("-f").arg(file.path()).status();
    assert!(done.expect("nft, of nftables").success());
}

/// Whether the connection from `port` of this network stands as far as its owner knows.
fn is_established(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("the table of sockets");
    let mut lines = table.lines().map(|line| line.split_whitespace());
    let local = format!(":{port:04X}");
    lines.any(|mut line| {
        line.nth(1).is_some_and(|address| address.ends_with(&local)) && line.nth(1) == Some("01")
    })
}

#[tokio::test]
#[ignore = "runs in a network of its own"]
async fn inside_silence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (tell, mut dialled) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.expect("a connection");
            let _ = tell.send(peer.port());
            tokio::spawn(async move {
                if let Some(peer) = Peer::server(stream, &[]).await {
                    echo(peer).await;
                }
            });
        }
    });
    let proxy = Proxy::start(port);
    let (mut busy, mut idle) = (proxy.client().await, proxy.client().await);
    let gone = tokio::net::TcpStream::connect(&proxy.address)
        .await
        .expect("it listens");
    let half_open = gone.local_addr().expect("an address").port();
    let half = Peer::client_over(gone, &[]).await;
    let list = request(PATH, &[]);
    let mut silent = vec![half_open];
    for client in [&mut busy, &mut idle] {
        assert_eq!(client.call(&list, b"before").await.body, b"before");
        silent.push(dialled.recv().await.expect("a connection"));
    }
    silence(&silent);
    let start = Instant::now();
    // In flight: unavailable as soon as the connection is found dead, and then a new one.
    let reply = busy.call(&list, b"lost").await;
    assert_eq!(reply.status().as_deref(), Some("14"), "{reply:?}");
    println!(
        "an upstream that fell silent with a call in flight: {:?}",
        start.elapsed()
    );
    assert_eq!(busy.call(&list, b"again").await.body, b"again");
    // Idle: found as well, so that the first call has a new one.
    loop {
        let metrics = proxy.admin("/metrics").await;
        if metrics.contains("flatline_connections 2\n") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    println!("a client that fell silent: {:?}", start.elapsed());
    while is_established(silent[2]) {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(idle.call(&list, b"after").await.body, b"after");
    println!("an idle upstream that fell silent: {:?}", start.elapsed());
    drop(half);
}
