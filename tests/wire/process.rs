//! The proxy as a process of its own, so that its memory, descriptors and time can be read.

use super::peer::{Event, Fields, Peer, fields};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// `flatline serve` in front of a port; killed when dropped.
pub(super) struct Proxy {
    child: Child,
    pub(super) address: String,
    pub(super) admin: String,
    log: watch::Receiver<String>,
}

impl Proxy {
    pub(super) fn start(upstream: u16) -> Proxy {
        Proxy::start_with(upstream, &[])
    }

    pub(super) fn start_with(upstream: u16, more: &[&str]) -> Proxy {
        let upstream = format!("127.0.0.1:{upstream}");
        let all = ["--listen", "127.0.0.1:0", "--upstream", &upstream];
        let mut command = Command::new(env!("CARGO_BIN_EXE_flatline"));
        command.arg("serve").args(all).args(more);
        Proxy::run(command)
    }

    /// Runs `command`, which ends in `serve` and its flags, with an admin port beside.
    pub(super) fn run(mut command: Command) -> Proxy {
        let mut child = command
            .args(["--admin", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("flatline starts");
        let (lines, log) = watch::channel(String::new());
        let errors = BufReader::new(child.stderr.take().expect("a log"));
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                eprintln!("{line}");
                lines.send_modify(|log| *log += &(line + "\n"));
            }
        });
        let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        let (mut address, mut admin) = (None, None);
        for line in lines {
            let line = line.expect("text");
            if let Some(at) = line.strip_prefix("listening on ") {
                address = Some(at.to_owned());
            } else if let Some(at) = line.strip_prefix("admin on http://") {
                admin = Some(at.to_owned());
                break;
            }
        }
        Proxy {
            child,
            address: address.expect("it listens"),
            admin: admin.expect("it has an admin port"),
            log,
        }
    }

    /// Waits until the log has `text`, and returns how many lines do.
    pub(super) async fn says(&self, text: &str) -> usize {
        let mut log = self.log.clone();
        let waited = log.wait_for(|log| log.contains(text));
        let found = tokio::time::timeout(std::time::Duration::from_secs(60), waited).await;
        assert!(
            matches!(found, Ok(Ok(_))),
            "`{text}` is not in\n{}",
            *self.log.borrow()
        );
        self.said(text)
    }

    /// How many lines of the log have `text` by now.
    pub(super) fn said(&self, text: &str) -> usize {
        let log = self.log.borrow();
        log.lines().filter(|line| line.contains(text)).count()
    }

    /// Sends a signal by its name.
    pub(super) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill").success());
    }

    /// Its exit code, once it has ended.
    pub(super) async fn ended(mut self) -> Option<i32> {
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn client(&self) -> Peer {
        Peer::client(&self.address, &[(4, 1 << 20), (5, 1 << 20)]).await
    }

    fn read(&self, what: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{what}", self.child.id())).expect("it runs")
    }

    /// Resident memory, KiB.
    pub(super) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most there ever was, KiB.
    pub(super) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> u64 {
        let status = self.read("status");
        let line = status.lines().find(|line| line.starts_with(field));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        value.expect("a field").parse().expect("a number")
    }

    /// Open descriptors.
    pub(super) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .expect("it runs")
            .count()
    }

    /// Processor time so far, in ticks of 10 ms.
    pub(super) fn ticks(&self) -> u64 {
        let stat = self.read("stat");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .expect("fields")
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number")
    }

    /// A path of the admin port.
    pub(super) async fn admin(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(&self.admin)
            .await
            .expect("admin");
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("text");
        text
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An upstream whose every connection runs a script; cut when dropped.
pub(super) struct Upstream {
    pub(super) port: u16,
    pub(super) connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Runs `script` on each connection with the number it has, from 0.
    pub(super) async fn start<S, F>(settings: &[(u16, u32)], script: S) -> Upstream
    where
        S: Fn(Peer, usize) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Upstream::start_at(0, settings, script).await
    }

    pub(super) async fn start_at<S, F>(port: u16, settings: &[(u16, u32)], script: S) -> Upstream
    where
        S: Fn(Peer, usize) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = listen(port);
        let port = listener.local_addr().expect("an address").port();
        let settings = settings.to_vec();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let script = Arc::new(script);
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (script, settings) = (Arc::clone(&script), settings.clone());
                stream.set_nodelay(true).expect("no delay");
                open.spawn(async move {
                    if let Some(peer) = Peer::server(stream, &settings).await {
                        script(peer, number).await;
                    }
                });
            }
        });
        Upstream {
            port,
            connections,
            task,
        }
    }

    /// Sends every request's body back, with `grpc-status: 0`.
    pub(super) async fn echo() -> Upstream {
        Upstream::start(&[(4, 1 << 20)], |peer, _| echo(peer)).await
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that was used a moment ago can be listened on again.
fn listen(port: u16) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("reuse");
    socket
        .bind(SocketAddr::from(([127, 0, 0, 1], port)))
        .expect("a port");
    socket.listen(1024).expect("a listener")
}

pub(super) fn head() -> Fields {
    fields(&[(":status", "200"), ("content-type", "application/grpc")])
}

pub(super) fn ok() -> Fields {
    fields(&[("grpc-status", "0")])
}

/// Answers streams as they end, in whatever order they do.
pub(super) async fn echo(mut peer: Peer) {
    let mut open: Vec<(u32, Vec<u8>)> = Vec::new();
    loop {
        while let Some(stream) = peer.accepted() {
            open.push((stream, Vec::new()));
        }
        let mut at = 0;
        while at < open.len() {
            match peer.seen(open[at].0) {
                None => at += 1,
                Some(Event::Data(data, end)) => {
                    open[at].1.extend_from_slice(&data);
                    if end {
                        answer(&mut peer, open.swap_remove(at)).await;
                    }
                }
                Some(Event::Headers(_, end)) => {
                    if end {
                        answer(&mut peer, open.swap_remove(at)).await;
                    }
                }
                Some(Event::Reset(_) | Event::Lost) => {
                    open.swap_remove(at);
                }
            }
        }
        if !peer.step().await {
            return;
        }
    }
}

async fn answer(peer: &mut Peer, (stream, body): (u32, Vec<u8>)) {
    peer.headers(stream, &head(), false).await;
    if !body.is_empty() {
        peer.body(stream, &body, false).await;
    }
    peer.headers(stream, &ok(), true).await;
}

/// Runs a test of this binary that is ignored, in a network of its own where it is root.
pub(super) fn in_a_network_of_its_own(test: &str) {
    let this = std::env::current_exe().expect("a path");
    let setup = "ip link set lo up && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--net",
        "--",
        "sh",
        "-ec",
        setup,
        "sh",
    ]);
    let output = command
        .arg(this)
        .args(["--ignored", "--exact", test, "--nocapture"])
        .output()
        .expect("unshare, of util-linux");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success() && text(&output.stdout).contains("1 passed"),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}
