//! Upstreams that refuse, die or say goodbye.

use super::peer::*;
use super::process::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

const REFUSED_STREAM: u32 = 7;
const PATH: &str = "/tensorflow.serving.PredictionService/Predict";

/// Answers every stream at once, until `stop` says that the connection has served enough.
async fn serve(peer: &mut Peer, most: usize) {
    for _ in 0..most {
        let Some(stream) = peer.accept().await else {
            return;
        };
        let got = peer.reply(stream).await;
        peer.headers(stream, &head(), false).await;
        peer.body(stream, &got.body, false).await;
        peer.headers(stream, &ok(), true).await;
    }
}

#[tokio::test]
async fn goaway_and_death_tell_processed_calls_from_unprocessed_ones() {
    for (code, last, expected) in [(0, 1, 1), (2, 1, 1), (11, 3, 2), (0, 0, 0)] {
        let upstream = Upstream::start(&[], move |mut peer, number| async move {
            if number > 0 {
                return serve(&mut peer, usize::MAX).await;
            }
            for _ in 0..3 {
                peer.accept().await;
            }
            peer.goaway(last, code).await;
            // Read by the proxy before the connection ends under it.
            peer.settle().await;
        })
        .await;
        let proxy = Proxy::start(upstream.port);
        let mut client = proxy.client().await;
        let list = request(PATH, &[]);
        let streams = [
            client.open(&list, false).await,
            client.open(&list, false).await,
            client.open(&list, false).await,
        ];
        // Which of them came first at the upstream is nobody's promise; how many are unprocessed is.
        let (mut lost, mut refused) = (0, 0);
        for stream in streams {
            let reply = client.reply(stream).await;
            if reply.reset == Some(REFUSED_STREAM) {
                refused += 1;
            } else {
                assert_eq!(
                    reply.status().as_deref(),
                    Some("14"),
                    "{code} {last}: {reply:?}"
                );
                assert!(reply.only, "Trailers-Only");
                lost += 1;
            }
        }
        assert_eq!((lost, refused), (expected, 3 - expected), "{code} {last}");
        let again = client.call(&list, b"again").await;
        assert_eq!(
            (again.status().as_deref(), &again.body[..]),
            (Some("0"), &b"again"[..])
        );
    }
}

