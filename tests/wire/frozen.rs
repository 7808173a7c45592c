//! Upstreams that freeze and go on: as a process that is stopped, and as one connection that is
//! neither read nor written.

use super::peer::*;
use super::process::*;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

const CANCEL: u32 = 8;
const PATH: &str = "/tensorflow.serving.PredictionService/Predict";
/// Asks the upstream how many streams were reset on this connection.
const RESETS: &str = "/resets";
/// Longer than the kernel waits before its first keepalive probe (10 s), shorter than it takes a
/// peer that acknowledges nothing for gone (25 s).
const FREEZE: Duration = Duration::from_secs(11);
/// Uploads that together are more than the sockets hold.
const UPLOADS: usize = 24;
const UPLOAD: usize = 384 << 10;

/// Headers at once, every frame back as it comes, and the status when the client has ended.
async fn mirror(mut peer: Peer) {
    let (mut open, mut resets) = (Vec::new(), 0_u8);
    loop {
        while let Some(stream) = peer.accepted() {
            open.push(stream);
        }
        let mut at = 0;
        while at < open.len() {
            let stream = open[at];
            let end = match peer.seen(stream) {
                None => {
                    at += 1;
                    continue;
                }
                Some(Event::Headers(list, end)) => {
                    peer.headers(stream, &head(), false).await;
                    if list.iter().any(|(_, value)| value == RESETS.as_bytes()) {
                        peer.data(stream, &[resets], None, false).await;
                    }
                    end
                }
                Some(Event::Data(data, end)) => {
                    if !data.is_empty() {
                        peer.data(stream, &data, None, false).await;
                    }
                    end
                }
                Some(Event::Reset(code)) => {
                    resets += u8::from(code == CANCEL);
                    open.swap_remove(at);
                    continue;
                }
                Some(Event::Lost) => return,
            };
            if end {
                peer.headers(stream, &ok(), true).await;
                open.swap_remove(at);
            }
        }
        if !peer.step().await {
            return;
        }
    }
}

#[tokio::test]
#[ignore = "the process that is frozen"]
async fn upstream_process() {
    let upstream = Upstream::start(&[(4, 1 << 20)], |peer, _| mirror(peer)).await;
    println!("\nport {}", upstream.port);
    // Until whoever started it is gone.
    let gone = tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop));
    gone.await.expect("no panic");
}

/// This binary as an upstream of its own; killed when dropped.
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    fn start() -> Process {
        let this = std::env::current_exe().expect("a path");
        let mut child = Command::new(this)
            .args(["--ignored", "--exact", "wire::frozen::upstream_process"])
            .arg("--nocapture")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("port ")?.parse().ok());
        Process {
            child,
            port: port.expect("a port"),
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill").success());
    }

    /// Stops it, and returns once none of its threads runs any more.
    fn stop(&self) {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.child.id());
        let runs = || {
            let mut tasks = std::fs::read_dir(&tasks).expect("its threads").flatten();
            let state = |task: std::fs::DirEntry| {
                let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                // The name in front of it may hold anything but is in brackets.
                stat.rsplit_once(") ")
                    .is_some_and(|(_, rest)| !rest.starts_with('T'))
            };
            tasks.any(state)
        };
        while runs() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until that many calls are in flight, as the proxy counts them.
