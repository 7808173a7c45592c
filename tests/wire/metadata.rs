//! Headers, trailers, paths and statuses pass as they are.

use super::peer::*;
use super::process::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

type Seen = Arc<Mutex<Vec<Reply>>>;

/// An upstream that keeps each request and answers it with `script`.
async fn recorder(seen: &Seen, script: fn(&Fields) -> Vec<Event>) -> Upstream {
    let seen = Arc::clone(seen);
    Upstream::start(&[(6, 1 << 20)], move |mut peer, _| {
        let seen = Arc::clone(&seen);
        async move {
            while let Some(stream) = peer.accept().await {
                let got = peer.reply(stream).await;
                let answer = script(&got.head);
                seen.lock().expect("a lock").push(got);
                for event in answer {
                    match event {
                        Event::Headers(list, end) => peer.headers(stream, &list, end).await,
                        Event::Data(data, end) => peer.body(stream, &data, end).await,
                        Event::Reset(code) => peer.reset(stream, code).await,
                        Event::Lost => return,
                    }
                }
            }
        }
    })
    .await
}

fn fine(_: &Fields) -> Vec<Event> {
    vec![Event::Headers(head(), false), Event::Headers(ok(), true)]
}

/// Values by name, in their order: what HTTP keeps.
fn by_name(list: &Fields) -> BTreeMap<String, Vec<String>> {
    let mut map = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in list {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        map.entry(text(name)).or_default().push(text(value));
    }
    map
}

#[tokio::test]
async fn requests_arrive_with_the_headers_they_were_sent_with() {
    let seen = Seen::default();
    let upstream = recorder(&seen, fine).await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    let odd = vec![
        ("k", "2"),
        ("a-bin", "AAEC"),
        ("k", "1"),
        ("a-bin", "AAED,AAEE"),
        ("k", ""),
        ("grpc-timeout", "99999999n"),
        ("user-agent", "grpc-c/1 (linux; x)"),
        ("grpc-encoding", "gzip"),
        ("grpc-accept-encoding", "identity,deflate,gzip"),
        ("x-forwarded-for", "1.2.3.4"),
        ("cookie", "a=b"),
        ("cookie", "c=d"),
        ("accept", "*/*"),
        ("content-length", "0"),
        ("weird!#$%&'*+.^_`|~", "tab\there"),
    ];
    let list = request("/a.B/C", &odd);
    let reply = client.call(&list, &[]).await;
    assert_eq!(reply.status().as_deref(), Some("0"));
    let mut bytes = request("/a.B/C", &[]);
    bytes.push((b"obs-text".to_vec(), vec![0x80, 0xff, b' ', b'x']));
    client.call(&bytes, &[]).await;
    let got = std::mem::take(&mut *seen.lock().expect("a lock"));
    assert_eq!(by_name(&got[0].head), by_name(&list));
    assert_eq!(by_name(&got[1].head), by_name(&bytes));
    // Those that stand once keep their order among each other too.
    let order: Vec<_> = got[1].head.iter().skip(4).collect();
    assert_eq!(order, bytes.iter().skip(4).collect::<Vec<_>>());
}

