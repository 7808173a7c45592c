//! Frames as they stand on the wire, and what a peer makes of them.

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Name and value, as they stood in the block.
pub(super) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn fields(list: &[(&str, &str)]) -> Fields {
    list.iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

/// The headers of a gRPC call, with `extra` behind.
pub(super) fn request(path: &str, extra: &[(&str, &str)]) -> Fields {
    let mut list = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "models.example:8500"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    list.extend_from_slice(extra);
    fields(&list)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Bytes,
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(9 + payload.len());
    bytes.put_uint(payload.len() as u64, 3);
    bytes.put_u8(kind);
    bytes.put_u8(flags);
    bytes.put_u32(stream);
    bytes.put_slice(payload);
    bytes.freeze()
}

/// What happened on one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Headers(Fields, bool),
    Data(Bytes, bool),
    Reset(u32),
    /// The connection ended.
    Lost,
}

/// A whole stream, as it was received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) head: Fields,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<Fields>,
    /// END_STREAM stood on the first block of headers.
    pub(super) only: bool,
    pub(super) reset: Option<u32>,
    pub(super) lost: bool,
}

impl Reply {
    pub(super) fn status(&self) -> Option<String> {
        let list = self.trailers.as_ref().unwrap_or(&self.head);
        let found = list.iter().find(|(name, _)| name == b"grpc-status")?;
        Some(String::from_utf8_lossy(&found.1).into_owned())
    }
}

/// Reads frames to the end of the connection.
pub(super) async fn receive(
    mut read: impl AsyncRead + Unpin,
    arrived: mpsc::UnboundedSender<Frame>,
) {
    loop {
        let mut head = [0; 9];
        if read.read_exact(&mut head).await.is_err() {
            return;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        if read.read_exact(&mut payload).await.is_err() {
            return;
        }
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff,
            payload: payload.into(),
        };
        if arrived.send(frame).is_err() {
            return;
        }
    }
}
