//! The rules of HTTP/2 (RFC 9113), each broken once: what stands between the socket and h2 makes
//! no rule softer, and none harder.

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

#[tokio::test]
async fn sizes_windows_and_padding() {
    let on_itself = |stream: u32| [&stream.to_be_bytes()[..], &[1]].concat();
    let window = 0x7fff_ffff_u32.to_be_bytes();
    let setting = |id: u16, value: u32| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let mut on_itself_in_headers = script();
    let block = on_itself_in_headers.block(&request(PATH, &[]));
    let on_itself_in_headers = on_itself_in_headers.frame(
        HEADERS,
        END_HEADERS | END_STREAM | 0x20,
        1,
        &[on_itself(1), block].concat(),
    );
    check(vec![
        (
            "PRIORITY of 4",
            script().frame(PRIORITY, 0, 1, &[0; 4]),
            LENGTH,
        ),
        (
            "RST_STREAM of 3",
            script().open(1).frame(RST_STREAM, 0, 1, &[0; 3]),
            LENGTH,
        ),
        (
            "SETTINGS of 3",
            script().frame(SETTINGS, 0, 0, &[0; 3]),
            LENGTH,
        ),
        (
            "SETTINGS ack of 6",
            script().frame(SETTINGS, ACK, 0, &[0; 6]),
            LENGTH,
        ),
        ("PING of 6", script().frame(PING, 0, 0, &[0; 6]), LENGTH),
        (
            "WINDOW_UPDATE of 3",
            script().frame(WINDOW_UPDATE, 0, 0, &[0; 3]),
            LENGTH,
        ),
        (
            "ENABLE_PUSH of 2",
            script().frame(SETTINGS, 0, 0, &setting(2, 2)),
            &[PROTOCOL],
        ),
        (
            "INITIAL_WINDOW_SIZE too large",
            script().frame(SETTINGS, 0, 0, &setting(4, 1 << 31)),
            &[FLOW, PROTOCOL],
        ),
        (
            "MAX_FRAME_SIZE too small",
            script().frame(SETTINGS, 0, 0, &setting(5, 16_383)),
            &[PROTOCOL],
        ),
        (
            "MAX_FRAME_SIZE too large",
            script().frame(SETTINGS, 0, 0, &setting(5, 1 << 24)),
            &[PROTOCOL],
        ),
        (
            "unknown setting",
            script().frame(SETTINGS, 0, 0, &setting(0xff, 1)),
            &[],
        ),
        (
            "no window",
            script().frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            &[PROTOCOL],
        ),
        (
            "no window on a stream",
            script().open(1).frame(WINDOW_UPDATE, 0, 1, &[0; 4]),
            &[PROTOCOL],
        ),
        (
            "window that overflows",
            script()
                .frame(WINDOW_UPDATE, 0, 0, &window)
                .frame(WINDOW_UPDATE, 0, 0, &window),
            &[FLOW],
        ),
        (
            "window of a stream that overflows",
            script().open(1).frame(WINDOW_UPDATE, 0, 1, &window).frame(
                WINDOW_UPDATE,
                0,
                1,
                &window,
            ),
            &[FLOW],
        ),
        (
            "setting that makes a window overflow",
            script()
                .open(1)
                .frame(
                    WINDOW_UPDATE,
                    0,
                    1,
                    &(0x7fff_ffff_u32 - 65_535).to_be_bytes(),
                )
                .frame(SETTINGS, 0, 0, &setting(4, 0x7fff_ffff)),
            &[FLOW],
        ),
        (
            "DATA padded beyond itself",
            script().open(1).frame(DATA, PADDED, 1, &[9, 0]),
            &[PROTOCOL],
        ),
        (
            "DATA padded without a size",
            script().open(1).frame(DATA, PADDED, 1, &[]),
            &[PROTOCOL, SIZE],
        ),
        (
            "HEADERS padded beyond itself",
            script().frame(HEADERS, PADDED | END_HEADERS, 1, &[9, 0x82]),
            &[PROTOCOL],
        ),
        (
            "HEADERS in pieces padded beyond itself",
            script().frame(HEADERS, PADDED, 1, &[9, 0x82]),
            &[PROTOCOL],
        ),
        (
            "PRIORITY on itself",
            script().open(1).frame(PRIORITY, 0, 1, &on_itself(1)),
            &[PROTOCOL],
        ),
        ("HEADERS on itself", on_itself_in_headers, &[PROTOCOL]),
    ])
    .await;
}

