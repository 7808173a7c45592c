//! Metrics of the process itself, read from `/proc` at scrape time; left out where there is none.

use super::exposition::head;
use super::names::{BUILD, CPU, MEMORY, STARTED};
use std::fmt::Write;
use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Clock ticks a second in `/proc`, the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

static STARTED_AT: LazyLock<f64> = LazyLock::new(|| {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
});

/// Remembers when the process started.
pub(super) fn started() {
    LazyLock::force(&STARTED_AT);
}

/// The text of the metrics of this process.
#[must_use]
pub fn process_metrics() -> String {
    let mut text = String::new();
    head(&mut text, BUILD);
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(text, "{BUILD}{{flatline_version=\"{version}\"}} 1");
    head(&mut text, STARTED);
    let _ = writeln!(text, "{STARTED} {}", *STARTED_AT);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(bytes) = resident(&status) {
        head(&mut text, MEMORY);
        let _ = writeln!(text, "{MEMORY} {bytes}");
    }
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    if let Some(seconds) = processor(&stat) {
        head(&mut text, CPU);
        let _ = writeln!(text, "{CPU} {seconds}");
    }
    text
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Fields 14 and 15; the name before them may hold spaces and brackets.
fn processor(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((ticks(11)? + ticks(12)?) as f64 / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 4 0 1 2 3";
        assert_eq!(processor(stat), Some(2.0));
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!((processor(""), resident("")), (None, None));
    }
}
