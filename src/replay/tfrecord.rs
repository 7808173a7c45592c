//! TFRecord files: length, masked CRC of the length, data, masked CRC of the data.
//!
//! Source: TensorFlow's `record_writer.h` and `hash/crc32c.h`. CRC-32C, rotated right by 15 bits
//! and offset, so that a CRC of data that holds CRCs keeps its strength.

use std::io::{self, Read, Write};
use thiserror::Error;

const MASK_DELTA: u32 = 0xa282_ead8;
const HEADER: usize = 12;
const FOOTER: usize = 4;

/// A record larger than this is taken for damage: it is twice what the tap keeps of a call.
const MAX_RECORD: u64 = 256 << 20;

/// What is wrong with a file, and where. Reading goes on behind it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Damage {
    /// The record's data does not match its CRC; the records behind it are read.
    #[error("offset {offset}: the record's data does not match its CRC; it is left out")]
    Data {
        /// Of the record's start.
        offset: u64,
    },
    /// No record starts here; the next one that does was looked for.
    #[error("offset {offset}: no record starts here; {skipped} bytes are left out")]
    Header {
        /// Where a record should have started.
        offset: u64,
        /// Bytes until the next record, or the end of the file.
        skipped: u64,
    },
    /// The file ends inside a record, as it does when the writer was killed.
    #[error("offset {offset}: the last record is torn after {bytes} bytes; it is left out")]
    Torn {
        /// Of the record's start.
        offset: u64,
        /// Bytes of it that are there.
        bytes: u64,
    },
    /// The file could not be read on.
    #[error("offset {offset}: {message}")]
    Io {
        /// Bytes read until then.
        offset: u64,
        /// The system's words.
        message: String,
    },
}

/// Writes one record. Returns the bytes written.
///
/// # Errors
/// As the writer says.
pub fn write_record(writer: &mut impl Write, data: &[u8]) -> io::Result<u64> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(HEADER + data.len() + FOOTER);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked_crc(&length).to_le_bytes());
    record.extend_from_slice(data);
    record.extend_from_slice(&masked_crc(data).to_le_bytes());
    // One write, so that a crash tears at most the last record.
    writer.write_all(&record)?;
    Ok(record.len() as u64)
}

/// The records of a file, in order; damage is reported and passed over.
pub struct Records<R> {
    reader: R,
    /// Bytes read and not yet used.
    buffer: Vec<u8>,
    start: usize,
    /// Offset of `buffer[start]` in the file.
    offset: u64,
    ended: bool,
}

impl<R: Read> Records<R> {
    /// Reads from the start of a file.
    pub fn new(reader: R) -> Self {
        Records {
            reader,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            ended: false,
        }
    }

