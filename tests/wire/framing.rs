//! Bytes are exact, however they are cut.

use super::peer::*;
use super::process::*;

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
}

/// Sends `body` in pieces of any size, padded or not, some of them empty.
async fn cut(peer: &mut Peer, stream: u32, body: &[u8], random: &mut fastrand::Rng, end: bool) {
    let mut rest = body;
    while !rest.is_empty() {
        let most = [1, 7, 300, 5_000, 16_000][random.usize(..5)];
        let (piece, behind) = rest.split_at(random.usize(..=most.min(rest.len())));
        let padding = random.bool().then(|| random.u8(..));
        peer.data(stream, piece, padding, false).await;
        rest = behind;
    }
    if end {
        peer.data(stream, &[], None, true).await;
    }
}

#[tokio::test]
async fn any_cutting_and_padding_in_both_directions() {
    let upstream = Upstream::start(&[], |mut peer, number| async move {
        let mut random = fastrand::Rng::with_seed(number as u64 + 100);
        while let Some(stream) = peer.accept().await {
            let got = peer.reply(stream).await;
            peer.headers(stream, &head(), false).await;
            cut(&mut peer, stream, &got.body, &mut random, false).await;
            peer.headers(stream, &ok(), true).await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut client = proxy.client().await;
        for path in [
            "/any.Service/M",
            "/tensorflow.serving.PredictionService/Predict",
        ] {
            let body = noise(100_000, seed);
            let stream = client.open(&request(path, &[]), false).await;
            cut(&mut client, stream, &body, &mut random, true).await;
            let reply = client.reply(stream).await;
            assert!(reply.body == body, "seed {seed}");
            assert_eq!(
                (reply.status().as_deref(), client.goaway),
                (Some("0"), None)
            );
        }
    }
}

#[tokio::test]
async fn single_bytes_and_empty_frames_by_the_thousand() {
    let upstream = Upstream::start(&[], |mut peer, _| async move {
        while let Some(stream) = peer.accept().await {
            let got = peer.reply(stream).await;
            peer.headers(stream, &head(), false).await;
            for byte in got.body {
                peer.data(stream, &[], None, false).await;
                peer.data(stream, &[byte], None, false).await;
            }
            peer.headers(stream, &ok(), true).await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    let body = noise(20_000, 1);
    let stream = client.open(&request("/any.Service/M", &[]), false).await;
    for byte in &body {
        client.data(stream, &[*byte], None, false).await;
        client.data(stream, &[], None, false).await;
    }
    // Padding without a byte: ten times what a stream's window holds, so it is given back.
    for _ in 0..20_000 {
        client.data(stream, &[], Some(255), false).await;
    }
    client.data(stream, &[], None, true).await;
    let reply = client.reply(stream).await;
    assert_eq!((client.goaway, reply.reset), (None, None));
    assert!(reply.body == body);
    assert_eq!(reply.status().as_deref(), Some("0"));
}

#[tokio::test]
async fn large_messages_both_ways_four_at_once_in_flat_memory() {
    // Each piece goes back as it comes, so that nobody but the proxy could hold it.
    let upstream = Upstream::start(&[(4, 1 << 20), (5, 1 << 16)], |mut peer, _| async move {
        while let Some(stream) = peer.accept().await {
            peer.event(stream).await;
            peer.headers(stream, &head(), false).await;
            while let Event::Data(data, end) = peer.event(stream).await {
                peer.body(stream, &data, false).await;
                if end {
                    break;
                }
            }
            peer.headers(stream, &ok(), true).await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let before = proxy.memory();
    for at_once in [1, 4] {
        // Made before anyone connects: while they are, no client says a word, and is cut off for that.
        let bodies: Vec<_> = (0..at_once).map(|seed| noise(64 << 20, seed)).collect();
        let mut calls = tokio::task::JoinSet::new();
        for body in bodies {
            let mut client = proxy.client().await;
            calls.spawn(async move {
                let list = request("/any.Service/M", &[]);
                let stream = client.open(&list, false).await;
                let mut back = Vec::with_capacity(body.len());
                for piece in body.chunks(16_384) {
                    client.data(stream, piece, None, false).await;
                    while let Some(event) = client.seen(stream) {
                        if let Event::Data(data, _) = event {
                            back.extend_from_slice(&data);
                        }
                    }
                }
                client.data(stream, &[], None, true).await;
                let reply = client.reply(stream).await;
                back.extend(reply.body);
                let lengths = (back.len(), reply.reset, reply.lost, client.goaway);
                assert!(back == body, "64 MiB there and back: {lengths:?}");
            });
        }
        while let Some(done) = calls.join_next().await {
            done.expect("a whole body");
        }
        let grown = proxy.peak().saturating_sub(before);
        assert!(
            grown < at_once * (8 << 10),
            "{at_once} at once: {grown} KiB more"
        );
    }
}
