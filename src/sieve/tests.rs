//! The sieve, fed in any pieces.

use super::*;
use proptest::prelude::*;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let length = payload.len();
    Head {
        length,
        kind,
        flags,
        stream,
    }
    .write(&mut out);
    out.extend_from_slice(payload);
    out.to_vec()
}

/// What comes out when `bytes` arrive in pieces of `sizes` and are read `room` at a time.
fn sieved(bytes: &[u8], sizes: &[usize], room: usize) -> Vec<u8> {
    let mut inner = tokio_test_reader(bytes, sizes);
    let mut all = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut sieve = Sieve::new(&mut inner, 4, 1 << 14);
        let mut buffer = vec![0; room];
        loop {
            match sieve.read(&mut buffer).await.expect("no error") {
                0 => return,
                size => all.extend_from_slice(&buffer[..size]),
            }
        }
    });
    all
}

fn tokio_test_reader(bytes: &[u8], sizes: &[usize]) -> Pieces {
    let mut pieces = Vec::new();
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).clamp(1, rest.len());
        let (piece, behind) = rest.split_at(size);
        pieces.push(piece.to_vec());
        rest = behind;
    }
    Pieces(pieces.into())
}

struct Pieces(std::collections::VecDeque<Vec<u8>>);

impl AsyncRead for &mut Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What is written goes nowhere.
impl AsyncWrite for &mut Pieces {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn empty_frames_are_left_out_after_the_first_few() {
    let mut bytes = b"PRI*".to_vec();
    let mut expected = bytes.clone();
    for n in 0..200_u32 {
        let padded = vec![(n % 7) as u8; (n % 7) as usize + 1];
        let empty = [frame(DATA, 0, 1, &[]), frame(DATA, PADDED, 1, &padded)];
        let empty = &empty[n as usize % 2];
        bytes.extend(empty);
        if n < SEEN {
            expected.extend(empty);
        }
    }
    // These say something: an end, a byte behind padding, padding that is too long, stream 0.
    for kept in [
        frame(DATA, 1, 1, &[]),
        frame(DATA, PADDED, 1, &[0, 1]),
        frame(DATA, PADDED, 1, &[9]),
        frame(DATA, PADDED | END_STREAM, 1, &[0]),
        frame(DATA, 0, 0, &[]),
    ] {
        bytes.extend(&kept);
        expected.extend(&kept);
    }
    for sizes in [vec![1], vec![7, 30], vec![100_000]] {
        assert_eq!(sieved(&bytes, &sizes, 64), expected);
    }
}

#[test]
fn a_row_of_empty_frames_without_end_passes_and_is_h2s_to_refuse() {
    let bytes = [
        b"PRI*".to_vec(),
        frame(DATA, 0, 1, &[]).repeat(EMPTY as usize + 100),
    ]
    .concat();
    assert_eq!(
        sieved(&bytes, &[4096], 4096).len(),
        4 + 9 * (SEEN as usize + 100 - SEEN as usize)
    );
}

#[test]
fn a_block_in_pieces_is_joined_and_cut_as_large_as_allowed() {
    let block: Vec<u8> = (0..40_000_u32).map(|n| n as u8).collect();
    let mut bytes = b"PRI*".to_vec();
    bytes.extend(frame(
        HEADERS,
        PADDED | END_STREAM,
        3,
        &[&[2], &block[..10], &[0, 0]].concat(),
    ));
    for piece in block[10..].chunks(100) {
        bytes.extend(frame(CONTINUATION, 0, 3, piece));
    }
    bytes.extend(frame(CONTINUATION, END_HEADERS, 3, &[]));
    let mut expected = b"PRI*".to_vec();
    expected.extend(frame(HEADERS, END_STREAM, 3, &block[..16_384]));
    expected.extend(frame(CONTINUATION, 0, 3, &block[16_384..32_768]));
    expected.extend(frame(CONTINUATION, END_HEADERS, 3, &block[32_768..]));
    assert_eq!(sieved(&bytes, &[1000], 4096), expected);
    assert_eq!(sieved(&bytes, &[1], 5), expected);
}

#[test]
fn a_wrong_block_passes_without_its_end() {
    let start = [b"PRI*".to_vec(), frame(HEADERS, 0, 1, b"ab")].concat();
    for wrong in [
        frame(DATA, 0, 1, b"x"),
        frame(CONTINUATION, 4, 3, b"c"),
        frame(HEADERS, 4, 3, b"c"),
    ] {
        let bytes = [start.clone(), wrong].concat();
        assert_eq!(sieved(&bytes, &[11], 100), bytes);
    }
    let bytes = [b"PRI*".to_vec(), frame(HEADERS, PADDED, 1, &[9, 1])].concat();
    assert_eq!(
        sieved(&bytes, &[64], 100),
        bytes,
        "padding longer than the frame"
    );
    let endless = [
        start,
        frame(CONTINUATION, 0, 1, &[]).repeat(PIECES as usize + 50),
    ]
    .concat();
    let out = sieved(&endless, &[4096], 4096);
    assert_eq!(out.len(), 4 + 11 + 9 * 51, "every piece behind the bound");
}

#[tokio::test]
async fn padding_that_is_left_out_is_given_back_between_frames() {
    let (mut peer, inner) = tokio::io::duplex(1 << 20);
    let mut sieve = Sieve::new(inner, 0, 1 << 14);
    let padded = frame(DATA, PADDED, 3, &[4, 0, 0, 0, 0]);
    peer.write_all(&padded.repeat(SEEN as usize + 2))
        .await
        .expect("room");
    peer.write_all(&frame(DATA, 0, 3, b"x"))
        .await
        .expect("room");
    // In the middle of a frame of h2's own.
    sieve.write_all(b"half a ").await.expect("room");
    let mut out = vec![0; padded.len() * SEEN as usize + 10];
    sieve.read_exact(&mut out).await.expect("bytes");
    assert!(out.ends_with(&frame(DATA, 0, 3, b"x")));
    sieve.write_all(b"frame").await.expect("room");
    sieve.flush().await.expect("room");
    sieve.write_all(b", next").await.expect("room");
    drop(sieve);
    let mut written = Vec::new();
    peer.read_to_end(&mut written).await.expect("an end");
    let owed = [
        frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 5]),
        frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 5]),
    ]
    .concat();
    assert_eq!(
        written,
        [b"half a frame", &owed.repeat(2)[..], b", next"].concat()
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_begun_has_to_end_in_time_and_a_body_has_not() {
    let late = |begun: Vec<u8>| async move {
        let (mut peer, inner) = tokio::io::duplex(1 << 16);
        let mut sieve = Sieve::new(inner, 4, 1 << 14).within(Duration::from_secs(10));
        peer.write_all(&begun).await.expect("room");
        let read = async {
            loop {
                match sieve.read(&mut [0; 1000]).await {
                    Ok(0) => return None,
                    Ok(_) => {}
                    Err(error) => return Some(error.kind()),
                }
            }
        };
        let trickle = async {
            // One more byte, or piece of a block, does not make it a new one.
            tokio::time::sleep(Duration::from_secs(7)).await;
            peer.write_all(&begun[begun.len() - 1..]).await.ok();
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(peer);
        };
        let (found, ()) = tokio::join!(
            async {
                tokio::time::timeout(Duration::from_secs(11), read)
                    .await
                    .ok()
                    .flatten()
            },
            trickle
        );
        found
    };
    let settings = [b"PRI*".to_vec(), frame(4, 0, 0, &[])].concat();
    let cut = Some(std::io::ErrorKind::TimedOut);
    let with = |more: &[u8]| [settings.clone(), more.to_vec()].concat();
    assert_eq!(late(b"PR".to_vec()).await, cut, "a preface");
    assert_eq!(late(b"PRI*".to_vec()).await, cut, "no frame");
    let headers = frame(HEADERS, END_HEADERS, 1, &[0; 40]);
    assert_eq!(late(with(&headers[..5])).await, cut, "a head of headers");
    assert_eq!(late(with(&headers[..20])).await, cut, "a frame of headers");
    let block = [frame(HEADERS, 0, 1, b"ab"), frame(CONTINUATION, 0, 1, b"c")].concat();
    assert_eq!(late(with(&block)).await, cut, "a block of headers");
    assert_eq!(late(settings.clone()).await, None, "nothing begun at first");
    let data = frame(DATA, 0, 1, &[0; 40]);
    assert_eq!(late(with(&data[..20])).await, None, "a body");
}

type Streams = std::collections::BTreeMap<u32, (Vec<u8>, bool)>;

/// The streams' bytes and ends, and what else there is, in order.
fn streams(mut bytes: &[u8]) -> (Streams, Vec<Vec<u8>>) {
    let (mut streams, mut others) = (Streams::new(), Vec::new());
    while !bytes.is_empty() {
        let head = Head::parse(bytes);
        let (frame, rest) = bytes.split_at(HEAD + head.length);
        bytes = rest;
        if head.kind == DATA {
            let stream: &mut (Vec<u8>, bool) = streams.entry(head.stream).or_default();
            assert!(!stream.1, "nothing behind the end");
            stream.0.extend(&frame[HEAD..]);
            stream.1 = head.flags == END_STREAM;
        } else {
            others.push(frame.to_vec());
        }
    }
    (streams, others)
}

#[test]
fn small_frames_that_came_together_are_one() {
    let tiny = |n: u32| frame(DATA, 0, 1, &n.to_be_bytes());
    let mut bytes = b"PRI*".to_vec();
    (0..2_000).for_each(|n| bytes.extend(tiny(n)));
    let out = sieved(&bytes, &[100_000], 100_000);
    let all: Vec<u8> = (0..2_000_u32).flat_map(u32::to_be_bytes).collect();
    assert_eq!(out.len(), 4 + 2 * HEAD + all.len(), "two frames");
    assert_eq!(streams(&out[4..]).0[&1], (all, false));
    // One by one they are left alone.
    assert_eq!(sieved(&bytes[4..], &[4, 13], 64), bytes[4..]);
}

proptest! {
    #[test]
    fn merged_frames_hold_every_streams_bytes_and_end(
        frames in prop::collection::vec((1_u32..4, 1_usize..300, 0_u8..12), 1..300),
        sizes in prop::collection::vec(1_usize..3_000, 1..5),
        room in 20_usize..3_000,
    ) {
        let (mut bytes, mut ended) = (Vec::new(), [false; 4]);
        for (n, (stream, length, sort)) in frames.into_iter().enumerate() {
            if sort == 0 {
                bytes.extend(frame(WINDOW_UPDATE, 0, stream, &[0, 0, 1, 1]));
            } else if !ended[stream as usize] {
                ended[stream as usize] = sort == 1;
                bytes.extend(frame(DATA, u8::from(sort == 1), stream, &vec![n as u8; length]));
            }
        }
        let out = sieved(&[b"PRI*", &bytes[..]].concat(), &sizes, room);
        prop_assert_eq!(streams(&out[4..]), streams(&bytes));
        prop_assert!(out.len() <= 4 + bytes.len());
    }

    #[test]
    fn other_bytes_pass_as_they_are_however_they_arrive(
        frames in prop::collection::vec((2_u8..9, any::<u8>(), 0_u32..5, prop::collection::vec(any::<u8>(), 0..50)), 0..20),
        tail in prop::collection::vec(any::<u8>(), 0..9),
        sizes in prop::collection::vec(1_usize..40, 1..5),
        room in 1_usize..40,
    ) {
        let mut bytes = b"PRI*".to_vec();
        for (kind, flags, stream, payload) in frames {
            bytes.extend(frame(kind, flags, stream, &payload));
        }
        let whole = bytes.len();
        bytes.extend(tail);
        // A head that was cut is worth nothing to anybody.
        prop_assert_eq!(sieved(&bytes, &sizes, room), &bytes[..whole]);
    }
}