async fn in_flight(proxy: &Proxy, calls: usize) {
    let line = format!("flatline_calls_in_flight {calls}\n");
    let waited = tokio::time::timeout(Duration::from_secs(5), async {
        while !proxy.admin("/metrics").await.contains(&line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "not {calls} calls in flight");
}

/// Opens a stream and has one frame mirrored on it.
async fn talking(client: &mut Peer, extra: &[(&str, &str)]) -> u32 {
    let stream = client.open(&request(PATH, extra), false).await;
    client.data(stream, b"one", None, false).await;
    assert!(matches!(client.event(stream).await, Event::Headers(..)));
    let mirrored = client.event(stream).await;
    assert_eq!(mirrored, Event::Data(b"one".as_slice().into(), false));
    stream
}

/// The reply to a call whose headers have come.
async fn rest(client: &mut Peer, stream: u32) -> Vec<u8> {
    let (mut body, mut end) = (Vec::new(), false);
    while !end {
        match client.event(stream).await {
            Event::Data(data, last) => {
                body.extend_from_slice(&data);
                end = last;
            }
            Event::Headers(list, last) => {
                assert_eq!((list, last), (ok(), true));
                end = true;
            }
            event => panic!("{event:?}"),
        }
    }
    body
}

#[tokio::test]
async fn a_process_that_is_frozen_and_thawed_loses_no_call() {
    let upstream = Process::start();
    let proxy = Proxy::start(upstream.port);
    let (mut client, mut other) = (proxy.client().await, proxy.client().await);
    let streaming = talking(&mut client, &[]).await;
    let cancelled = talking(&mut client, &[]).await;
    let late = talking(&mut client, &[("grpc-timeout", "200m")]).await;
    let quiet = talking(&mut other, &[]).await;
    let mut uploads = Vec::new();
    for _ in 0..UPLOADS {
        uploads.push(talking(&mut client, &[]).await);
    }
    upstream.stop();
    let frozen = Instant::now();
    client.data(streaming, b"two", None, false).await;
    other.data(quiet, b"two", None, false).await;
    for (n, stream) in uploads.iter().enumerate() {
        client.body(*stream, &vec![n as u8; UPLOAD], false).await;
    }
    // Calls begin meanwhile on connections that stand, and on one that has no upstream yet.
    let unseen = client.open(&request(PATH, &[]), true).await;
    let begun = client.open(&request(PATH, &[]), true).await;
    let mut third = proxy.client().await;
    let first = third.open(&request(PATH, &[]), true).await;
    let dropped = third.open(&request(PATH, &[]), true).await;
    for client in [&mut client, &mut other, &mut third] {
        assert!(client.settle().await, "the proxy itself answers");
    }
    let open = UPLOADS + 4 + 2 + 2;
    in_flight(&proxy, open).await;
    // What the client gives up, by its own will or at its deadline, is over at once.
    let given_up = Instant::now();
    for stream in [cancelled, late, unseen] {
        client.reset(stream, CANCEL).await;
    }
    third.reset(dropped, CANCEL).await;
    in_flight(&proxy, open - 4).await;
    println!("four calls given up: {:?}", given_up.elapsed());
    tokio::time::sleep(FREEZE.saturating_sub(frozen.elapsed())).await;
    for (client, stream) in [(&mut client, streaming), (&mut other, quiet)] {
        assert!(client.settle().await, "the connection stands");
        assert_eq!(client.seen(stream), None, "it waits");
    }

    upstream.signal("CONT");
    let thawed = Instant::now();
    let reply = other.call(&request(PATH, &[]), b"new").await;
    println!("a new call after the thaw: {:?}", thawed.elapsed());
    assert_eq!(
        (reply.status().as_deref(), &reply.body[..]),
        (Some("0"), &b"new"[..])
    );
    for (client, stream) in [(&mut client, streaming), (&mut other, quiet)] {
        client.data(stream, b"three", None, true).await;
        assert_eq!(rest(client, stream).await, b"twothree");
    }
    for (n, stream) in uploads.into_iter().enumerate() {
        client.data(stream, b"", None, true).await;
        assert!(rest(&mut client, stream).await == vec![n as u8; UPLOAD]);
    }
    for (client, stream) in [(&mut client, begun), (&mut third, first)] {
        assert_eq!(client.reply(stream).await.status().as_deref(), Some("0"));
    }
    println!("everything over: {:?}", thawed.elapsed());
    // The upstream has learnt what was given up; a stream it never saw need not be among it.
    let resets = client.call(&request(RESETS, &[]), b"").await.body[0];
    assert!((2..=3).contains(&resets), "{resets}");
    in_flight(&proxy, 0).await;
    let metrics = proxy.admin("/metrics").await;
    assert!(
        metrics.contains("flatline_upstream_connects_total 3\n"),
        "no connection was given up: {metrics}"
    );
}

/// Passes bytes on while the gate is open.
async fn gated(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut open: watch::Receiver<bool>,
) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if open.wait_for(|open| *open).await.is_err() || to.write_all(&bytes[..read]).await.is_err()
        {
            return;
        }
    }
}

#[tokio::test]
async fn a_frozen_connection_holds_up_no_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (gate, open) = watch::channel(true);
    tokio::spawn(async move {
        // Only the first connection has the gate.
        let (_always, standing) = watch::channel(true);
        let mut gates = std::iter::once(open).chain(std::iter::repeat(standing));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let (read, write) = stream.into_split();
            let (near, far) = tokio::io::duplex(4096);
            let (in_far, out_far) = tokio::io::split(far);
            let open = gates.next().expect("endless");
            tokio::spawn(gated(read, out_far, open.clone()));
            tokio::spawn(gated(in_far, write, open));
            tokio::spawn(async move {
                if let Some(peer) = Peer::server(near, &[(4, 1 << 20)]).await {
                    mirror(peer).await;
                }
            });
        }
    });
    let proxy = Proxy::start(port);
    let (mut frozen, mut other) = (proxy.client().await, proxy.client().await);
    let stream = talking(&mut frozen, &[]).await;
    talking(&mut other, &[]).await;
    gate.send_replace(false);
    frozen.body(stream, &vec![7; UPLOAD], false).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(frozen.open(&request(PATH, &[]), true).await);
    }
    let mut worst = Duration::ZERO;
    for n in 0..200_u8 {
        let start = Instant::now();
        let reply = other.call(&request(PATH, &[]), &[n]).await;
        worst = worst.max(start.elapsed());
        assert_eq!(
            (reply.status().as_deref(), &reply.body[..]),
            (Some("0"), &[n][..])
        );
    }
    println!("beside a frozen connection: a call took {worst:?} at worst");
    assert!(frozen.settle().await);
    assert_eq!(frozen.seen(stream), None, "it waits");
    gate.send_replace(true);
    frozen.data(stream, b"", None, true).await;
    assert!(rest(&mut frozen, stream).await == vec![7; UPLOAD]);
    for stream in waiting {
        assert_eq!(frozen.reply(stream).await.status().as_deref(), Some("0"));
    }
}
