//! Scrapers in a crowd, readers that stall, and a scrape while it ends: no call notices.

use super::operation::held;
use super::peer::*;
use super::process::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PATH: &str = "/tensorflow.serving.PredictionService/Predict";
/// More than are answered at once, so that one that kept its turn while it stalls would be missed.
const STALLED: usize = 10;

/// Asks for over 10 MB, which no socket's buffers hold, and never reads.
async fn stalled(proxy: &Proxy) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    let admin = proxy.admin.parse().expect("an address");
    let mut stream = socket.connect(admin).await.expect("admin");
    let asked = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000);
    stream.write_all(&asked).await.expect("written");
    stream
}

async fn stall(proxy: &Proxy, count: usize) -> Vec<TcpStream> {
    let size = proxy.admin("/metrics").await.len();
    assert!(size * 1000 > 10 << 20, "{size} bytes a scrape");
    let mut readers = Vec::new();
    for _ in 0..count {
        readers.push(stalled(proxy).await);
    }
    readers
}

/// Fifty scrapers at once, four scrapes each, all of them answered.
async fn crowd(proxy: &Arc<Proxy>) {
    let mut scrapers = JoinSet::new();
    for _ in 0..50 {
        let proxy = Arc::clone(proxy);
        scrapers.spawn(async move {
            for _ in 0..4 {
                let answer = proxy.admin("/metrics").await;
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                assert!(answer.contains("\nflatline_calls_in_flight "), "{answer}");
            }
        });
    }
    while let Some(done) = scrapers.join_next().await {
        done.expect("every scrape is answered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_readers_and_fifty_scrapers_hold_up_no_call() {
    let upstream = Upstream::echo().await;
    let proxy = Arc::new(Proxy::start(upstream.port));
    let mut client = proxy.client().await;
    let readers = stall(&proxy, STALLED).await;
    let beside = tokio::spawn({
        let proxy = Arc::clone(&proxy);
        async move { crowd(&proxy).await }
    });
    let mut calls = 0;
    while calls < 200 || !beside.is_finished() {
        let reply = client.call(&request(PATH, &[]), b"\0\0\0\0\x01x").await;
        assert_eq!(reply.status().as_deref(), Some("0"));
        assert_eq!(reply.body, b"\0\0\0\0\x01x");
        calls += 1;
    }
    beside.await.expect("every scrape is answered");
    // What nobody reads is not made either.
    let memory = proxy.memory();
    assert!(memory < 64 << 10, "{memory} KiB");
    drop(readers);
}

/// More than there may be connections: probes are answered before any of them times out.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_gets_through_more_stalled_readers_than_there_is_room_for() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(upstream.port);
    let mut readers = stall(&proxy, 200).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = timeout(Duration::from_secs(20), proxy.admin(path)).await;
        let answer = answer.expect("before a stalled reader is given up");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // The first ones were cut off for those that came after.
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(20), readers[0].read_to_end(&mut rest)).await;
    let _cut_or_reset = read.expect("its connection has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn scrapes_while_it_ends_are_answered_and_hold_up_no_call() {
    let go = Arc::new(Notify::new());
    let upstream = held(Arc::clone(&go)).await;
    let proxy = Proxy::start_with(upstream.port, &["--drain-timeout", "60s"]);
    let proxy = Arc::new(proxy);
    let mut client = proxy.client().await;
    let call = client.open(&request("/unary", &[]), true).await;
    assert!(client.settle().await);
    let readers = stall(&proxy, STALLED).await;
    proxy.signal("TERM");
    while client.goaway.is_none() {
        assert!(client.step().await);
    }
    crowd(&proxy).await;
    let metrics = proxy.admin("/metrics").await;
    assert!(metrics.contains("\nflatline_calls_in_flight 1\n"));
    go.notify_one();
    let reply = client.reply(call).await;
    assert_eq!(
        (reply.status().as_deref(), &reply.body[..]),
        (Some("0"), &b"last"[..])
    );
    // Nor does it wait for those that still have not read.
    let proxy = Arc::into_inner(proxy).expect("nobody scrapes any more");
    assert_eq!(proxy.ended().await, Some(0));
    drop(readers);
}
