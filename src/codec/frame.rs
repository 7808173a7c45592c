//! One unary gRPC message out of a body.
//!
//! Source: "gRPC over HTTP2", length-prefixed messages: one flag byte, a big-endian `u32` length,
//! the message.

use crate::skip::Skip;
use bytes::{Buf, Bytes};
use flate2::read::{GzDecoder, ZlibDecoder};
use std::io::{ErrorKind, Read};

const PREFIX: usize = 5;

/// The payload of a body that holds exactly one message, in any number of chunks. No copy where
/// the message lies in one chunk uncompressed.
///
/// `encoding` is the `grpc-encoding` header, `limit` the most bytes that a payload may have.
///
/// # Errors
/// The reason to skip the call: framing, compression, or a payload over the limit.
pub fn message(chunks: &[Bytes], encoding: Option<&str>, limit: usize) -> Result<Bytes, Skip> {
    let total: usize = chunks.iter().map(Bytes::len).sum();
    let mut prefix = [0; PREFIX];
    if total < PREFIX {
        return Err(Skip::Framing);
    }
    for (slot, byte) in prefix.iter_mut().zip(chunks.iter().flatten()) {
        *slot = *byte;
    }
    let declared = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    // Shorter: cut. Longer: a second message, which no unary call has.
    if declared != total - PREFIX {
        return Err(Skip::Framing);
    }
    match prefix[0] {
        0 if declared > limit => Err(Skip::TooLarge),
        0 => join(chunks, total),
        1 => inflate(&join(chunks, total)?, encoding, limit),
        _ => Err(Skip::Framing),
    }
}

/// Everything behind the prefix as one slice.
fn join(chunks: &[Bytes], total: usize) -> Result<Bytes, Skip> {
    let mut rest = PREFIX;
    let mut left = chunks;
    while let [first, more @ ..] = left
        && first.len() <= rest
        && !more.is_empty()
    {
        rest -= first.len();
        left = more;
    }
    Ok(match left {
        [] => Bytes::new(),
        [only] => only.slice(rest.min(only.len())..),
        [first, more @ ..] => {
            // The bytes are there already: this is not a declared length. Refused, it costs an
            // observation and not the process.
            let mut joined = Vec::new();
            joined
                .try_reserve_exact(total - PREFIX)
                .map_err(|_| Skip::MemoryFull)?;
            joined.extend_from_slice(&first[rest..]);
            for chunk in more {
                joined.extend_from_slice(chunk);
            }
            joined.into()
        }
    })
}

fn inflate(payload: &Bytes, encoding: Option<&str>, limit: usize) -> Result<Bytes, Skip> {
    match encoding {
        Some("gzip") => read_bounded(GzDecoder::new(payload.chunk()), limit),
        Some("deflate") => read_bounded(ZlibDecoder::new(payload.chunk()), limit),
        _ => Err(Skip::Compression),
    }
}

fn read_bounded(reader: impl Read, limit: usize) -> Result<Bytes, Skip> {
    let mut inflated = Vec::new();
    let bound = (limit as u64).saturating_add(1);
    reader
        .take(bound)
        .read_to_end(&mut inflated)
        .map_err(|error| match error.kind() {
            ErrorKind::OutOfMemory => Skip::MemoryFull,
            _ => Skip::Compression,
        })?;
    if inflated.len() > limit {
        return Err(Skip::InflatedTooLarge);
    }
    Ok(inflated.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn framed(flag: u8, payload: &[u8]) -> Vec<u8> {
        let mut body = vec![flag];
        body.extend((payload.len() as u32).to_be_bytes());
        body.extend(payload);
        body
    }

    #[test]
    fn any_chunking_gives_the_same_payload() {
        let body = framed(0, b"hello world");
        for cut in 0..=body.len() {
            for second in cut..=body.len() {
                let chunks: Vec<_> = [&body[..cut], &body[cut..second], &body[second..]]
                    .map(Bytes::copy_from_slice)
                    .into();
                assert_eq!(
                    message(&chunks, None, 11).unwrap(),
                    "hello world",
                    "{cut} {second}"
                );
            }
        }
        assert_eq!(message(&[framed(0, b"").into()], None, 0).unwrap(), "");
    }

    #[test]
    fn one_chunk_is_not_copied() {
        let body = Bytes::from(framed(0, &[7; 100]));
        let payload = message(std::slice::from_ref(&body), None, 100).unwrap();
        assert_eq!(payload.as_ptr(), body[PREFIX..].as_ptr());
    }

    #[test]
    fn cut_doubled_and_odd_frames_are_refused() {
        let body = framed(0, b"abc");
        for end in 0..body.len() {
            let cut = Bytes::copy_from_slice(&body[..end]);
            assert_eq!(message(&[cut], None, 9), Err(Skip::Framing));
        }
        let twice: Bytes = [body.clone(), body].concat().into();
        assert_eq!(message(&[twice], None, 9), Err(Skip::Framing));
        assert_eq!(
            message(&[framed(2, b"abc").into()], None, 9),
            Err(Skip::Framing)
        );
        assert_eq!(
            message(&[vec![0, 255, 255, 255, 255].into()], None, 9),
            Err(Skip::Framing)
        );
        assert_eq!(
            message(&[framed(0, b"abc").into()], None, 2),
            Err(Skip::TooLarge)
        );
        assert_eq!(message(&[], None, 9), Err(Skip::Framing));
    }

    #[test]
    fn inflates_within_the_bound() {
        let plain = vec![5_u8; 1000];
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&plain).unwrap();
        let gzip = Bytes::from(framed(1, &gzip.finish().unwrap()));
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&plain).unwrap();
        let zlib = Bytes::from(framed(1, &zlib.finish().unwrap()));
        for (body, name) in [(&gzip, "gzip"), (&zlib, "deflate")] {
            let chunks = std::slice::from_ref(body);
            assert_eq!(message(chunks, Some(name), 1000).unwrap(), plain);
            assert_eq!(
                message(chunks, Some(name), 999),
                Err(Skip::InflatedTooLarge)
            );
            assert_eq!(
                message(chunks, Some("snappy"), 1000),
                Err(Skip::Compression)
            );
            assert_eq!(message(chunks, None, 1000), Err(Skip::Compression));
        }
        assert_eq!(
            message(&[gzip], Some("deflate"), 1000),
            Err(Skip::Compression)
        );
    }
}
