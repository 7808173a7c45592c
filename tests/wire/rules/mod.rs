//! The rules of HTTP/2 (RFC 9113), each broken once: what stands between the socket and h2 makes
//! no rule softer, and none harder.

mod requests;
mod sizes;

use super::peer::*;
use super::process::*;
use bytes::Bytes;
use loona_hpack::Encoder;

const PATH: &str = "/any.Service/M";
const PROTOCOL: u32 = 1;
const FLOW: u32 = 3;
const CLOSED: u32 = 5;
const SIZE: u32 = 6;
const REFUSED: u32 = 7;
/// h2 says PROTOCOL_ERROR for a wrong length, a bad block and a window that cannot be, and hangs
/// up, which RFC 9113 allows: an end may treat a mistake as a graver one.
const LENGTH: &[u32] = &[SIZE, PROTOCOL];
const BLOCK: &[u32] = &[9, PROTOCOL];

/// What a case sends behind the preface.
struct Script {
    encoder: Encoder<'static>,
    out: Vec<u8>,
}

impl Script {
    fn frame(mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Script {
        self.out.extend(frame(kind, flags, stream, payload));
        self
    }

    fn block(&mut self, list: &Fields) -> Vec<u8> {
        self.encoder
            .encode(list.iter().map(|(name, value)| (&name[..], &value[..])))
    }

    fn headers(mut self, flags: u8, stream: u32, list: &Fields) -> Script {
        let block = self.block(list);
        self.frame(HEADERS, flags, stream, &block)
    }

    /// A call that is still open, or has said all.
    fn open(self, stream: u32) -> Script {
        self.headers(END_HEADERS, stream, &request(PATH, &[]))
    }

    fn whole(self, stream: u32) -> Script {
        self.headers(END_HEADERS | END_STREAM, stream, &request(PATH, &[]))
    }
}

fn script() -> Script {
    Script {
        encoder: Encoder::new(),
        out: Vec::new(),
    }
}

/// The headers of a call with one thing changed: a name taken out, or a line put in at the end.
fn changed(without: &str, and: &[(&str, &str)]) -> Fields {
    let mut list = request(PATH, &[]);
    list.retain(|(name, _)| name != without.as_bytes());
    list.extend(fields(and));
    list
}

/// Codes that the proxy resets a stream with or says goodbye with; nothing where it just hangs up.
async fn judged(peer: &mut Peer) -> Option<Option<u32>> {
    // Answers to PINGs overtake other frames, but not for ever.
    for _ in 0..3 {
        if !peer.settle().await {
            break;
        }
    }
    for stream in 0..=9 {
        while let Some(event) = peer.seen(stream) {
            if let Event::Reset(code) = event {
                return Some(Some(code));
            }
        }
    }
    match peer.goaway {
        Some((_, code)) => Some(Some(code)),
        None => peer.lost.then_some(None),
    }
}

async fn check(cases: Vec<(&str, Script, &[u32])>) {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(upstream.port);
    let mut victim = proxy.client().await;
    let mut wrong = Vec::new();
    for (name, script, codes) in cases {
        let mut peer = Peer::client(&proxy.address, &[]).await;
        assert!(peer.settle().await);
        peer.raw(Bytes::from(script.out)).await;
        match (judged(&mut peer).await, codes) {
            (None, []) | (Some(None), [_, ..]) => {}
            (Some(Some(code)), codes) if codes.contains(&code) => {}
            (found, _) => wrong.push(format!("{name}: {found:?} is none of {codes:?}")),
        }
        let reply = victim.call(&request(PATH, &[]), b"x").await;
        assert_eq!(reply.status().as_deref(), Some("0"), "beside {name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn frames_and_streams() {
    let big = vec![0; 65_537];
    check(vec![
        ("unknown frame", script().frame(0x16, 0xff, 0, &[0; 8]), &[]),
        (
            "undefined flags",
            script().frame(PING, 0xfe, 0, &[0; 8]),
            &[],
        ),
        (
            "reserved bit",
            script().frame(PING, 0, 1 << 31, &[0; 8]),
            &[],
        ),
        (
            "large DATA",
            script().open(1).frame(DATA, 0, 1, &big),
            &[SIZE],
        ),
        (
            "large HEADERS",
            script().frame(HEADERS, 0, 1, &big),
            &[SIZE, PROTOCOL],
        ),
        (
            "large CONTINUATION",
            script()
                .frame(HEADERS, 0, 1, &[0x82])
                .frame(CONTINUATION, 0, 1, &big),
            &[SIZE],
        ),
        (
            "bad block",
            script().frame(HEADERS, END_HEADERS, 1, &[0xff; 8]),
            BLOCK,
        ),
        (
            "bad block in pieces",
            script()
                .frame(HEADERS, 0, 1, &[0xff; 8])
                .frame(CONTINUATION, END_HEADERS, 1, &[0xff]),
            BLOCK,
        ),
        (
            "PRIORITY in a block",
            script()
                .frame(HEADERS, 0, 1, &[0x82])
                .frame(PRIORITY, 0, 3, &[0; 5]),
            &[PROTOCOL],
        ),
        (
            "HEADERS in a block",
            script().frame(HEADERS, 0, 1, &[0x82]).open(3),
            &[PROTOCOL],
        ),
        (
            "unknown frame in a block",
            script()
                .frame(HEADERS, 0, 1, &[0x82])
                .frame(0x16, 0, 0, &[]),
            &[PROTOCOL],
        ),
        (
            "CONTINUATION of another",
            script()
                .frame(HEADERS, 0, 1, &[0x82])
                .frame(CONTINUATION, 4, 3, &[]),
            &[PROTOCOL],
        ),
        (
            "DATA on idle",
            script().frame(DATA, END_STREAM, 1, b"x"),
            &[PROTOCOL, CLOSED],
        ),
        (
            "empty DATA on idle",
            script().frame(DATA, 0, 1, b""),
            &[PROTOCOL, CLOSED],
        ),
        (
            "RST_STREAM on idle",
            script().frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            &[PROTOCOL],
        ),
        (
            "WINDOW_UPDATE on idle",
            script().frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9]),
            &[PROTOCOL],
        ),
        (
            "CONTINUATION on idle",
            script().frame(CONTINUATION, 4, 1, &[]),
            &[PROTOCOL],
        ),
        (
            "DATA after the end",
            script().whole(1).frame(DATA, END_STREAM, 1, b"x"),
            &[CLOSED, PROTOCOL],
        ),
        (
            "HEADERS after the end",
            script().whole(1).whole(1),
            &[CLOSED, PROTOCOL],
        ),
        (
            "CONTINUATION after the end",
            script().whole(1).frame(CONTINUATION, 4, 1, &[]),
            &[CLOSED, PROTOCOL],
        ),
        (
            "DATA after RST_STREAM",
            script()
                .open(1)
                .frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])
                .frame(DATA, 1, 1, b"x"),
            &[CLOSED, PROTOCOL],
        ),
        (
            "HEADERS after RST_STREAM",
            script()
                .open(1)
                .frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])
                .whole(1),
            &[CLOSED, PROTOCOL],
        ),
        ("even stream", script().whole(2), &[PROTOCOL]),
        (
            "stream that goes back",
            script().whole(5).whole(3),
            &[PROTOCOL, CLOSED],
        ),
        ("DATA on 0", script().frame(DATA, 0, 0, b"x"), &[PROTOCOL]),
        (
            "empty DATA on 0",
            script().frame(DATA, 0, 0, b""),
            &[PROTOCOL],
        ),
        ("HEADERS on 0", script().whole(0), &[PROTOCOL]),
        (
            "PRIORITY on 0",
            script().frame(PRIORITY, 0, 0, &[0; 5]),
            &[PROTOCOL],
        ),
        (
            "RST_STREAM on 0",
            script().frame(RST_STREAM, 0, 0, &[0; 4]),
            &[PROTOCOL],
        ),
        (
            "CONTINUATION on 0",
            script()
                .frame(HEADERS, 0, 1, &[0x82])
                .frame(CONTINUATION, 4, 0, &[]),
            &[PROTOCOL],
        ),
        (
            "SETTINGS on 1",
            script().frame(SETTINGS, 0, 1, &[]),
            &[PROTOCOL],
        ),
        (
            "PING on 1",
            script().frame(PING, 0, 1, &[0; 8]),
            &[PROTOCOL],
        ),
        (
            "GOAWAY on 1",
            script().frame(GOAWAY, 0, 1, &[0; 8]),
            &[PROTOCOL],
        ),
        (
            "PUSH_PROMISE by a client",
            script().open(1).frame(5, 4, 1, &[0, 0, 0, 2, 0x82]),
            &[PROTOCOL],
        ),
    ])
    .await;
}
