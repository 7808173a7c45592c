//! Who begins and does not end, and what is remembered for how long.

use super::peer::*;
use super::process::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATH: &str = "/tensorflow.serving.PredictionService/Predict";

#[tokio::test]
async fn slow_beginnings_are_cut_off_and_slow_bodies_are_not() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start_with(upstream.port, &["--handshake-timeout", "300ms"]);
    let mut victim = proxy.client().await;
    let mut slow = proxy.client().await;
    let stream = slow.open(&request(PATH, &[]), false).await;
    let body = frame(DATA, END_STREAM, stream, b"slow but honest");
    slow.raw(body.slice(..12)).await;

    let settings = frame(SETTINGS, 0, 0, &[]);
    let headers = frame(HEADERS, 0, 1, &[0x83; 100]);
    let begun = |more: &[u8]| [PREFACE, &settings[..], more].concat();
    for (name, bytes, cut) in [
        ("nothing", vec![], "silent"),
        ("half a preface", PREFACE[..10].to_vec(), "silent"),
        ("no settings", PREFACE.to_vec(), "half"),
        ("half a head", begun(&headers[..6]), "half"),
        ("half a frame", begun(&headers[..50]), "half"),
        ("half a block", begun(&headers), "half"),
    ] {
        let mut stream = TcpStream::connect(&proxy.address)
            .await
            .expect("it listens");
        stream.write_all(&bytes).await.expect("written");
        // One more byte now and then, in a block an empty piece, does not help.
        let more = match name {
            "half a block" => frame(CONTINUATION, 0, 1, &[]),
            _ => vec![0].into(),
        };
        let trickles = name == "half a block" || name == "half a frame";
        let mut got = Vec::new();
        let (mut read, mut write) = stream.into_split();
        let feeding = tokio::spawn(async move {
            for _ in 0..600 {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                if trickles && write.write_all(&more).await.is_err() {
                    return;
                }
            }
        });
        let ended = tokio::time::timeout(
            std::time::Duration::from_secs(60),
            read.read_to_end(&mut got),
        );
        assert!(ended.await.is_ok(), "{name} is not cut off");
        feeding.abort();
        let metrics = proxy.admin("/metrics").await;
        assert!(
            metrics.lines().any(|line| {
                line.starts_with(&format!(
                    "flatline_connections_cut_total{{reason=\"{cut}\"}}"
                )) && !line.ends_with(" 0")
            }),
            "{name}"
        );
        assert_eq!(victim.call(&request(PATH, &[]), b"x").await.body, b"x");
    }
    slow.raw(body.slice(12..)).await;
    assert_eq!(slow.reply(stream).await.body, b"slow but honest");
}

#[tokio::test]
async fn cancels_by_the_thousand_with_replies_on_their_way_end_no_connection() {
    // The upstream goes on sending for a while on streams that were reset.
    let upstream = Upstream::start(&[], |mut peer, _| async move {
        while let Some(stream) = peer.accept().await {
            let Event::Headers(list, _) = peer.event(stream).await else {
                return;
            };
            if list.iter().any(|(_, value)| value == b"/last") {
                peer.headers(stream, &head(), false).await;
                peer.headers(stream, &ok(), true).await;
                continue;
            }
            peer.headers(stream, &head(), false).await;
            while !matches!(peer.event(stream).await, Event::Reset(_)) {}
            for _ in 0..3 {
                peer.send(DATA, 0, stream, b"too late").await;
            }
            peer.headers(stream, &ok(), true).await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    for _ in 0..3_000 {
        let stream = client.open(&request("/cancelled", &[]), false).await;
        assert!(matches!(client.event(stream).await, Event::Headers(..)));
        client.reset(stream, 8).await;
    }
    let stream = client.open(&request("/last", &[]), true).await;
    let reply = client.reply(stream).await;
    assert_eq!(
        (reply.status().as_deref(), client.goaway),
        (Some("0"), None)
    );
    let connections = upstream
        .connections
        .load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(connections, 1, "the upstream's connection stands");
}

#[tokio::test]
async fn early_replies_by_the_thousand_end_no_connection() {
    let upstream = Upstream::start(&[], |mut peer, _| async move {
        while let Some(stream) = peer.accept().await {
            peer.event(stream).await;
            peer.headers(stream, &head(), false).await;
            peer.headers(stream, &ok(), true).await;
            peer.reset(stream, 0).await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    for _ in 0..3_000 {
        let stream = client.open(&request(PATH, &[]), false).await;
        let reply = client.reply(stream).await;
        let goaway = client.goaway;
        assert_eq!(reply.status().as_deref(), Some("0"), "{reply:?} {goaway:?}");
        client.event(stream).await;
        // Was on its way when the reset came.
        client.send(DATA, 0, stream, b"more").await;
        client.send(DATA, END_STREAM, stream, b"still more").await;
    }
    let stream = client.open(&request(PATH, &[]), false).await;
    let reply = client.reply(stream).await;
    assert_eq!(
        (reply.status().as_deref(), client.goaway),
        (Some("0"), None)
    );
}