#[tokio::test]
async fn requests() {
    let whole = END_HEADERS | END_STREAM;
    let sent = |list: Fields| script().headers(whole, 1, &list);
    let trailers = |list: &[(&str, &str)], flags| script().open(1).headers(flags, 1, &fields(list));
    let mut behind = fields(&[("a", "b")]);
    behind.extend(request(PATH, &[]));
    let length = |given: &str| {
        script().headers(END_HEADERS, 1, &request(PATH, &[("content-length", given)]))
    };
    check(vec![
        ("as it should be", sent(request(PATH, &[])), &[]),
        (
            "upper case",
            sent(changed("", &[("X-Upper", "1")])),
            &[PROTOCOL],
        ),
        (
            "unknown pseudo-header",
            sent(changed("", &[(":odd", "1")])),
            &[PROTOCOL],
        ),
        (
            "pseudo-header of a reply",
            sent(changed("", &[(":status", "200")])),
            &[PROTOCOL],
        ),
        ("pseudo-header behind others", sent(behind), &[PROTOCOL]),
        (
            "pseudo-header in trailers",
            trailers(&[("a", "b"), (":method", "POST")], whole),
            &[PROTOCOL],
        ),
        (
            "trailers without an end",
            trailers(&[("a", "b")], END_HEADERS),
            &[PROTOCOL],
        ),
        (
            "connection",
            sent(changed("", &[("connection", "close")])),
            &[PROTOCOL],
        ),
        (
            "keep-alive",
            sent(changed("", &[("keep-alive", "1")])),
            &[PROTOCOL],
        ),
        (
            "proxy-connection",
            sent(changed("", &[("proxy-connection", "close")])),
            &[PROTOCOL],
        ),
        (
            "transfer-encoding",
            sent(changed("", &[("transfer-encoding", "chunked")])),
            &[PROTOCOL],
        ),
        (
            "upgrade",
            sent(changed("", &[("upgrade", "h2c")])),
            &[PROTOCOL],
        ),
        (
            "te of gzip",
            sent(changed("te", &[("te", "gzip")])),
            &[PROTOCOL],
        ),
        ("no method", sent(changed(":method", &[])), &[PROTOCOL]),
        ("no scheme", sent(changed(":scheme", &[])), &[PROTOCOL]),
        ("no path", sent(changed(":path", &[])), &[PROTOCOL]),
        (
            "two methods",
            sent(changed("te", &[(":method", "POST")])),
            &[PROTOCOL],
        ),
        (
            "content-length too small",
            length("1").frame(DATA, END_STREAM, 1, b"xyz"),
            &[PROTOCOL],
        ),
        (
            "content-length too large",
            length("9").frame(DATA, END_STREAM, 1, b"xyz"),
            &[PROTOCOL],
        ),
        (
            "content-length over two frames",
            length("1")
                .frame(DATA, 0, 1, b"x")
                .frame(DATA, END_STREAM, 1, b"y"),
            &[PROTOCOL],
        ),
        (
            "content-length as it is",
            length("3").frame(DATA, END_STREAM, 1, b"xyz"),
            &[],
        ),
        (
            "more than may be at once",
            (0..3).fold(script(), |s, n| s.whole(1 + 2 * n)),
            &[],
        ),
        (
            "refused is no mistake",
            script()
                .open(1)
                .frame(RST_STREAM, 0, 1, &REFUSED.to_be_bytes()),
            &[],
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_empty_path_is_refused() {
    let mut list = changed(":path", &[]);
    list.insert(2, (b":path".to_vec(), Vec::new()));
    let script = script().headers(END_HEADERS | END_STREAM, 1, &list);
    check(vec![("empty path", script, &[PROTOCOL])]).await;
}