#[tokio::test]
async fn large_blocks_pass_however_they_are_cut() {
    let seen = Seen::default();
    let upstream = recorder(&seen, |head| {
        let mut list = super::process::head();
        list.extend(
            head.iter()
                .filter(|(name, _)| name.starts_with(b"big"))
                .cloned(),
        );
        let mut trailers = ok();
        trailers.extend(
            head.iter()
                .filter(|(name, _)| name.starts_with(b"big"))
                .cloned(),
        );
        vec![Event::Headers(list, false), Event::Headers(trailers, true)]
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    for size in [8_000, 16_000, 32_000, 60_000] {
        let one = vec![(b"big".to_vec(), vec![b'v'; size])];
        let many: Fields = (0..size / 100)
            .map(|n| (format!("big{n}").into_bytes(), vec![b'v'; 60]))
            .collect();
        for big in [one, many] {
            for piece in [16_384, 1_024, 100] {
                let mut list = request("/a.B/C", &[]);
                list.extend(big.clone());
                let mut client = Peer::client(&proxy.address, &[(6, 1 << 20)]).await;
                let stream = client.new_stream();
                client.block(stream, &list, true, piece).await;
                let reply = client.reply(stream).await;
                assert_eq!(client.goaway, None, "{size} bytes in pieces of {piece}");
                let got = seen.lock().expect("a lock").pop().expect("a request");
                assert_eq!(by_name(&got.head), by_name(&list));
                assert!(
                    reply.head.ends_with(&big),
                    "{size} bytes in the reply's headers"
                );
                assert!(reply.trailers.expect("trailers").ends_with(&big));
            }
        }
    }
}

#[tokio::test]
async fn odd_paths_and_authorities_pass() {
    let seen = Seen::default();
    let upstream = recorder(&seen, fine).await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    let long = format!("/{}", "a".repeat(8_000));
    for path in [
        "/",
        "//",
        "/a",
        "/a.B/C/D/",
        "/a%2Fb%20c",
        "/a?x=1&y=/?",
        "/%zz",
        "/a;b=c,d",
        "/~a'(b)*!",
        "/{a}|b",
        "/.././x",
        "/\u{fc}nicode",
        &long,
    ] {
        for (key, value) in [
            (":authority", "a"),
            (":authority", "[::1]:80"),
            ("host", "only.host"),
        ] {
            let list = fields(&[
                (":method", "POST"),
                (":scheme", "http"),
                (":path", path),
                (key, value),
                ("te", "trailers"),
            ]);
            let stream = client.open(&list, true).await;
            let reply = client.reply(stream).await;
            assert_eq!(
                reply.status().as_deref(),
                Some("0"),
                "{path} {key}: {reply:?}"
            );
            let got = seen.lock().expect("a lock").pop().expect("a request");
            assert_eq!(by_name(&got.head), by_name(&list));
        }
    }
    for (scheme, method) in [("https", "POST"), ("http", "GET"), ("http", "PATCH")] {
        let list = fields(&[
            (":method", method),
            (":scheme", scheme),
            (":path", "/x"),
            (":authority", "a"),
        ]);
        let stream = client.open(&list, true).await;
        client.reply(stream).await;
        let got = seen.lock().expect("a lock").pop().expect("a request");
        assert_eq!(by_name(&got.head), by_name(&list));
    }
}

#[tokio::test]
async fn request_trailers_pass() {
    let seen = Seen::default();
    let upstream = recorder(&seen, fine).await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    let trailers = fields(&[("a", "1"), ("a", "2"), ("b-bin", "AA")]);
    for body in [&b""[..], b"\0\0\0\0\x01x"] {
        let stream = client.open(&request("/a.B/C", &[]), false).await;
        if !body.is_empty() {
            client.data(stream, body, None, false).await;
        }
        client.headers(stream, &trailers, true).await;
        client.reply(stream).await;
        let got = seen.lock().expect("a lock").pop().expect("a request");
        assert_eq!(
            (got.trailers.as_ref(), got.body.as_slice()),
            (Some(&trailers), body)
        );
    }
}

/// Every kind of reply that a path can ask for.
fn kinds(head: &Fields) -> Vec<Event> {
    let path = head
        .iter()
        .find(|(name, _)| name == b":path")
        .expect("a path");
    let path = String::from_utf8_lossy(&path.1).into_owned();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let code = parts[1];
    let message = fields(&[
        ("grpc-status", code),
        ("grpc-message", "50%25 %C3%A9\tmore"),
        ("grpc-status-details-bin", "CAUSBG5vcGU"),
        ("x", "1"),
        ("x", "2"),
    ]);
    let plain = |status: &str| {
        fields(&[
            (":status", status),
            ("content-type", "text/html"),
            ("date", "never"),
        ])
    };
    match parts[0] {
        "trailers" => vec![
            Event::Headers(super::process::head(), false),
            Event::Data(b"\x01\0\0\0\x03\x1f\x8b\x08".as_slice().into(), false),
            Event::Headers(message, true),
        ],
        "bare-trailers" => vec![
            Event::Headers(super::process::head(), false),
            Event::Headers(message, true),
        ],
        "only" => {
            let mut list = super::process::head();
            list.extend(message);
            vec![Event::Headers(list, true)]
        }
        "plain" => vec![
            Event::Headers(plain(code), false),
            Event::Data(b"<html>".as_slice().into(), true),
        ],
        "empty" => vec![Event::Headers(plain(code), true)],
        "no-trailers" => vec![
            Event::Headers(super::process::head(), false),
            Event::Data(b"\0\0\0\0\0".as_slice().into(), true),
        ],
        "end-frame" => vec![
            Event::Headers(super::process::head(), false),
            Event::Data(b"".as_slice().into(), true),
        ],
        other => panic!("no reply of kind {other}"),
    }
}

#[tokio::test]
async fn every_kind_of_reply_stays_what_it_is() {
    let seen = Seen::default();
    let upstream = recorder(&seen, kinds).await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    let mut paths = Vec::new();
    for code in (0..=17).chain([99, 4_294_967_295_u32]) {
        for kind in ["trailers", "bare-trailers", "only"] {
            paths.push(format!("/{kind}/{code}"));
        }
    }
    for status in [
        200, 204, 301, 400, 401, 403, 404, 429, 431, 500, 502, 503, 504,
    ] {
        if status != 204 {
            paths.push(format!("/plain/{status}"));
        }
        paths.push(format!("/empty/{status}"));
    }
    paths.extend(["/no-trailers/0".to_owned(), "/end-frame/0".to_owned()]);
    for path in paths {
        let list = request(&path, &[]);
        let mut expected = Reply::default();
        for event in kinds(&list) {
            match event {
                Event::Headers(list, end) if expected.head.is_empty() => {
                    expected.head = list;
                    expected.only = end;
                }
                Event::Headers(list, _) => expected.trailers = Some(list),
                Event::Data(data, _) => expected.body.extend_from_slice(&data),
                Event::Reset(_) | Event::Lost => {}
            }
        }
        let reply = client.call(&list, b"\0\0\0\0\0").await;
        assert_eq!(reply, expected, "{path}");
    }
}
