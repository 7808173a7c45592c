//! Bytes that pass: record files, the sieve, the tap.

use super::{halves, knob, pieces};
use bytes::Bytes;
use flatline::replay::{self, Records};
use flatline::sieve::Sieve;
use flatline::tap::{PREDICT, Record, Sink, Tap, TapLayer};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, Read};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::{Layer, Service};

/// A reader that gives a piece at a time.
struct Pieces<'a>(VecDeque<&'a [u8]>);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.0.front_mut() else {
            return Ok(0);
        };
        let size = piece.len().min(buffer.len());
        buffer[..size].copy_from_slice(&piece[..size]);
        *piece = &piece[size..];
        if piece.is_empty() {
            self.0.pop_front();
        }
        Ok(size)
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.read(buffer.initialize_unfilled())?;
        buffer.advance(size);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A record file: however it is read, the same records and the same damage, and what was written
/// is read back whole behind whatever stands before it.
pub(super) fn records(data: &[u8]) {
    let (seed, file) = knob(data);
    let whole: Vec<_> = Records::new(file).collect();
    let cut = Pieces(pieces(file, seed).into());
    assert!(
        Records::new(cut).eq(whole.iter().cloned()),
        "pieces change nothing"
    );
    let size: usize = whole.iter().flatten().map(Vec::len).sum();
    assert!(size <= file.len(), "nothing is made of nothing");

    let (first, second) = halves(file);
    let mut written = Vec::new();
    replay::write_record(&mut written, first).expect("memory");
    replay::write_record(&mut written, second).expect("memory");
    let read: Vec<_> = Records::new(&written[..]).collect();
    assert_eq!(read, [Ok(first.to_vec()), Ok(second.to_vec())]);
}

fn sieved(pieces: VecDeque<&[u8]>, room: usize, by_path: bool) -> Vec<u8> {
    let mut sieve = pin!(Sieve::new(Pieces(pieces), 4, 1 << 14).by_path(by_path));
    let (mut all, mut buffer) = (Vec::new(), vec![0; room]);
    loop {
        let mut buffer = ReadBuf::new(&mut buffer);
        let polled = sieve
            .as_mut()
            .poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
        assert!(
            matches!(polled, Poll::Ready(Ok(()))),
            "its reader is always ready"
        );
        if buffer.filled().is_empty() {
            return all;
        }
        all.extend_from_slice(buffer.filled());
    }
}

/// Frames behind a preface of four bytes, with those DATA frames of one stream made one that the
/// sieve may merge or not, by how they arrived.
fn merged(sieved: &[u8]) -> Vec<Vec<u8>> {
    let (preface, mut rest) = sieved.split_at(sieved.len().min(4));
    let mut frames = vec![preface.to_vec()];
    while let Some(head) = rest.first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((frame, behind)) = rest.split_at_checked(9 + length) else {
            break;
        };
        rest = behind;
        // DATA, with no flag but its end, of the same stream as a last one that was not the end.
        match frames.last_mut() {
            Some(last)
                if goes_on(last, &head[5..]) && length > 0 && head[3] == 0 && head[4] & !1 == 0 =>
            {
                last[1] |= head[4];
                last.extend_from_slice(&frame[9..]);
            }
            _ => frames.push(frame[3..].to_vec()),
        }
    }
    frames.push(rest.to_vec());
    frames
}

/// Whether a frame, without its length, is plain DATA on `stream` with more to come.
fn goes_on(frame: &[u8], stream: &[u8]) -> bool {
    frame.len() > 6 && frame[..2] == [0, 0] && frame[2..6] == *stream
}

/// The sieve: however the bytes arrive and are read, the same comes out, to any end.
pub(super) fn sieve(data: &[u8]) {
    let (seed, bytes) = knob(data);
    let by_path = seed & 64 != 0;
    let whole = sieved(
        [bytes].into_iter().filter(|b| !b.is_empty()).collect(),
        1 << 16,
        by_path,
    );
    let room = usize::from(seed) % 40 + 1;
    let cut = sieved(pieces(bytes, seed).into(), room, by_path);
    assert_eq!(merged(&cut), merged(&whole));
    // Its bound on empty frames aside, it only leaves out and joins.
    assert!(whole.len() <= bytes.len());
}

