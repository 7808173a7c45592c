//! Writes exchanges to rotating files: bounded in size and age, readable up to the last whole
//! record whenever the process dies.
//!
//! The files hold payloads: they are only written where somebody asked for it, and only their
//! owner may read them.

use super::Truths;
use super::tfrecord::write_record;
use crate::diagnose::facts::ModelTruth;
use crate::observe::Keep;
use crate::proto::flatline::v1::Exchange;
use prost::Message;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Files that the bound on all bytes is spread over.
const FILES: u64 = 8;

/// Bounds of a capture.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most bytes over all files.
    pub bytes: u64,
    /// Files whose last record is older than this leave.
    pub age: Duration,
}

/// Writes to the files of one folder.
#[derive(Debug)]
pub struct CaptureWriter {
    dir: PathBuf,
    limits: Limits,
    file: Option<File>,
    written: u64,
    /// What the file holds of the models.
    truths: Truths,
    number: u64,
    failing: bool,
}

impl CaptureWriter {
    /// Makes the folder if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn open(dir: &Path, limits: Limits) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let number = files(dir)?.last().map_or(0, |(number, _)| number + 1);
        let mut writer = CaptureWriter {
            dir: dir.to_path_buf(),
            limits,
            file: None,
            written: 0,
            truths: Truths::default(),
            number,
            failing: false,
        };
        writer.rotate()?;
        Ok(writer)
    }

    /// A new file; the oldest leave where there is no room or they are too old.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        self.prune(SystemTime::now())?;
        let path = self
            .dir
            .join(format!("exchanges-{:08}.tfrecord", self.number));
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        self.number += 1;
        self.written = 0;
        self.truths = Truths::default();
        self.file = Some(file);
        Ok(())
    }

    fn prune(&self, now: SystemTime) -> io::Result<()> {
        let mut left = self.limits.bytes.saturating_sub(self.share());
        // Newest first: what does not fit any more is the oldest.
        for (_, path) in files(&self.dir)?.into_iter().rev() {
            let metadata = fs::metadata(&path)?;
            let age = metadata
                .modified()
                .ok()
                .and_then(|at| now.duration_since(at).ok());
            if metadata.len() > left || age.is_some_and(|age| age > self.limits.age) {
                fs::remove_file(&path)?;
            } else {
                left -= metadata.len();
            }
        }
        Ok(())
    }

    fn share(&self) -> u64 {
        (self.limits.bytes / FILES).max(1)
    }

    /// Opens a new file where this record does not fit into the one that is open.
    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        let full = self.written > 0 && self.written + bytes as u64 > self.share();
        if self.file.is_none() || full {
            self.rotate()?;
        }
        Ok(())
    }

    fn write_truth(&mut self, model: &str, truth: &ModelTruth) -> io::Result<u64> {
        // A new file says all of it, so that no file needs another.
        let bytes = self.truths.record(model, truth).encoded_len();
        if bytes as u64 > self.limits.bytes {
            return Ok(0);
        }
        self.make_room(bytes)?;
        let bytes = self.write(&self.truths.record(model, truth))?;
        self.truths.wrote(model, truth);
        Ok(bytes)
    }

    fn write(&mut self, exchange: &Exchange) -> io::Result<u64> {
        let data = exchange.encode_to_vec();
        self.make_room(data.len())?;
        let Some(file) = &mut self.file else {
            return Ok(0);
        };
        match write_record(file, &data) {
            Ok(bytes) => {
                self.written += bytes;
                Ok(bytes)
            }
            Err(error) => {
                // What was written of it is a torn tail. Where it cannot be cut off, nothing may
                // follow in this file; where it can, a full disk does not leave a file a call.
                if file.set_len(self.written).is_err() {
                    self.file = None;
                }
                Err(error)
            }
        }
    }
}

impl Keep for CaptureWriter {
    fn keep(&mut self, exchange: &Exchange) -> u64 {
        if exchange.encoded_len() as u64 > self.limits.bytes {
            return 0;
        }
        let written = self.write(exchange);
        self.told(written)
    }

    fn learned(&mut self, model: &str, truth: &ModelTruth) -> u64 {
        let written = self.write_truth(model, truth);
        self.told(written)
    }
}

impl CaptureWriter {
    /// The bytes written; failures are logged once, not for every call of the night.
    fn told(&mut self, written: io::Result<u64>) -> u64 {
        match &written {
            Ok(_) if self.failing => {
                tracing::info!(dir = %self.dir.display(), "capture goes on");
            }
            Err(error) if !self.failing => {
                tracing::warn!(dir = %self.dir.display(), %error, "capture fails; calls and verdicts go on");
            }
            _ => {}
        }
        self.failing = written.is_err();
        written.unwrap_or(0)
    }
}

