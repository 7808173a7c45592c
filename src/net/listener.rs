//! Listening sockets.

use super::{Ends, Stream, tune};
use crate::config::Address;
use socket2::SockRef;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix; the file is removed before binding and with the listener.
    Unix(UnixListener, PathBuf),
}

/// A connection that somebody opened.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: Stream,
    /// The peer in words.
    pub peer: String,
    /// From the peer to where it meant to go, if it is TCP.
    pub ends: Option<Ends>,
    /// Where it meant to go, if the kernel redirected it here.
    pub redirected: Option<SocketAddr>,
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
                Ok(Listener::Unix(UnixListener::bind(path)?, path.clone()))
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
            Listener::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }

    /// The next connection.
    ///
    /// # Errors
    /// As the system says; the listener stays usable.
    pub async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                tune(&stream);
                let local = stream.local_addr().ok();
                let redirected = local.and_then(|local| original(&stream, local));
                Ok(Accepted {
                    peer: peer.to_string(),
                    ends: redirected.or(local).map(|to| Ends::new(peer, to)),
                    redirected,
                    stream: Stream::Tcp(stream),
                })
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted {
                    stream: Stream::Unix(stream),
                    peer: "unix:".to_owned(),
                    ends: None,
                    redirected: None,
                })
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// `[::]` is every address of either family, whatever the system's default, and every IPv4 address
/// where there is no IPv6.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let everywhere = address.is_ipv6() && address.ip().is_unspecified();
    match listen_on(address, everywhere) {
        Err(error) if everywhere && lacks_ipv6(&error) => {
            listen_on((Ipv4Addr::UNSPECIFIED, address.port()).into(), false)
        }
        bound => bound,
    }
}

fn lacks_ipv6(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(97)
}

fn listen_on(address: SocketAddr, either: bool) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM.nonblocking(),
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if either {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Where a connection went before the kernel redirected it. Without a redirection the kernel has
/// no answer, or answers with where it arrived.
fn original(stream: &TcpStream, local: SocketAddr) -> Option<SocketAddr> {
    let socket = SockRef::from(stream);
    let found = if local.ip().to_canonical().is_ipv4() {
        socket.original_dst_v4()
    } else {
        socket.original_dst_v6()
    };
    let found = found.ok()?.as_socket()?;
    let plain = SocketAddr::new(local.ip().to_canonical(), local.port());
    (found != plain).then_some(found)
}
