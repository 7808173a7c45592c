//! Sockets: TCP with Nagle off and keepalive on, and Unix sockets, behind one type.

use crate::config::Address;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A dead peer is found after 10 s of silence and three tries 5 s apart. gRPC servers answer
/// HTTP/2 PINGs with `too_many_pings`, so the kernel has to do it.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(10))
    .with_interval(Duration::from_secs(5))
    .with_retries(3);

/// Bytes that were sent and not acknowledged for this long mean a dead peer too.
const UNACKNOWLEDGED: Duration = Duration::from_secs(25);

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Both directions of a connection.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection of any kind.
pub type Stream = Box<dyn Io>;

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix; the path is removed before binding and left behind after.
    Unix(UnixListener, Address),
}

impl Listener {
    /// Listens on `address`.
    ///
    /// # Errors
    /// As the system says: in use, not permitted, not found.
    pub async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(host, port) => {
                let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
                for address in tokio::net::lookup_host((host.as_str(), *port)).await? {
                    match listen(address) {
                        Ok(listener) => return Ok(Listener::Tcp(listener)),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Address::Unix(path) => {
                // A socket file of an earlier process would refuse the bind; a live one is kept.
                if UnixStream::connect(path).await.is_err() {
                    let _ = std::fs::remove_file(path);
                }
                Ok(Listener::Unix(UnixListener::bind(path)?, address.clone()))
            }
        }
    }

    /// Where it listens, with the port that was taken.
    ///
    /// # Errors
    /// As the system says.
    pub fn local_address(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => {
                let address = listener.local_addr()?;
                Ok(Address::Tcp(address.ip().to_string(), address.port()))
            }
            Listener::Unix(_, address) => Ok(address.clone()),
        }
    }

    /// The next connection, and the peer in words.
    ///
    /// # Errors
    /// As the system says; the listener stays usable.
    pub async fn accept(&self) -> io::Result<(Stream, String)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                tune(&stream);
                Ok((Box::new(stream), peer.to_string()))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), "unix:".to_owned()))
            }
        }
    }
}

/// Connects to `address`.
///
/// # Errors
/// As the system says.
pub async fn connect(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            tune(&stream);
            Ok(Box::new(stream))
        }
        Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
    }
}

fn listen(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM.nonblocking(),
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A socket that cannot be tuned still carries calls.
fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&KEEPALIVE);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}
