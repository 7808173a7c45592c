//! One end of an HTTP/2 connection that does just what it is told, right or wrong. Its framing and
//! its header blocks share no code with what is tested.

mod reading;

pub(super) use super::frames::*;
use bytes::{BufMut, Bytes, BytesMut};
use loona_hpack::{Decoder, Encoder};
use std::collections::{HashMap, VecDeque};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Both directions of a connection.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

pub(super) struct Peer {
    out: mpsc::Sender<Bytes>,
    incoming: mpsc::UnboundedReceiver<Frame>,
    encoder: Encoder<'static>,
    decoder: Decoder<'static>,
    block: Option<(u32, u8, BytesMut)>,
    events: HashMap<u32, VecDeque<Event>>,
    /// Streams that the other side opened and nobody took yet.
    opened: VecDeque<u32>,
    next_stream: u32,
    first_opened: u32,
    /// What may be sent: on the connection, and on streams.
    room: i64,
    stream_room: HashMap<u32, i64>,
    initial_room: i64,
    pub(super) settings: HashMap<u16, u32>,
    pub(super) goaway: Option<(u32, u32)>,
    pub(super) pongs: u32,
    pub(super) lost: bool,
    /// Opens windows again as data is taken.
    pub(super) refill: bool,
    /// Streams that a script keeps writing to.
    pub(super) flooding: Vec<u32>,
}

impl Peer {
    /// The client's end: sends the preface and `settings`.
    pub(super) async fn client(address: &str, settings: &[(u16, u32)]) -> Peer {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("no delay");
        Peer::client_over(stream, settings).await
    }

    /// The client's end of any connection.
    pub(super) async fn client_over(stream: impl Io, settings: &[(u16, u32)]) -> Peer {
        let peer = Peer::over(stream, false);
        peer.raw(Bytes::from_static(PREFACE)).await;
        peer.hello(settings).await;
        peer
    }

    /// The server's end: reads the preface and sends `settings`.
    pub(super) async fn server(mut stream: impl Io, settings: &[(u16, u32)]) -> Option<Peer> {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.ok()?;
        assert_eq!(preface, PREFACE);
        let peer = Peer::over(stream, true);
        peer.hello(settings).await;
        Some(peer)
    }

    fn over(stream: impl Io, server: bool) -> Peer {
        let (read, mut write) = tokio::io::split(stream);
        let (out, mut queue) = mpsc::channel::<Bytes>(64);
        tokio::spawn(async move {
            while let Some(bytes) = queue.recv().await {
                let written = write.write_all(&bytes).await;
                if written.is_err() || write.flush().await.is_err() {
                    // Whoever still writes is not to wait for ever.
                    queue.close();
                    return;
                }
            }
            let _ = write.shutdown().await;
        });
        let (arrived, incoming) = mpsc::unbounded_channel();
        tokio::spawn(receive(read, arrived));
        let mut decoder = Decoder::new();
        decoder.set_max_allowed_table_size(1 << 20);
        Peer {
            out,
            incoming,
            encoder: Encoder::new(),
            decoder,
            block: None,
            events: HashMap::new(),
            opened: VecDeque::new(),
            next_stream: if server { 2 } else { 1 },
            first_opened: u32::from(server),
            room: 65_535,
            stream_room: HashMap::new(),
            initial_room: 65_535,
            settings: HashMap::new(),
            goaway: None,
            pongs: 0,
            lost: false,
            refill: true,
            flooding: Vec::new(),
        }
    }

    async fn hello(&self, settings: &[(u16, u32)]) {
        self.settings(settings).await;
        // All that HTTP/2 allows, so that only streams hold anything back.
        self.send(
            WINDOW_UPDATE,
            0,
            0,
            &(0x7fff_ffff_u32 - 65_535).to_be_bytes(),
        )
        .await;
    }

    pub(super) async fn settings(&self, settings: &[(u16, u32)]) {
        let mut payload = BytesMut::new();
        for (id, value) in settings {
            payload.put_u16(*id);
            payload.put_u32(*value);
        }
        self.send(SETTINGS, 0, 0, &payload).await;
    }

    /// Sends bytes as they are. Returns whether anybody is there to take them.
    pub(super) async fn raw(&self, bytes: Bytes) -> bool {
        self.out.send(bytes).await.is_ok()
    }

    pub(super) async fn send(&self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.raw(frame(kind, flags, stream, payload)).await
    }

    pub(super) fn new_stream(&mut self) -> u32 {
        self.next_stream += 2;
        self.next_stream - 2
    }

    pub(super) fn encode(&mut self, list: &Fields) -> Vec<u8> {
        self.encoder
            .encode(list.iter().map(|(name, value)| (&name[..], &value[..])))
    }

    /// Sends a block of headers, cut every `piece` bytes.
    pub(super) async fn block(&mut self, stream: u32, list: &Fields, end: bool, piece: usize) {
        let block = self.encode(list);
        let mut pieces = block.chunks(piece).peekable();
        let mut kind = HEADERS;
        while let Some(part) = pieces.next() {
            let mut flags = if end && kind == HEADERS {
                END_STREAM
            } else {
                0
            };
            if pieces.peek().is_none() {
                flags |= END_HEADERS;
            }
            self.send(kind, flags, stream, part).await;
            kind = CONTINUATION;
        }
    }

