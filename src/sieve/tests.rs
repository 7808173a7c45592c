//! The sieve, fed in any pieces.

use super::*;
use proptest::prelude::*;
use tokio::io::AsyncReadExt;

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
    ) -> Poll<io::Result<()>> {
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

#[test]
fn empty_frames_are_left_out_after_the_first_few() {
    let mut bytes = b"PRI*".to_vec();
    let mut expected = bytes.clone();
    for n in 0..200_u32 {
        bytes.extend(frame(DATA, 0, 1, &[]));
        if n < SEEN {
            expected.extend(frame(DATA, 0, 1, &[]));
        }
    }
    // These say something: an end, padding that counts against the window, stream 0.
    for kept in [
        frame(DATA, 1, 1, &[]),
        frame(DATA, 8, 1, &[0]),
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

proptest! {
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
