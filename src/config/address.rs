//! Where to listen or connect: TCP or a Unix socket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// `HOST:PORT` or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Host, resolved when used, and port; 0 takes a free one.
    Tcp(String, u16),
    /// Path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Whether the port is only known once bound.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        matches!(self, Address::Tcp(_, 0))
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            // TensorFlow and gRPC write both `unix:/path` and `unix:///path`.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("has no path behind `unix:`")
            } else {
                Ok(Address::Unix(path.into()))
            };
        }
        if text.contains("://") {
            return Err("is a URL, where a host and port are expected");
        }
        let (host, port) = text.rsplit_once(':').ok_or("has no port")?;
        let port = port
            .parse()
            .map_err(|_| "has a port that is no number up to 65535")?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        match bare {
            Some(v6) if v6.parse::<std::net::Ipv6Addr>().is_err() => {
                Err("has brackets around no IPv6 address")
            }
            Some(v6) => Ok(Address::Tcp(v6.to_owned(), port)),
            None if host.contains(':') => Err("is an IPv6 address without brackets"),
            None if host.is_empty() => Err("has no host"),
            None if host.contains(|c: char| c.is_whitespace() || c == '/') => {
                Err("is no host and port")
            }
            None => Ok(Address::Tcp(host.to_owned(), port)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            // Two slashes at the start of a path would be read as the URL's.
            Address::Unix(path) if path.as_os_str().as_encoded_bytes().starts_with(b"//") => {
                write!(f, "unix://{}", path.display())
            }
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn reads_what_it_writes() {
        for text in [
            "127.0.0.1:8500",
            "[::1]:0",
            "tfs.svc:1",
            "unix:/tmp/a.sock",
            "unix:////a",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("unix:///a".parse(), Ok(Address::Unix("/a".into())));
    }

    #[test]
    fn refuses_what_it_cannot_use() {
        for text in [
            "",
            "host",
            ":1",
            "host:",
            "host:65536",
            "::1:80",
            "[x]:1",
            "unix:",
            "http://a:1",
            "https://[::1]:1",
            "a b:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