#[tokio::test]
async fn connections_that_age_out_under_load_cost_no_call() {
    // As gRPC servers do it: a first GOAWAY, a PING, and when that came back the last stream.
    let upstream = Upstream::start(&[], |mut peer, _| async move {
        serve(&mut peer, 20).await;
        peer.goaway(0x7fff_ffff, 0).await;
        let mut last = 0;
        let before = peer.pongs;
        peer.send(PING, 0, 0, b"farewell").await;
        while peer.pongs == before && peer.step().await {}
        let mut left = Vec::new();
        while let Some(stream) = peer.accepted() {
            last = last.max(stream);
            left.push(stream);
        }
        peer.goaway(last.max(39), 0).await;
        for stream in left {
            let got = peer.reply(stream).await;
            peer.headers(stream, &head(), false).await;
            peer.body(stream, &got.body, false).await;
            peer.headers(stream, &ok(), true).await;
        }
        peer.settle().await;
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let again = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (mut client, again) = (proxy.client().await, Arc::clone(&again));
        clients.spawn(async move {
            let list = request("/any.Service/M", &[]);
            for n in 0..100_u8 {
                let mut open = Vec::new();
                for _ in 0..3 {
                    let stream = client.open(&list, false).await;
                    client.body(stream, &[n; 9], true).await;
                    open.push(stream);
                }
                while let Some(stream) = open.pop() {
                    let reply = client.reply(stream).await;
                    if reply.reset == Some(REFUSED_STREAM) {
                        // Every gRPC client sends such a call again by itself.
                        again.fetch_add(1, Ordering::SeqCst);
                        let stream = client.open(&list, false).await;
                        client.body(stream, &[n; 9], true).await;
                        open.push(stream);
                        continue;
                    }
                    assert_eq!(
                        (reply.status().as_deref(), &reply.body[..]),
                        (Some("0"), &[n; 9][..]),
                        "{reply:?}"
                    );
                }
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("no call failed");
    }
    println!(
        "refused and sent again: {} of 1200",
        again.load(Ordering::SeqCst)
    );
}

#[tokio::test]
async fn an_upstream_that_dies_is_unavailable_wherever_it_was() {
    // Where the connection is cut, by its number.
    let upstream = Upstream::start(&[], |mut peer, number| async move {
        if number > 7 {
            return serve(&mut peer, usize::MAX).await;
        }
        let stream = peer.accept().await.expect("a call");
        match number {
            0 => {}
            1 => peer.headers(stream, &head(), false).await,
            2 => {
                peer.headers(stream, &head(), false).await;
                peer.data(stream, b"half", None, false).await;
            }
            // In a frame's head, in a frame, in a header block.
            3 => {
                peer.headers(stream, &head(), false).await;
                peer.raw(frame(DATA, 0, stream, b"x").slice(..5)).await;
            }
            4 => {
                peer.headers(stream, &head(), false).await;
                peer.raw(frame(DATA, 0, stream, &[1; 100]).slice(..50))
                    .await;
            }
            5 => peer.block(stream, &head(), false, 10_000).await,
            6 => {
                peer.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice().into())
                    .await;
            }
            _ => {
                peer.send(HEADERS, END_HEADERS, stream, &[0xff; 40]).await;
            }
        }
        // All that was written goes out before the cut.
        peer.send(DATA, 0, 0, &[]).await;
        tokio::task::yield_now().await;
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    for case in 0..8 {
        let reply = client.call(&request(PATH, &[]), b"\0\0\0\0\0").await;
        assert_eq!(
            reply.status().as_deref(),
            Some("14"),
            "case {case}: {reply:?}"
        );
        assert_eq!(reply.reset, None, "case {case}");
    }
    let reply = client.call(&request(PATH, &[]), b"\0\0\0\0\0").await;
    assert_eq!(reply.status().as_deref(), Some("0"), "and it is back");
}

#[tokio::test]
async fn no_more_streams_at_once_than_the_upstream_allows() {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let upstream = Upstream::start(&[(3, 10)], move |mut peer, _| {
        let seen = Arc::clone(&seen);
        async move {
            let (mut open, mut answered) = (Vec::new(), 0);
            loop {
                while let Some(stream) = peer.accepted() {
                    open.push(stream);
                }
                seen.fetch_max(open.len(), Ordering::SeqCst);
                // The oldest is answered only when as many are open as may be, or all are.
                if open.len() >= 10 || answered + open.len() == 300 && !open.is_empty() {
                    answered += 1;
                    let stream = open.remove(0);
                    peer.headers(stream, &head(), false).await;
                    peer.headers(stream, &ok(), true).await;
                } else if !peer.step().await {
                    return;
                }
            }
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    let mut streams = Vec::new();
    for _ in 0..300 {
        streams.push(client.open(&request("/any.Service/M", &[]), true).await);
    }
    for stream in streams {
        assert_eq!(client.reply(stream).await.status().as_deref(), Some("0"));
    }
    assert_eq!(most.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn idle_connections_closed_by_the_upstream_cost_nothing() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let upstream = Upstream::start(&[], move |mut peer, _| {
        let tell = tell.clone();
        async move {
            serve(&mut peer, 1).await;
            peer.goaway(1, 0).await;
            peer.settle().await;
            let _ = tell.send(());
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    for n in 0..100_u8 {
        let reply = client.call(&request("/any.Service/M", &[]), &[n]).await;
        assert_eq!(
            (reply.status().as_deref(), &reply.body[..]),
            (Some("0"), &[n][..])
        );
        told.recv().await.expect("it is closed");
    }
    assert_eq!(upstream.connections.load(Ordering::SeqCst), 100);
}

#[tokio::test]
async fn killed_and_restarted_under_load_fails_no_call_beyond_the_outage() {
    let upstream = Upstream::echo().await;
    let port = upstream.port;
    let proxy = Proxy::start(port);
    let mut client = proxy.client().await;
    let list = request(PATH, &[]);
    let mut upstream = Some(upstream);
    for _ in 0..20 {
        assert_eq!(client.call(&list, b"up").await.body, b"up");
        drop(upstream.take());
        let away = client.call(&list, b"away").await;
        assert_eq!(away.status().as_deref(), Some("14"), "{away:?}");
        upstream = Some(Upstream::start_at(port, &[], |peer, _| echo(peer)).await);
        let back = client.call(&list, b"back").await;
        assert_eq!(back.body, b"back", "the first call after: {back:?}");
    }
}
