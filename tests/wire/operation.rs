//! How it ends, and what it does when the system has nothing left to give.

use super::peer::*;
use super::process::*;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;

const PATH: &str = "/tensorflow.serving.PredictionService/Predict";

/// Answers `/quick` at once; begins every other reply, and ends it when told to.
pub(super) async fn held(go: Arc<Notify>) -> Upstream {
    Upstream::start(&[], move |mut peer, _| {
        let go = Arc::clone(&go);
        async move {
            let mut open = Vec::new();
            loop {
                tokio::select! {
                    stream = peer.accept() => {
                        let Some(stream) = stream else { return };
                        let Event::Headers(list, _) = peer.event(stream).await else { return };
                        if list.iter().any(|(_, value)| value == b"/quick") {
                            peer.headers(stream, &head(), false).await;
                            peer.headers(stream, &ok(), true).await;
                        } else {
                            if list.iter().any(|(_, value)| value == b"/streaming") {
                                peer.headers(stream, &head(), false).await;
                                peer.data(stream, b"first", None, false).await;
                            }
                            open.push((stream, list));
                        }
                    }
                    () = go.notified() => {
                        for (stream, list) in open.drain(..) {
                            if !list.iter().any(|(_, value)| value == b"/streaming") {
                                peer.headers(stream, &head(), false).await;
                            }
                            peer.data(stream, b"last", None, false).await;
                            peer.headers(stream, &ok(), true).await;
                        }
                    }
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn new_calls_are_taken_after_sigterm_where_a_delay_is_set() {
    let upstream = held(Arc::default()).await;
    let flags = ["--drain-delay", "1h", "--drain-timeout", "60s"];
    let proxy = Proxy::start_with(upstream.port, &flags);
    proxy.signal("TERM");
    proxy.says("new calls are taken for a while").await;
    let mut client = proxy.client().await;
    let reply = client.open(&request("/quick", &[]), true).await;
    assert_eq!(client.reply(reply).await.status().as_deref(), Some("0"));
    assert!(client.goaway.is_none());
    // Asked twice, it does not wait.
    proxy.signal("TERM");
    while client.step().await {}
    assert_eq!(client.goaway.map(|(_, code)| code), Some(0));
    assert_eq!(proxy.ended().await, Some(0));
}

#[tokio::test]
async fn sigterm_ends_it_without_losing_a_call() {
    let go = Arc::new(Notify::new());
    let upstream = held(Arc::clone(&go)).await;
    let proxy = Proxy::start_with(upstream.port, &["--drain-timeout", "60s"]);
    assert!(proxy.admin("/readyz").await.starts_with("HTTP/1.1 200"));
    let (mut busy, mut idle) = (proxy.client().await, proxy.client().await);
    let silent = TcpStream::connect(&proxy.address)
        .await
        .expect("it listens");
    let unary = busy.open(&request("/unary", &[]), true).await;
    let streaming = busy.open(&request("/streaming", &[]), false).await;
    assert!(matches!(busy.event(streaming).await, Event::Headers(..)));
    assert_eq!(
        busy.event(streaming).await,
        Event::Data("first".into(), false)
    );
    assert!(idle.settle().await);
    proxy.signal("TERM");
    // GOAWAY to everybody; whoever has no call is let go.
    while busy.goaway.is_none() {
        assert!(busy.step().await);
    }
    assert_eq!(busy.goaway.map(|(_, code)| code), Some(0));
    while idle.step().await {}
    assert_eq!(idle.goaway.map(|(_, code)| code), Some(0));
    let ready = proxy.admin("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    while TcpStream::connect(&proxy.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    let reply = busy.reply(unary).await;
    assert_eq!(
        (reply.status().as_deref(), &reply.body[..]),
        (Some("0"), &b"last"[..])
    );
    busy.data(streaming, b"more", None, true).await;
    let reply = busy.reply(streaming).await;
    assert_eq!(reply.body, b"last");
    drop(silent);
    assert_eq!(proxy.ended().await, Some(0));
}

#[tokio::test]
async fn a_stuck_stream_is_cut_when_the_time_is_over() {
    let upstream = held(Arc::default()).await;
    let proxy = Proxy::start_with(upstream.port, &["--drain-timeout", "200ms"]);
    let mut client = proxy.client().await;
    let stream = client.open(&request("/stuck", &[]), false).await;
    let quick = client.open(&request("/quick", &[]), true).await;
    client.reply(quick).await;
    proxy.signal("TERM");
    assert!(client.reply(stream).await.lost);
    proxy.says("did not finish within the drain timeout").await;
    assert_eq!(proxy.ended().await, Some(0));
}

/// `flatline serve` started by a shell that runs `before` first.
fn shell(before: &str, upstream: u16, more: &[&str]) -> Command {
    let upstream = format!("127.0.0.1:{upstream}");
    let all = ["serve", "--listen", "127.0.0.1:0", "--upstream", &upstream];
    let mut command = Command::new("sh");
    command
        .args(["-ec", &format!("{before}; exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_flatline"))
        .args(all)
        .args(more);
    command
}

#[tokio::test]
async fn without_descriptors_the_old_go_on_and_the_new_wait() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::run(shell("ulimit -n 48", upstream.port, &[]));
    let mut old = proxy.client().await;
    let list = request(PATH, &[]);
    assert_eq!(old.call(&list, b"before").await.body, b"before");
    let mut crowd = Vec::new();
    for _ in 0..80 {
        crowd.push(
            TcpStream::connect(&proxy.address)
                .await
                .expect("the backlog"),
        );
    }
    proxy.says("connections cannot be accepted").await;
    let ticks = proxy.ticks();
    for _ in 0..20 {
        assert_eq!(old.call(&list, b"beside").await.body, b"beside");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let spent = proxy.ticks() - ticks;
    assert!(spent < 15, "{spent} ticks of 10 ms in half a second");
    assert_eq!(proxy.said("connections cannot be accepted"), 1);
    drop(crowd);
    loop {
        let mut new = proxy.client().await;
        let reply = new.call(&list, b"new").await;
        if reply.body == b"new" {
            break;
        }
        assert_eq!(reply.status().as_deref(), Some("14"), "{reply:?}");
    }
    let metrics = proxy.admin("/metrics").await;
    assert!(!metrics.contains("flatline_accept_failures_total 0\n"));
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_no_call() {
    let dir = tempfile::tempdir().expect("a folder");
    let pipe = dir.path().join("log").display().to_string();
    let upstream = Upstream::echo().await;
    // Both ends of the pipe are open, and nobody takes anything out.
    let before = format!("mkfifo {pipe}; exec 3<>{pipe} 2>&3");
    let proxy = Proxy::run(shell(&before, upstream.port, &["--log-level", "trace"]));
    let mut client = proxy.client().await;
    for _ in 0..500 {
        let reply = client.call(&request(PATH, &[]), b"\0\0\0\0\x01x").await;
        assert_eq!(reply.status().as_deref(), Some("0"));
    }
}

#[tokio::test]
async fn a_disk_that_is_full_loses_captures_and_no_call() {
    let dir = tempfile::tempdir().expect("a folder");
    let captures = dir.path().join("captures");
    let upstream = Upstream::echo().await;
    // Files of 8 KiB at most; the signal that comes with it ignored, as a full disk sends none.
    let more = ["--capture", &captures.display().to_string()];
    let proxy = Proxy::run(shell("trap '' XFSZ; ulimit -f 16", upstream.port, &more));
    let mut client = proxy.client().await;
    let mut message = vec![0, 0, 0, 11, 184];
    message.extend([0xa5; 3_000]);
    for _ in 0..50 {
        let reply = client.call(&request(PATH, &[]), &message).await;
        assert!(reply.body == message, "untouched");
    }
    proxy.says("capture fails; calls and verdicts go on").await;
    proxy.admin("/api/v1/verdicts").await;
    let metrics = proxy.admin("/metrics").await;
    assert!(
        !metrics.contains("flatline_capture_dropped_total 0\n"),
        "{metrics}"
    );
    assert_eq!(proxy.said("capture fails"), 1);
    let files = std::fs::read_dir(&captures).expect("a folder").count();
    assert!(files <= 2, "{files} files for 50 calls");
}

#[tokio::test]
async fn a_command_asks_how_it_is() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(upstream.port);
    let admin = proxy.admin.clone();
    let asks = |check| {
        let flatline = std::process::Command::new(env!("CARGO_BIN_EXE_flatline"))
            .args(["health", "--admin", &admin, check])
            .output();
        let output = flatline.expect("it runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    for check in ["livez", "readyz"] {
        assert_eq!(asks(check), (Some(0), "ok\n".to_owned()));
    }
    drop(proxy);
    assert_eq!(asks("readyz").0, Some(69), "nobody answers");
}

#[tokio::test]
async fn it_starts_before_its_upstream_and_says_so_once() {
    let upstream = Upstream::echo().await;
    let port = upstream.port;
    drop(upstream);
    let proxy = Proxy::start(port);
    let mut client = proxy.client().await;
    for _ in 0..20 {
        let reply = client.call(&request(PATH, &[]), b"x").await;
        assert_eq!(reply.status().as_deref(), Some("14"));
        assert!(reply.only);
    }
    assert_eq!(proxy.says("no connection to the upstream").await, 1);
    let said = format!("<code>127.0.0.1:{port}</code>, since ");
    assert!(proxy.admin("/").await.contains(&said), "on the page too");
    let _upstream = Upstream::start_at(port, &[], |peer, _| echo(peer)).await;
    assert_eq!(client.call(&request(PATH, &[]), b"x").await.body, b"x");
    assert_eq!(proxy.says("the upstream is back").await, 1);
    assert!(!proxy.admin("/").await.contains(&said));
}
