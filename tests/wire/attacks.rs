//! Peers that mean harm: memory stays bounded, others are served, and nothing spins afterwards.

use super::peer::*;
use super::process::*;
use bytes::{Bytes, BytesMut};
use std::time::{Duration, Instant};

const PATH: &str = "/tensorflow.serving.PredictionService/Predict";

/// More memory than this is not bounded, KiB.
const BOUND: u64 = 32 << 10;

/// Lets `attack` have its way on connections of its own while another client makes calls.
async fn survives<A, F>(name: &str, attack: A)
where
    A: Fn(Peer) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(upstream.port);
    let mut victim = proxy.client().await;
    let list = request(PATH, &[]);
    assert_eq!(victim.call(&list, b"before").await.body, b"before");
    let before = proxy.memory();
    let mut attacks = tokio::task::JoinSet::new();
    for _ in 0..3 {
        attacks.spawn(attack(Peer::client(&proxy.address, &[]).await));
    }
    let mut worst = Duration::ZERO;
    let mut calls = 0;
    while !attacks.is_empty() || calls < 50 {
        while let Some(done) = attacks.try_join_next() {
            done.expect("the attack itself works");
        }
        let start = Instant::now();
        let reply = victim.call(&list, b"\0\0\0\0\x01x").await;
        worst = worst.max(start.elapsed());
        calls += 1;
        assert_eq!(reply.status().as_deref(), Some("0"), "{name}: {reply:?}");
    }
    let grown = proxy.peak().saturating_sub(before);
    // A process that is at rest takes no time: half a second of one that spins are 50 ticks. On a busy
    // machine it may first have to read what the attackers left behind.
    let mut spent = u64::MAX;
    for _ in 0..20 {
        let ticks = proxy.ticks();
        tokio::time::sleep(Duration::from_millis(500)).await;
        spent = proxy.ticks() - ticks;
        if spent < 15 {
            break;
        }
    }
    println!(
        "{name}: {grown} KiB more, {calls} calls beside it, worst {worst:?}, {spent} ticks at rest"
    );
    assert!(grown < BOUND, "{name}: {grown} KiB more");
    assert!(
        spent < 15,
        "{name}: {spent} ticks of 10 ms in half a second of rest"
    );
    assert_eq!(victim.call(&list, b"after").await.body, b"after", "{name}");
}

/// Sends `bytes` again and again, until it is cut off or has done it `times` times.
async fn repeat(peer: &Peer, bytes: Bytes, times: usize) {
    // In larger writes, as an attacker would.
    let batch: Bytes = bytes.repeat(64).into();
    for _ in 0..times.div_ceil(64) {
        if !peer.raw(batch.clone()).await {
            return;
        }
    }
}

fn noise(random: &mut fastrand::Rng, most: usize) -> Vec<u8> {
    let length = random.usize(..most);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
}