    pub(super) async fn headers(&mut self, stream: u32, list: &Fields, end: bool) {
        self.block(stream, list, end, 16_384).await;
    }

    /// Opens a stream with the headers of a call.
    pub(super) async fn open(&mut self, list: &Fields, end: bool) -> u32 {
        let stream = self.new_stream();
        self.headers(stream, list, end).await;
        stream
    }

    /// Sends one DATA frame, with `padding` bytes behind if given, when the windows allow it.
    pub(super) async fn data(&mut self, stream: u32, data: &[u8], padding: Option<u8>, end: bool) {
        let mut payload = Vec::new();
        let mut flags = if end { END_STREAM } else { 0 };
        if let Some(padding) = padding {
            flags |= PADDED;
            payload.push(padding);
        }
        payload.extend_from_slice(data);
        payload.resize(payload.len() + usize::from(padding.unwrap_or(0)), 0);
        let size = payload.len() as i64;
        while self.room < size || self.stream_room(stream) < size {
            if !self.step().await {
                return;
            }
        }
        self.room -= size;
        *self.stream_room.entry(stream).or_insert(self.initial_room) -= size;
        self.send(DATA, flags, stream, &payload).await;
    }

    fn stream_room(&self, stream: u32) -> i64 {
        *self.stream_room.get(&stream).unwrap_or(&self.initial_room)
    }

    /// How much may be sent on a stream now.
    pub(super) fn may_send(&self, stream: u32) -> i64 {
        self.room.min(self.stream_room(stream))
    }

    /// The other side takes nothing any more.
    pub(super) fn is_cut(&self) -> bool {
        self.out.is_closed()
    }

    /// Sends a body in frames of 16 KiB.
    pub(super) async fn body(&mut self, stream: u32, body: &[u8], end: bool) {
        let mut pieces = body.chunks(16_384).peekable();
        if body.is_empty() {
            self.data(stream, &[], None, end).await;
        }
        while let Some(piece) = pieces.next() {
            let last = end && pieces.peek().is_none();
            self.data(stream, piece, None, last).await;
        }
    }

    pub(super) async fn reset(&self, stream: u32, code: u32) {
        self.send(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(super) async fn goaway(&self, last: u32, code: u32) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend(code.to_be_bytes());
        self.send(GOAWAY, 0, 0, &payload).await;
    }

    pub(super) async fn give(&self, stream: u32, bytes: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
            .await;
    }

    /// The next stream that the other side opened; `None` when the connection ended.
    pub(super) async fn accept(&mut self) -> Option<u32> {
        loop {
            if let Some(stream) = self.opened.pop_front() {
                return Some(stream);
            }
            if !self.step().await {
                return None;
            }
        }
    }

    /// A stream that the other side has opened, if there is one that nobody took.
    pub(super) fn accepted(&mut self) -> Option<u32> {
        self.opened.pop_front()
    }

    /// What happens next on `stream`.
    pub(super) async fn event(&mut self, stream: u32) -> Event {
        loop {
            if let Some(event) = self.seen(stream) {
                return event;
            }
            if !self.step().await {
                return Event::Lost;
            }
        }
    }

    /// What has happened on `stream` and was not taken yet.
    pub(super) fn seen(&mut self, stream: u32) -> Option<Event> {
        self.events.get_mut(&stream)?.pop_front()
    }

    /// A stream to its end.
    pub(super) async fn reply(&mut self, stream: u32) -> Reply {
        let mut reply = Reply::default();
        loop {
            let end = match self.event(stream).await {
                Event::Headers(list, end) if reply.head.is_empty() => {
                    reply.head = list;
                    reply.only = end;
                    end
                }
                Event::Headers(list, end) => {
                    reply.trailers = Some(list);
                    end
                }
                Event::Data(data, end) => {
                    reply.body.extend_from_slice(&data);
                    end
                }
                Event::Reset(code) => {
                    reply.reset = Some(code);
                    true
                }
                Event::Lost => {
                    reply.lost = true;
                    true
                }
            };
            if end {
                return reply;
            }
        }
    }

    /// A whole call.
    pub(super) async fn call(&mut self, list: &Fields, body: &[u8]) -> Reply {
        let stream = self.open(list, false).await;
        self.body(stream, body, true).await;
        self.reply(stream).await
    }

    /// Waits for the answer to a PING: everything sent before has been read.
    pub(super) async fn settle(&mut self) -> bool {
        let before = self.pongs;
        self.send(PING, 0, 0, b"settled?").await;
        while self.pongs == before {
            if !self.step().await {
                return false;
            }
        }
        true
    }

    /// Takes one frame; false when the connection has ended.
    pub(super) async fn step(&mut self) -> bool {
        let Some(frame) = self.incoming.recv().await else {
            self.lost = true;
            return false;
        };
        self.take(frame).await;
        true
    }
}