    /// Offset behind the last record, for progress.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Makes at least `wanted` bytes available, unless the file ends before.
    fn fill(&mut self, wanted: usize) -> io::Result<usize> {
        if self.start > 0 && self.buffer.len() - self.start < wanted {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        while !self.ended && self.buffer.len() - self.start < wanted {
            // By what is there, never by what a header declares.
            let before = self.buffer.len();
            let more = (wanted - (before - self.start)).clamp(64 << 10, 1 << 20);
            self.buffer.resize(before + more, 0);
            let read = loop {
                match self.reader.read(&mut self.buffer[before..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read,
                }
            };
            self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
        }
        Ok((self.buffer.len() - self.start).min(wanted))
    }

    fn available(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    fn read_record(&mut self) -> io::Result<Option<Result<Vec<u8>, Damage>>> {
        let offset = self.offset;
        let got = self.fill(HEADER)?;
        if got == 0 {
            return Ok(None);
        }
        let Some(length) = header(self.available()) else {
            return self.resynchronise(got).map(Some);
        };
        let whole = HEADER + length + FOOTER;
        let got = self.fill(whole)?;
        if got < whole {
            self.advance(got);
            return Ok(Some(Err(Damage::Torn {
                offset,
                bytes: got as u64,
            })));
        }
        let (data, footer) = self.available()[HEADER..whole].split_at(length);
        let good = masked_crc(data).to_le_bytes() == footer;
        let record = if good {
            Ok(data.to_vec())
        } else {
            Err(Damage::Data { offset })
        };
        self.advance(whole);
        Ok(Some(record))
    }

    /// Looks for the next record byte by byte.
    fn resynchronise(&mut self, got: usize) -> io::Result<Result<Vec<u8>, Damage>> {
        let offset = self.offset;
        if got < HEADER {
            self.advance(got);
            return Ok(Err(Damage::Torn {
                offset,
                bytes: got as u64,
            }));
        }
        loop {
            self.advance(1);
            if self.fill(HEADER)? < HEADER {
                let rest = self.available().len();
                self.advance(rest);
            } else if header(self.available()).is_none() {
                continue;
            }
            return Ok(Err(Damage::Header {
                offset,
                skipped: self.offset - offset,
            }));
        }
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Vec<u8>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_record().unwrap_or_else(|error| {
            self.ended = true;
            self.buffer.clear();
            self.start = 0;
            Some(Err(Damage::Io {
                offset: self.offset,
                message: error.to_string(),
            }))
        })
    }
}

/// The length of the record whose header `bytes` starts with, if its CRC is right.
fn header(bytes: &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (crc, _) = rest.split_first_chunk::<4>()?;
    let number = u64::from_le_bytes(*length);
    let good = masked_crc(length) == u32::from_le_bytes(*crc) && number <= MAX_RECORD;
    if good {
        usize::try_from(number).ok()
    } else {
        None
    }
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(MASK_DELTA)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(records: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            write_record(&mut bytes, record).unwrap();
        }
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Damage>) {
        let (mut records, mut damage) = (Vec::new(), Vec::new());
        for item in Records::new(bytes) {
            match item {
                Ok(record) => records.push(record),
                Err(found) => damage.push(found),
            }
        }
        (records, damage)
    }

    #[test]
    fn agrees_with_tensorflow() {
        // tf.io.TFRecordWriter wrote b"flatline".
        let written = b"\x08\0\0\0\0\0\0\0\xff\x86\x24\x0fflatline\x04\x7e\x42\xa3";
        assert_eq!(file(&[b"flatline"]), written);
    }

    #[test]
    fn lengths_at_their_boundaries() {
        let records: Vec<Vec<u8>> = [0, 1, 65_535, 65_536, 65_537, 1 << 20]
            .map(|n| vec![7; n])
            .into();
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        assert_eq!(read(&file(&slices)), (records, vec![]));
        assert_eq!(read(&[]), (vec![], vec![]));
    }

    #[test]
    fn a_torn_tail_costs_the_last_record_only() {
        let whole = file(&[b"first", b"second"]);
        let first = file(&[b"first"]).len();
        for end in first + 1..whole.len() {
            let (records, damage) = read(&whole[..end]);
            assert_eq!(records, [b"first".to_vec()], "{end}");
            let torn = Damage::Torn {
                offset: first as u64,
                bytes: (end - first) as u64,
            };
            assert_eq!(damage, [torn], "{end}");
        }
    }

    #[test]
    fn a_flipped_bit_costs_its_record_only_and_is_named_with_its_offset() {
        let whole = file(&[b"first", b"second", b"third"]);
        let second = file(&[b"first"]).len();
        let third = file(&[b"first", b"second"]).len();
        for at in second..third {
            for bit in 0..8 {
                let mut odd = whole.clone();
                odd[at] ^= 1 << bit;
                let (records, damage) = read(&odd);
                assert_eq!(
                    records,
                    [b"first".to_vec(), b"third".to_vec()],
                    "{at}.{bit}"
                );
                let named = matches!(damage[..], [Damage::Data { offset } | Damage::Header { offset, .. }] if offset == second as u64);
                assert!(named, "{damage:?}");
            }
        }
    }

    #[test]
    fn what_is_no_record_file_is_said_to_be_none() {
        let (records, damage) = read(&b"this is a text file, not records\n".repeat(100));
        assert!(records.is_empty());
        assert!(
            matches!(damage[0], Damage::Header { offset: 0, .. }),
            "{damage:?}"
        );
        proptest::proptest!(|(bytes: Vec<u8>)| { let _ = read(&bytes); });
    }
}
