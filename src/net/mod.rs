//! Sockets: TCP with Nagle off and keepalive on, and Unix sockets, behind one type.

mod listener;
mod own;
mod stream;

pub use listener::{Accepted, Listener};
pub use own::{Ends, Own, Ticket};
pub use stream::Stream;

use crate::config::Address;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// A dead peer is found after 10 s of silence and three tries 5 s apart. gRPC servers answer
/// HTTP/2 PINGs with `too_many_pings`, so the kernel has to do it.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(10))
    .with_interval(Duration::from_secs(5))
    .with_retries(3);

/// Bytes that were sent and not acknowledged for this long mean a dead peer too.
const UNACKNOWLEDGED: Duration = Duration::from_secs(25);

/// Connects to `address`.
///
/// # Errors
/// As the system says.
pub async fn connect(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            tune(&stream);
            Ok(Stream::Tcp(stream))
        }
        Address::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
    }
}

/// Whether `address` leads to a socket on this machine that `listen` takes connections of.
pub async fn leads_to(address: &Address, listen: &Address) -> bool {
    match (address, listen) {
        (Address::Tcp(host, port), Address::Tcp(own, own_port)) if port == own_port => {
            let Ok(own) = own.parse::<std::net::IpAddr>() else {
                return host == own;
            };
            let found = tokio::net::lookup_host((host.as_str(), *port)).await;
            found
                .into_iter()
                .flatten()
                .map(|found| found.ip().to_canonical())
                .any(|ip| ip == own || own.is_unspecified() && is_local(ip))
        }
        (Address::Unix(path), Address::Unix(own)) => {
            use std::os::unix::fs::MetadataExt;
            let id = |path| {
                let found = std::fs::metadata(path).ok()?;
                Some((found.dev(), found.ino()))
            };
            path == own || id(path).is_some_and(|found| Some(found) == id(own))
        }
        _ => false,
    }
}

/// Whether an interface of this machine has `ip`: only then can it be bound.
fn is_local(ip: std::net::IpAddr) -> bool {
    ip.is_unspecified() || std::net::UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

/// A socket that cannot be tuned still carries calls.
fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&KEEPALIVE);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}
