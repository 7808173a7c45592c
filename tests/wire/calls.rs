//! Generated calls, made with and without the proxy: each end sees the same.

use super::peer::*;
use super::process::*;
use fastrand::Rng;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

const CASES: u64 = 2_000;

/// How one side speaks: drawn from a number, so that both runs and both ends know it.
struct Speech {
    head: Fields,
    /// Pieces of the body with their padding.
    pieces: Vec<(Vec<u8>, Option<u8>)>,
    end: End,
    cut: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    OnHeaders,
    OnData,
    EmptyData,
    Trailers,
    Reset(u32),
}

fn extra(random: &mut Rng) -> Fields {
    let mut list = Fields::new();
    for _ in 0..random.usize(..6) {
        let name = [
            "k",
            "x-id",
            "data-bin",
            "grpc-timeout",
            "user-agent",
            "cookie",
            "weird.name_~",
        ][random.usize(..7)];
        let length = if random.u8(..) < 8 {
            9_000
        } else {
            random.usize(..30)
        };
        let value: Vec<u8> = (0..length).map(|_| random.u8(b'!'..=b'~')).collect();
        list.push((name.as_bytes().to_vec(), value));
    }
    list
}

fn speech(random: &mut Rng, mut head: Fields, reply: bool) -> Speech {
    head.extend(extra(random));
    let pieces = (0..random.usize(..6))
        .map(|_| {
            let most = [2, 40, 3_000, 16_000][random.usize(..4)];
            let piece: Vec<u8> = (0..random.usize(1..most)).map(|_| random.u8(..)).collect();
            (piece, random.bool().then(|| random.u8(..)))
        })
        .collect();
    let code = [0, 1, 2, 7, 8, 11][random.usize(..6)];
    let end = match random.u8(..8) {
        0 => End::OnHeaders,
        1 => End::Reset(if reply { code } else { 8 }),
        2 => End::EmptyData,
        3 => End::OnData,
        _ if reply => End::Trailers,
        4 => End::Trailers,
        _ => End::OnData,
    };
    Speech {
        head,
        pieces,
        end,
        cut: random.usize(20..20_000),
    }
}

fn spoken(case: u64) -> (Speech, Speech) {
    let mut random = Rng::with_seed(case);
    let path = if random.bool() {
        "/tensorflow.serving.PredictionService/Predict"
    } else {
        "/a.B/C"
    };
    let question = speech(
        &mut random,
        request(path, &[("case", &case.to_string())]),
        false,
    );
    let status = ["200", "200", "200", "404", "503"][random.usize(..5)];
    let head = fields(&[(":status", status), ("content-type", "application/grpc")]);
    (question, speech(&mut random, head, true))
}

async fn speak(peer: &mut Peer, stream: u32, speech: &Speech, random: &mut Rng) {
    let only = speech.end == End::OnHeaders;
    peer.block(stream, &speech.head, only, speech.cut).await;
    if only {
        return;
    }
    let last = speech.pieces.len().wrapping_sub(1);
    for (n, (piece, padding)) in speech.pieces.iter().enumerate() {
        let end = n == last && speech.end == End::OnData;
        peer.data(stream, piece, *padding, end).await;
        // Sometimes on its own, and sometimes in one write with the next.
        if random.u8(..) < 100 {
            tokio::task::yield_now().await;
        }
    }
    match speech.end {
        End::EmptyData => peer.data(stream, &[], None, true).await,
        End::OnData if speech.pieces.is_empty() => peer.data(stream, &[], None, true).await,
        End::Trailers => {
            let mut trailers = fields(&[("grpc-status", "3"), ("grpc-message", "%41 b")]);
            trailers.extend(extra(random));
            peer.block(stream, &trailers, true, speech.cut).await;
        }
        End::Reset(_) | End::OnHeaders | End::OnData => {}
    }
}

/// An upstream that answers as the case says, and tells what it got.
async fn upstream(tell: mpsc::UnboundedSender<Option<Reply>>) -> Upstream {
    Upstream::start(&[(4, 1 << 20)], move |mut peer, _| {
        let tell = tell.clone();
        async move {
            while let Some(stream) = peer.accept().await {
                let _ = tell.send(None);
                let got = peer.reply(stream).await;
                let case = got
                    .head
                    .iter()
                    .find(|(name, _)| name == b"case")
                    .expect("a case");
                let case = String::from_utf8_lossy(&case.1).parse().expect("a number");
                let cancelled = got.reset.is_some();
                let _ = tell.send(Some(got));
                if !cancelled {
                    let mut random = Rng::with_seed(case ^ 1);
                    let (_, answer) = spoken(case);
                    speak(&mut peer, stream, &answer, &mut random).await;
                    if let End::Reset(code) = answer.end {
                        peer.reset(stream, code).await;
                    }
                }
            }
        }
    })
    .await
}

/// What may be compared: values by name, and no more of a reset stream than how it ended.
fn seen(reply: &Reply) -> impl PartialEq + std::fmt::Debug + use<> {
    let by_name = |list: &Fields| {
        let mut map = BTreeMap::<Vec<u8>, Vec<Vec<u8>>>::new();
        for (name, value) in list {
            map.entry(name.clone()).or_default().push(value.clone());
        }
        map
    };
    let whole = reply.reset.is_none();
    (
        whole.then(|| (by_name(&reply.head), reply.body.clone(), reply.only)),
        reply.trailers.as_ref().map(by_name),
        reply.reset,
        reply.lost,
    )
}

#[tokio::test]
async fn generated_calls_are_the_same_with_and_without_the_proxy() {
    let seed = std::env::var("FLATLINE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| fastrand::u64(..1 << 40));
    println!("FLATLINE_SEED={seed}");
    let (tell, mut told) = mpsc::unbounded_channel();
    let upstream = upstream(tell).await;
    let proxy = Proxy::start(upstream.port);
    let direct = format!("127.0.0.1:{}", upstream.port);
    let (mut with, mut without) = (proxy.client().await, proxy.client().await);
    for case in seed..seed + CASES {
        if (case - seed).is_multiple_of(50) {
            with = proxy.client().await;
            without = Peer::client(&direct, &[(4, 1 << 20), (5, 1 << 20)]).await;
        }
        let (question, _) = spoken(case);
        let mut ends = Vec::new();
        for client in [&mut with, &mut without] {
            let mut random = Rng::with_seed(case ^ 2);
            let stream = client.new_stream();
            speak(client, stream, &question, &mut random).await;
            assert_eq!(told.recv().await, Some(None), "it is open at the upstream");
            if let End::Reset(code) = question.end {
                client.reset(stream, code).await;
            }
            let got = told.recv().await.flatten().expect("the upstream");
            let reply = match question.end {
                End::Reset(_) => None,
                _ => Some(client.reply(stream).await),
            };
            ends.push((seen(&got), reply.as_ref().map(seen)));
        }
        assert!(
            ends[0] == ends[1],
            "FLATLINE_SEED={case}: with the proxy {:?}\nwithout {:?}",
            ends[0],
            ends[1]
        );
    }
}
