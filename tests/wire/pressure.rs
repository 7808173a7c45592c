//! Who is slow stalls himself; many at once; memory stays bounded.

use super::peer::*;
use super::process::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const PATH: &str = "/any.Service/M";

/// Sends `/flood` replies without end, and echoes everything else. Counts the flood's bytes.
async fn flood(mut peer: Peer, piece: usize, sent: Arc<AtomicUsize>) {
    let data = vec![7; piece];
    loop {
        let Some(stream) = peer.accept().await else {
            return;
        };
        let Event::Headers(list, _) = peer.event(stream).await else {
            return;
        };
        peer.headers(stream, &head(), false).await;
        if list.iter().any(|(_, value)| value == b"/flood") {
            while peer.may_send(stream) >= piece as i64 {
                peer.data(stream, &data, None, false).await;
                sent.fetch_add(piece, Ordering::SeqCst);
            }
            peer.flooding.push(stream);
        } else {
            peer.headers(stream, &ok(), true).await;
        }
        for stream in peer.flooding.clone() {
            while peer.may_send(stream) >= piece as i64 {
                peer.data(stream, &data, None, false).await;
                sent.fetch_add(piece, Ordering::SeqCst);
            }
        }
    }
}

#[tokio::test]
async fn sixty_stalled_readers_hold_up_nobody_and_little_memory() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let upstream = Upstream::start(&[(4, 1 << 20)], move |peer, _| {
        flood(peer, 8_192, Arc::clone(&count))
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let before = proxy.memory();
    // No window at all, so nothing can be sent to this client.
    let mut stalled = Peer::client(&proxy.address, &[(4, 0)]).await;
    stalled.refill = false;
    let mut beside = proxy.client().await;
    for _ in 0..60 {
        stalled.open(&request("/flood", &[]), true).await;
    }
    let mut worst = std::time::Duration::ZERO;
    for _ in 0..300 {
        let start = std::time::Instant::now();
        let reply = beside.call(&request(PATH, &[]), b"x").await;
        worst = worst.max(start.elapsed());
        assert_eq!(reply.status().as_deref(), Some("0"));
    }
    // On the stalled connection too.
    let stream = stalled.open(&request(PATH, &[]), true).await;
    assert_eq!(stalled.reply(stream).await.status().as_deref(), Some("0"));
    let sent = sent.load(Ordering::SeqCst);
    assert!(
        sent <= 60 * (2 << 20),
        "{sent} bytes taken for readers that read nothing"
    );
    let grown = proxy.peak().saturating_sub(before);
    println!(
        "60 stalled: {} KiB taken of each, {grown} KiB more, worst call beside {worst:?}",
        sent / 60 / 1024
    );
    assert!(grown < 64 << 10, "{grown} KiB");
}

#[tokio::test]
async fn tiny_messages_to_a_reader_that_stalls_and_goes_on() {
    let upstream = Upstream::start(&[], |mut peer, _| async move {
        while let Some(stream) = peer.accept().await {
            peer.headers(stream, &head(), false).await;
            for n in 0..60_000_u32 {
                let message = [&[0, 0, 0, 0, 4][..], &n.to_be_bytes()].concat();
                peer.data(stream, &message, None, false).await;
            }
            peer.headers(stream, &ok(), true).await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let before = proxy.memory();
    let mut client = Peer::client(&proxy.address, &[(4, 0)]).await;
    let mut beside = proxy.client().await;
    client.refill = false;
    let stream = client.open(&request(PATH, &[]), true).await;
    assert!(matches!(client.event(stream).await, Event::Headers(..)));
    // The whole reply has gone as far as it can when nothing more moves beside it.
    for _ in 0..50 {
        assert!(beside.settle().await && client.settle().await);
    }
    client.refill = true;
    client.settings(&[(4, 100_000)]).await;
    let mut body = Vec::new();
    loop {
        match client.event(stream).await {
            Event::Data(data, false) => body.extend_from_slice(&data),
            Event::Headers(trailers, true) => {
                assert_eq!(trailers, ok());
                break;
            }
            event => panic!("{event:?} after {} bytes", body.len()),
        }
    }
    assert_eq!(body.len(), 60_000 * 9);
    for (n, message) in body.chunks(9).enumerate() {
        assert_eq!(message[5..], (n as u32).to_be_bytes());
    }
    let grown = proxy.peak().saturating_sub(before);
    println!("60,000 tiny messages to a stalled reader: {grown} KiB more");
    assert!(grown < 16 << 10, "{grown} KiB");
}

#[tokio::test]
async fn a_slow_upstream_stalls_its_uploader_alone() {
    let upstream = Upstream::start(&[(4, 100)], |mut peer, _| async move {
        peer.refill = false;
        while let Some(stream) = peer.accept().await {
            let Event::Headers(list, _) = peer.event(stream).await else {
                return;
            };
            if list.iter().any(|(_, value)| value == b"/quick") {
                peer.headers(stream, &head(), false).await;
                peer.headers(stream, &ok(), true).await;
            }
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    let stuck = client.open(&request(PATH, &[]), false).await;
    let mut taken = 0;
    while client.may_send(stuck) >= 1_000 {
        client.data(stuck, &[0; 1_000], None, false).await;
        taken += 1_000;
        if client.may_send(stuck) < 1_000 {
            client.settle().await;
        }
    }
    assert!(
        taken <= 2 << 20,
        "{taken} bytes taken for an upstream that reads nothing"
    );
    for _ in 0..100 {
        let stream = client.open(&request("/quick", &[]), true).await;
        assert_eq!(client.reply(stream).await.status().as_deref(), Some("0"));
    }
}

#[tokio::test]
async fn a_window_that_shrinks_in_a_stream_loses_nothing() {
    let upstream = Upstream::start(&[(4, 50_000)], |mut peer, _| async move {
        let stream = peer.accept().await.expect("a call");
        // Below zero, as HTTP/2 allows, and up again.
        for window in [50_000, 10, 0, 100, 1 << 20] {
            peer.settings(&[(4, window)]).await;
            peer.settle().await;
        }
        let body = peer.reply(stream).await.body;
        peer.headers(stream, &head(), false).await;
        peer.body(stream, &body, false).await;
        peer.headers(stream, &ok(), true).await;
        peer.settle().await;
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    let body: Vec<u8> = (0..300_000_u32).map(|n| (n / 7) as u8).collect();
    let stream = client.open(&request(PATH, &[]), false).await;
    for (n, piece) in body.chunks(10_000).enumerate() {
        client.data(stream, piece, None, false).await;
        client.settings(&[(4, [20_000, 0, 5][n % 3])]).await;
    }
    client.data(stream, &[], None, true).await;
    client.settings(&[(4, 1 << 20)]).await;
    let reply = client.reply(stream).await;
    assert!(reply.body == body);
}

#[tokio::test]
async fn a_thousand_streams_at_once_on_one_connection_and_over_ten() {
    // Nobody is answered before all thousand are open.
    let open = Arc::new(tokio::sync::Barrier::new(1_000));
    let upstream = Upstream::start(&[(3, 10_000)], move |mut peer, number| {
        let open = Arc::clone(&open);
        async move {
            let share = if number == 0 { 1_000 } else { 100 };
            loop {
                let mut streams = Vec::new();
                for _ in 0..share {
                    let Some(stream) = peer.accept().await else {
                        return;
                    };
                    streams.push(stream);
                }
                let waiting: Vec<_> = (0..share)
                    .map(|_| {
                        tokio::spawn({
                            let open = Arc::clone(&open);
                            async move {
                                open.wait().await;
                            }
                        })
                    })
                    .collect();
                for wait in waiting {
                    wait.await.expect("no panic");
                }
                for stream in streams {
                    peer.headers(stream, &head(), false).await;
                    peer.data(stream, &stream.to_be_bytes(), None, false).await;
                    peer.headers(stream, &ok(), true).await;
                }
            }
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    for connections in [1, 10] {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let mut client = proxy.client().await;
            clients.spawn(async move {
                let mut streams = Vec::new();
                for _ in 0..1_000 / connections {
                    streams.push(client.open(&request(PATH, &[]), true).await);
                }
                for stream in streams {
                    let reply = client.reply(stream).await;
                    assert_eq!(
                        (reply.status().as_deref(), reply.body.len()),
                        (Some("0"), 4)
                    );
                }
            });
        }
        while let Some(done) = clients.join_next().await {
            done.expect("no call failed");
        }
    }
}

#[tokio::test]
async fn connections_and_calls_by_the_thousand_leave_nothing_behind() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(upstream.port);
    let list = request("/tensorflow.serving.PredictionService/Predict", &[]);
    let mut steady = proxy.client().await;
    for _ in 0..1_000 {
        steady.call(&list, b"\0\0\0\0\0").await;
    }
    let (memory, descriptors) = (proxy.memory(), proxy.descriptors());
    for round in 0..300 {
        let mut client = proxy.client().await;
        client.call(&list, b"\0\0\0\0\0").await;
        if round % 3 == 0 {
            client.open(&list, false).await;
        }
    }
    for _ in 0..10_000 {
        let reply = steady.call(&list, b"\0\0\0\0\0").await;
        assert_eq!(reply.status().as_deref(), Some("0"));
    }
    while proxy.descriptors() > descriptors {
        steady.settle().await;
    }
    let grown = proxy.memory().saturating_sub(memory);
    println!("300 connections and 10,000 calls: {grown} KiB more");
    assert!(grown < 4 << 10, "{grown} KiB");
}

#[tokio::test]
async fn what_idle_connections_and_open_streams_hold() {
    let upstream = Upstream::start(&[(3, 100_000)], |mut peer, _| async move {
        while let Some(stream) = peer.accept().await {
            peer.headers(stream, &head(), false).await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    for (round, _) in [("warm", 0), ("measured", 1)] {
        let before = proxy.memory();
        for _ in 0..2_000 {
            let stream = client.open(&request(PATH, &[]), false).await;
            assert!(matches!(client.event(stream).await, Event::Headers(..)));
        }
        let each = proxy.memory().saturating_sub(before) * 1024 / 2_000;
        println!("{round}: {each} bytes a stream");
        assert!(each < 8 << 10, "{each} bytes a stream");
    }
    let before = proxy.memory();
    let mut silent = Vec::new();
    for _ in 0..300 {
        let mut client = proxy.client().await;
        client.settle().await;
        silent.push(client);
    }
    let each = proxy.memory().saturating_sub(before) / 300;
    println!("{each} KiB a connection without a call");
    assert!(each < 32, "{each} KiB a connection without a call");
    let before = proxy.memory();
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut client = proxy.client().await;
        let stream = client.open(&request(PATH, &[]), false).await;
        assert!(matches!(client.event(stream).await, Event::Headers(..)));
        client.reset(stream, 8).await;
        client.settle().await;
        idle.push(client);
    }
    let each = proxy.memory().saturating_sub(before) / 300;
    println!("{each} KiB an idle connection, its upstream's included");
    assert!(each < 50, "{each} KiB an idle connection");
}