/// The capture files of a folder, oldest first.
fn files(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let number = name
            .strip_prefix("exchanges-")
            .and_then(|n| n.strip_suffix(".tfrecord"));
        if let Some(number) = number.and_then(|n| n.parse().ok()) {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::facts::ConfigEntry;
    use crate::replay::Records;

    fn exchange(n: u64, size: usize) -> Exchange {
        Exchange {
            connection: n,
            request: vec![7; size].into(),
            ..Exchange::default()
        }
    }

    fn numbers(dir: &Path) -> Vec<u64> {
        let mut found = Vec::new();
        for (_, path) in files(dir).unwrap() {
            for record in Records::new(File::open(path).unwrap()) {
                found.push(
                    Exchange::decode(record.unwrap().as_slice())
                        .unwrap()
                        .connection,
                );
            }
        }
        found
    }

    const LIMITS: Limits = Limits {
        bytes: 80_000,
        age: Duration::from_secs(3600),
    };

    #[test]
    fn keeps_the_newest_within_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = CaptureWriter::open(dir.path(), LIMITS).unwrap();
        for n in 0..200 {
            assert!(writer.keep(&exchange(n, 1000)) > 1000);
            let total: u64 = files(dir.path())
                .unwrap()
                .iter()
                .map(|(_, p)| fs::metadata(p).unwrap().len())
                .sum();
            assert!(total <= LIMITS.bytes, "{total}");
        }
        let kept = numbers(dir.path());
        assert_eq!(*kept.last().unwrap(), 199);
        assert!(
            kept.len() > 50 && kept.windows(2).all(|w| w[1] == w[0] + 1),
            "{kept:?}"
        );
    }

    #[test]
    fn every_file_says_what_is_known_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = CaptureWriter::open(dir.path(), LIMITS).unwrap();
        for n in 0..60 {
            let truth = ModelTruth {
                status: Some(Vec::new()),
                status_nanos: n,
                ..ModelTruth::default()
            };
            assert!(writer.learned("m", &truth) > 0);
            assert!(writer.keep(&exchange(n as u64, 1000)) > 0);
        }
        let huge = ModelTruth {
            config: Some(ConfigEntry {
                base_path: "x".repeat(LIMITS.bytes as usize),
                ..ConfigEntry::default()
            }),
            ..ModelTruth::default()
        };
        assert_eq!(writer.learned("m", &huge), 0, "larger than all files");
        for (_, path) in files(dir.path()).unwrap() {
            let mut truths = Truths::default();
            for record in Records::new(File::open(path).unwrap()) {
                let record = Exchange::decode(record.unwrap().as_slice()).unwrap();
                assert!(record.learned.is_none() || truths.read(&record).is_some());
            }
        }
    }

    #[test]
    fn a_new_process_writes_to_a_new_file_and_old_ones_leave() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            bytes: 1 << 20,
            age: Duration::from_secs(3600),
        };
        CaptureWriter::open(dir.path(), limits)
            .unwrap()
            .keep(&exchange(1, 10));
        CaptureWriter::open(dir.path(), limits)
            .unwrap()
            .keep(&exchange(2, 10));
        assert_eq!(numbers(dir.path()), [1, 2]);
        let writer = CaptureWriter::open(dir.path(), limits).unwrap();
        writer
            .prune(SystemTime::now() + Duration::from_secs(7200))
            .unwrap();
        assert!(numbers(dir.path()).is_empty());
    }

    #[test]
    fn a_record_over_the_bound_is_dropped_and_the_next_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            bytes: 1000,
            age: Duration::from_secs(3600),
        };
        let mut writer = CaptureWriter::open(dir.path(), limits).unwrap();
        assert_eq!(writer.keep(&exchange(1, 2000)), 0);
        assert!(writer.keep(&exchange(2, 10)) > 0);
        assert_eq!(numbers(dir.path()), [2]);
    }

    #[test]
    fn a_folder_that_goes_away_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("capture");
        let limits = Limits {
            bytes: 800,
            age: Duration::from_secs(3600),
        };
        let mut writer = CaptureWriter::open(&inner, limits).unwrap();
        fs::remove_dir_all(&inner).unwrap();
        for n in 0..5 {
            writer.keep(&exchange(n, 90));
        }
        assert_eq!(writer.keep(&exchange(9, 90)), 0);
        fs::create_dir_all(&inner).unwrap();
        assert!(writer.keep(&exchange(10, 90)) > 0);
    }
}
