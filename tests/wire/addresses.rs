//! Where it listens and connects: IPv6, Unix sockets, redirected connections, and itself.

use super::peer::*;
use super::process::*;
use std::process::Command;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

const PATH: &str = "/tensorflow.serving.PredictionService/Predict";
const WINDOWS: &[(u16, u32)] = &[(4, 1 << 20), (5, 1 << 20)];

fn serve(listen: &str, upstream: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatline"));
    command
        .args(["serve", "--listen", listen, "--upstream", upstream])
        .args(more);
    command
}

async fn works(peer: &mut Peer, word: &[u8]) {
    let reply = peer.call(&request(PATH, &[]), b"x").await;
    assert_eq!(reply.status().as_deref(), Some("0"), "{reply:?}");
    assert_eq!(reply.body, word);
}

/// Answers every call with `word`.
async fn tell(mut peer: Peer, word: &'static [u8]) {
    while let Some(stream) = peer.accept().await {
        peer.reply(stream).await;
        peer.headers(stream, &head(), false).await;
        peer.body(stream, word, false).await;
        peer.headers(stream, &ok(), true).await;
    }
}

async fn telling(listener: TcpListener, word: &'static [u8]) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(async move {
            if let Some(peer) = Peer::server(stream, &[]).await {
                tell(peer, word).await;
            }
        });
    }
}

#[tokio::test]
async fn ipv6_on_both_sides() {
    let listener = TcpListener::bind("[::1]:0").await.expect("IPv6");
    let upstream = listener.local_addr().expect("an address").to_string();
    tokio::spawn(telling(listener, b"six"));
    let proxy = Proxy::run(serve("[::1]:0", &upstream, &[]));
    assert!(proxy.address.starts_with("[::1]:"), "{}", proxy.address);
    works(&mut proxy.client().await, b"six").await;
}

#[tokio::test]
async fn unix_sockets_on_both_sides_leave_no_file_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let listener = UnixListener::bind(at("up")).expect("a socket");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let peer = Peer::server(stream, &[]).await.expect("HTTP/2");
            tokio::spawn(tell(peer, b"unix"));
        }
    });
    let (down, up) = (
        format!("unix:{}", at("down")),
        format!("unix://{}", at("up")),
    );
    // A file that a process left behind is no hindrance.
    drop(UnixListener::bind(at("down")).expect("a socket"));
    let proxy = Proxy::run(serve(&down, &up, &[]));
    let stream = UnixStream::connect(at("down")).await.expect("it listens");
    let mut peer = Peer::client_over(stream, WINDOWS).await;
    works(&mut peer, b"unix").await;
    drop(peer);
    proxy.signal("TERM");
    assert_eq!(proxy.ended().await, Some(0));
    assert!(!dir.path().join("down").exists());
}

/// Runs `flatline` as it is pointed at itself, and expects it to say so and end.
fn refuses(mut command: Command) {
    let output = command
        .args(["--admin", "127.0.0.1:0"])
        .output()
        .expect("flatline runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("where Flatline itself listens"), "{said}");
}

#[tokio::test]
async fn pointed_at_itself_it_says_so_and_ends() {
    // A port that is free a moment later.
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    for (listen, upstream) in [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("[::]", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
    ] {
        let (listen, upstream) = (format!("{listen}:{port}"), format!("{upstream}:{port}"));
        refuses(serve(&listen, &upstream, &[]));
    }
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| format!("unix:{}", dir.path().join(name).display());
    std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("b")).expect("a link");
    refuses(serve(&at("a"), &at("b"), &[]));
}

#[tokio::test]
async fn two_proxies_in_a_row_are_no_circle() {
    let upstream = Upstream::echo().await;
    let second = Proxy::start(upstream.port);
    let first = Proxy::run(serve("127.0.0.1:0", &second.address, &[]));
    works(&mut first.client().await, b"x").await;
}

/// Redirects what goes to `from` to `to`, whoever sends it.
fn redirect(from: u16, to: u16) {
    let rules = format!(
        "add table inet t\nadd chain inet t out {{ type nat hook output priority -100; }}\n\
         add rule inet t out tcp dport {from} redirect to :{to}\n"
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), rules).expect("written");
    let done = Command::new("nft").arg("-f").arg(file.path()).status();
    assert!(done.expect("nft, of nftables").success());
}

#[test]
fn redirected_connections_go_to_where_they_were_going() {
    in_a_network_of_its_own("wire::addresses::inside_redirected");
}

#[tokio::test]
#[ignore = "runs in a network of its own"]
async fn inside_redirected() {
    let at = |address: &str| TcpListener::bind(address.to_owned());
    let two = at("127.0.0.2:9001").await.expect("a port");
    let three = at("127.0.0.3:9001").await.expect("a port");
    let six = at("[::1]:9001").await.expect("a port");
    let rest = at("127.0.0.1:0").await.expect("a port");
    let upstream = rest.local_addr().expect("an address").to_string();
    tokio::spawn(telling(two, b"two"));
    tokio::spawn(telling(three, b"three"));
    tokio::spawn(telling(six, b"six"));
    tokio::spawn(telling(rest, b"rest"));
    let proxy = Proxy::run(serve("[::]:9000", &upstream, &["--original-dst"]));
    // In a pod, Flatline's own connections are let go by their user; here only those of one client
    // are redirected.
    let rules = "add table inet t\nadd chain inet t out { type nat hook output priority -100; }\n\
        add rule inet t out ip saddr 127.0.0.9 tcp dport 9001 redirect to :9000\n\
        add rule inet t out ip6 saddr fd00::9 tcp dport 9001 redirect to :9000\n";
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), rules).expect("written");
    let added = Command::new("ip")
        .args(["addr", "add", "fd00::9/128", "dev", "lo"])
        .status();
    assert!(added.expect("ip, of iproute2").success());
    let done = Command::new("nft").arg("-f").arg(file.path()).status();
    assert!(done.expect("nft, of nftables").success());
    for (from, to, word) in [
        ("127.0.0.9:0", "127.0.0.2:9001", &b"two"[..]),
        ("127.0.0.9:0", "127.0.0.3:9001", b"three"),
        ("[fd00::9]:0", "[::1]:9001", b"six"),
        ("127.0.0.9:0", "127.0.0.1:9000", b"rest"),
    ] {
        let to: std::net::SocketAddr = to.parse().expect("an address");
        let socket = match to {
            std::net::SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
            std::net::SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
        };
        let socket = socket.expect("a socket");
        socket
            .bind(from.parse().expect("an address"))
            .expect("bound");
        let stream: TcpStream = socket.connect(to).await.expect("redirected");
        let mut peer = Peer::client_over(stream, WINDOWS).await;
        works(&mut peer, word).await;
    }
    let calls = proxy.admin("/metrics").await;
    assert!(
        calls.contains("flatline_upstream_connects_total 4"),
        "all passed it"
    );
}

#[test]
fn a_redirection_of_its_own_connections_is_a_circle() {
    in_a_network_of_its_own("wire::addresses::inside_circle");
}

#[tokio::test]
#[ignore = "runs in a network of its own"]
async fn inside_circle() {
    let proxy = Proxy::run(serve(
        "127.0.0.1:9000",
        "127.0.0.1:9001",
        &["--original-dst"],
    ));
    redirect(9001, 9000);
    let mut client = Peer::client("127.0.0.1:9001", WINDOWS).await;
    client.open(&request(PATH, &[]), true).await;
    proxy.says("where Flatline itself listens").await;
    assert_eq!(proxy.ended().await, Some(78));
}