/// A body of pieces that ends in one of five ways.
struct Script {
    pieces: VecDeque<Bytes>,
    end: u8,
    over: bool,
}

impl Script {
    fn new(data: &[u8], seed: u8, end: u8) -> Script {
        let pieces = pieces(data, seed)
            .into_iter()
            .map(Bytes::copy_from_slice)
            .collect();
        let over = false;
        Script { pieces, end, over }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::ErrorKind;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::ErrorKind>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if std::mem::replace(&mut self.over, true) {
            return Poll::Ready(None);
        }
        Poll::Ready(match self.end {
            0 => None,
            1 => Some(Err(io::ErrorKind::ConnectionReset)),
            2 => Some(Ok(Frame::trailers(HeaderMap::new()))),
            3 => return Poll::Pending,
            _ => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", u16::from(self.end).into());
                Some(Ok(Frame::trailers(trailers)))
            }
        })
    }
}

/// Takes a body to its end; what came, and how it ended: `None` where it never does.
type End = Option<Result<Option<HeaderMap>, io::ErrorKind>>;

fn take<B: Body<Data = Bytes, Error = io::ErrorKind> + Unpin>(mut body: B) -> (Vec<u8>, End) {
    let mut all = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Pending => return (all, None),
            Poll::Ready(None) => return (all, Some(Ok(None))),
            Poll::Ready(Some(Err(error))) => return (all, Some(Err(error))),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => all.extend_from_slice(&data),
                Err(frame) => return (all, Some(Ok(frame.into_trailers().ok()))),
            },
        }
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Record>>>);

impl Sink for Kept {
    fn record(&self, record: Record) {
        self.0.lock().expect("no panic").push(record);
    }
}

/// The tap: bodies of any pieces and any end pass as they are, and one record is kept of each
/// call, which holds all of a body or says why not.
pub(super) fn tap(data: &[u8]) {
    let (seed, rest) = knob(data);
    let (ends, rest) = knob(rest);
    let (request, response) = halves(rest);
    let (request_end, response_end) = (ends & 7, ends >> 4);
    let (per_call, total) =
        [(1 << 20, 1 << 20), (64, 1 << 20), (1 << 20, 256)][usize::from(seed) % 3];
    let kept = Kept::default();
    let tap = Tap::new(Arc::new(kept.clone()), per_call, total);
    let passed = Arc::new(Mutex::new(None));
    let upstream = {
        let (passed, body) = (Arc::clone(&passed), response.to_vec());
        tower::service_fn(move |request: Request<_>| {
            *passed.lock().expect("no panic") = Some(take(request.into_body()));
            let reply = Response::new(Script::new(&body, seed, response_end));
            std::future::ready(Ok::<_, Infallible>(reply))
        })
    };
    let mut service = TapLayer::new(tap).layer(upstream);
    let call = Request::post(PREDICT).body(Script::new(request, seed, request_end));
    let mut call = pin!(service.call(call.expect("a request")));
    let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(reply)) = polled else {
        panic!("the tap waits");
    };
    assert!(
        kept.0.lock().expect("no panic").is_empty(),
        "it has not ended"
    );
    let got = take(reply.into_body());
    assert_eq!(got, take(Script::new(response, seed, response_end)));
    let passed = passed.lock().expect("no panic").take();
    assert_eq!(passed, Some(take(Script::new(request, seed, request_end))));

    let kept = kept.0.lock().expect("no panic");
    let [record] = &kept[..] else {
        panic!("{} records of one call", kept.len());
    };
    for (half, body) in [(&record.request, request), (&record.response, response)] {
        match half.skip {
            None => assert_eq!(half.chunks.concat(), body),
            Some(_) => assert!(half.chunks.is_empty()),
        }
    }
    assert_eq!(
        record.complete,
        response_end > 3,
        "complete is what ended with a status"
    );
}