#[tokio::test]
async fn rapid_reset() {
    survives("rapid reset", |mut peer| async move {
        for _ in 0..20_000 {
            let stream = peer.open(&request(PATH, &[]), false).await;
            peer.reset(stream, 8).await;
            if peer.is_cut() {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn made_you_reset() {
    // The proxy is led to reset streams itself: by an empty window update, data after the end,
    // a window that overflows, a priority on itself.
    for trick in 0..4 {
        survives("MadeYouReset", move |mut peer| async move {
            for _ in 0..10_000 {
                let stream = peer.open(&request(PATH, &[]), trick != 1).await;
                match trick {
                    0 => drop(peer.send(WINDOW_UPDATE, 0, stream, &[0; 4]).await),
                    1 => drop(peer.send(HEADERS, END_HEADERS, stream, &[0x82]).await),
                    2 => drop(
                        peer.send(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes())
                            .await,
                    ),
                    _ => {
                        let mut on_itself = stream.to_be_bytes().to_vec();
                        on_itself.push(1);
                        peer.send(PRIORITY, 0, stream, &on_itself).await;
                    }
                }
                if peer.is_cut() {
                    return;
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn continuation_floods() {
    for piece in [0, 1, 16_000] {
        survives("CONTINUATION flood", move |mut peer| async move {
            let block = peer.encode(&request(PATH, &[]));
            peer.send(HEADERS, 0, 1, &block).await;
            // Literal fields without end: name `a`, value of the rest.
            let mut payload = vec![b'a'; piece];
            if piece > 10 {
                payload[..5].copy_from_slice(&[0x00, 1, b'a', 0x7f, 0xff]);
            }
            repeat(&peer, frame(CONTINUATION, 0, 1, &payload), 30_000).await;
        })
        .await;
    }
}

#[tokio::test]
async fn floods_of_small_frames() {
    let floods: [(&str, Bytes); 8] = [
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])),
        ("empty SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])),
        ("unknown", frame(0xbe, 0xff, 5, &[0; 100])),
        ("empty DATA", frame(DATA, 0, 1, &[])),
        ("padding", frame(DATA, PADDED, 1, &[200; 201])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 0])),
    ];
    for (name, flood) in floods {
        survives(name, move |mut peer| {
            let flood = flood.clone();
            async move {
                peer.open(&request(PATH, &[]), false).await;
                repeat(&peer, flood, 200_000).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn header_bombs() {
    survives("HPACK bomb", |mut peer| async move {
        // One large entry into the table, then a thousand references of one byte to it.
        let mut block = peer.encode(&request(PATH, &[]));
        block.extend([0x40, 1, b'a', 0x7f, 0xa1, 0x1e]);
        block.extend(vec![b'v'; 4_000]);
        block.extend(vec![0xbe; 10_000]);
        for _ in 0..200 {
            let stream = peer.new_stream();
            peer.send(HEADERS, END_HEADERS | END_STREAM, stream, &block)
                .await;
            block = [vec![0xbe; 16_000]].concat();
        }
    })
    .await;
    survives("oversized blocks", |mut peer| async move {
        for _ in 0..50 {
            let huge = "v".repeat(1 << 20);
            let stream = peer.new_stream();
            peer.block(stream, &request(PATH, &[("big", &huge)]), true, 16_384)
                .await;
            if peer.is_cut() {
                return;
            }
        }
    })
    .await;
    survives("oversized paths", |mut peer| async move {
        for _ in 0..200 {
            let path = format!("/{}", "p".repeat(100_000));
            let stream = peer.new_stream();
            peer.block(stream, &request(&path, &[]), true, 16_384).await;
            if peer.is_cut() {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn bad_requests() {
    survives("bad pseudo-headers", |mut peer| async move {
        let bad = [
            &[(":method", "POST")][..],
            &[(":path", "/a"), (":scheme", "http")],
            &[(":method", "POST"), (":path", ""), (":scheme", "http")],
            &[
                (":method", "POST"),
                (":method", "GET"),
                (":path", "/"),
                (":scheme", "http"),
            ],
            &[
                (":method", "POST"),
                (":path", "/"),
                (":scheme", "http"),
                ("UPPER", "x"),
            ],
            &[
                (":method", "POST"),
                (":path", "/"),
                (":scheme", "http"),
                (":status", "200"),
            ],
            &[
                (":method", "POST"),
                (":path", "/"),
                (":scheme", "http"),
                (":odd", "x"),
            ],
            &[
                ("a", "b"),
                (":method", "POST"),
                (":path", "/"),
                (":scheme", "http"),
            ],
            &[
                (":method", "POST"),
                (":path", "/"),
                (":scheme", "http"),
                ("connection", "close"),
            ],
            &[
                (":method", "POST"),
                (":path", "no slash"),
                (":scheme", "http"),
            ],
            &[
                (":method", "POST"),
                (":path", "/"),
                (":scheme", "http"),
                ("te", "gzip"),
            ],
            &[(":method", "CONNECT"), (":authority", "a:1")],
        ];
        for _ in 0..20 {
            for list in bad {
                peer.open(&fields(list), true).await;
            }
        }
        peer.settle().await;
    })
    .await;
}

#[tokio::test]
async fn not_http2_at_all() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(upstream.port);
    let mut random = fastrand::Rng::with_seed(7);
    let mut victim = proxy.client().await;
    for round in 0..200 {
        use tokio::io::AsyncWriteExt;
        let mut stream = tokio::net::TcpStream::connect(&proxy.address)
            .await
            .expect("it listens");
        let mut bytes: Vec<u8> = match round % 4 {
            0 => b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            1 => b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
            2 => Vec::new(),
            _ => PREFACE.to_vec(),
        };
        bytes.extend(noise(&mut random, 2_000));
        let _ = stream.write_all(&bytes).await;
        let reply = victim.call(&request(PATH, &[]), b"x").await;
        assert_eq!(reply.status().as_deref(), Some("0"));
    }
}

#[tokio::test]
async fn random_frames() {
    for seed in 0..4 {
        survives("random frames", move |mut peer| async move {
            let mut random = fastrand::Rng::with_seed(seed);
            for _ in 0..2_000 {
                let mut batch = BytesMut::new();
                for _ in 0..20 {
                    let payload = noise(&mut random, 60);
                    batch.extend(frame(
                        random.u8(..12),
                        random.u8(..),
                        random.u32(..9),
                        &payload,
                    ));
                }
                peer.open(&request(PATH, &[]), random.bool()).await;
                if !peer.raw(batch.freeze()).await {
                    return;
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn decompression_bombs_towards_the_analyzer() {
    use std::io::Write;
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..1_024 {
        zip.write_all(&[0; 1 << 20]).expect("memory");
    }
    let bomb = zip.finish().expect("memory");
    let mut message = vec![1];
    message.extend((bomb.len() as u32).to_be_bytes());
    message.extend(&bomb);
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start_with(upstream.port, &["--tap-bytes-per-call", "4MiB"]);
    let mut client = proxy.client().await;
    let list = request(PATH, &[("grpc-encoding", "gzip")]);
    client.call(&list, b"\0\0\0\0\0").await;
    let before = proxy.memory();
    for _ in 0..3 {
        let reply = client.call(&list, &message).await;
        assert!(reply.body == message, "1 GiB, packed, passes as it is");
    }
    // The report comes behind the calls.
    let report = proxy.admin("/api/v1/verdicts").await;
    assert!(report.contains("\"inflated_too_large\""), "{report}");
    let grown = proxy.peak().saturating_sub(before);
    assert!(grown < BOUND, "{grown} KiB more");
}
