//! `flatline analyze`

use crate::analyzer::{Analyzer, Expect, Options};
use crate::detect::Settings;
use crate::error::{Error, findings};
use crate::explain;
use crate::replay::{Recorded, Records, Truths, recorded};
use crate::report::State;
use crate::state::StateDir;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Read capture files, or TensorFlow Serving's prediction logs, and print the verdicts
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  flatline analyze --format json /captures\n\nA folder stands for its *.tfrecord files in the order of their names.\nExit code 0 when nothing was found, 1 when something fired or there are findings."
)]
pub(super) struct Args {
    /// TFRecord files or folders
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print
    #[arg(long, env = "FLATLINE_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Input left out of the fingerprint; may be repeated
    #[arg(
        long,
        env = "FLATLINE_IGNORE_INPUT",
        value_name = "NAME",
        value_delimiter = ','
    )]
    ignore_input: Vec<String>,
    /// Length of the sliding window in time, as when the calls were captured
    #[arg(
        long,
        env = "FLATLINE_WINDOW",
        value_name = "TIME",
        default_value = "60s"
    )]
    window: SignedDuration,
    /// Length of the sliding window in rows
    #[arg(
        long,
        env = "FLATLINE_WINDOW_ROWS",
        value_name = "N",
        default_value_t = 4096
    )]
    window_rows: usize,
    /// False alarms accepted in a million rows of one series, by each test
    #[arg(
        long,
        env = "FLATLINE_FALSE_ALARMS_PER_MILLION_ROWS",
        value_name = "X",
        default_value_t = 0.1
    )]
    false_alarms_per_million_rows: f64,
    /// Most series kept at once
    #[arg(
        long,
        env = "FLATLINE_MAX_SERIES",
        value_name = "N",
        default_value_t = 256
    )]
    max_series: usize,
    /// What an output can take, as MODEL=KIND or MODEL/OUTPUT=KIND; may be repeated
    #[arg(
        long,
        env = "FLATLINE_EXPECT",
        value_name = "EXPECT",
        value_delimiter = ','
    )]
    expect: Vec<Expect>,
    /// Folder with baselines to begin from; it is only read
    #[arg(long, env = "FLATLINE_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Folder to write the baselines to that were learned, for `serve --state-dir` to begin from
    #[arg(long, env = "FLATLINE_LEARN", value_name = "DIR")]
    learn: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// As /api/v1/verdicts
    Json,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let window = Duration::try_from(args.window)
        .map_err(|_| Error::Usage("--window is negative (example: --window 60s)".to_owned()))?;
    let options = Options {
        window,
        window_rows: args.window_rows,
        max_series: args.max_series,
        ignore_inputs: args.ignore_input.clone(),
        detect: Settings {
            false_alarms_per_million_rows: args.false_alarms_per_million_rows,
        },
        expect: args.expect.clone(),
        max_transitions: usize::MAX,
        ..Options::default()
    };
    let most = options.max_series;
    let (mut analyzer, key) = begin(options, args.state_dir.as_deref(), args.learn.as_deref())?;
    let files = expand(&args.files)?;
    let mut now = 0;
    for path in &files {
        now = read(path, &mut analyzer, now)?;
    }
    if let Some(dir) = &args.learn {
        learn(dir, key, most, &analyzer)?;
    }
    let report = analyzer.report(now);
    let text = match args.format {
        Format::Text => explain::report(&report),
        Format::Json => serde_json::to_string_pretty(&report)
            .map(|json| json + "\n")
            .map_err(|error| Error::Internal(error.to_string()))?,
    };
    super::print(&text)?;
    let found =
        report.transitions.iter().any(|t| t.to == State::Firing) || !report.findings.is_empty();
    Ok(if found { findings() } else { ExitCode::SUCCESS })
}

/// An analyzer that has seen nothing, or goes on from saved baselines, and the key of its
/// fingerprints.
fn begin(
    options: Options,
    state: Option<&Path>,
    learn: Option<&Path>,
) -> Result<(Analyzer, [u8; 32]), Error> {
    let most = options.max_series;
    let Some(dir) = state else {
        // Any key gives the same verdicts; baselines stand under that of their folder.
        let key = match learn {
            Some(dir) => opened(dir, most)?.1,
            None => [0; 32],
        };
        return Ok((Analyzer::new(options, key), key));
    };
    let opened = StateDir::read_only(dir, most);
    let (state, key) = opened.map_err(|error| unreadable(dir, &error))?;
    let mut analyzer = Analyzer::new(options, key);
    for (series, saved) in state.load() {
        analyzer.restore(series, saved);
    }
    Ok((analyzer, key))
}

/// Writes every baseline that stands.
fn learn(dir: &Path, key: [u8; 32], most: usize, analyzer: &Analyzer) -> Result<(), Error> {
    let (state, own) = opened(dir, most)?;
    if own != key {
        let text =
            "its key differs from that of --state-dir; give both the same folder, or a new one";
        return Err(Error::Config(format!("{}: {text}", dir.display())));
    }
    for series in analyzer.keys() {
        if let Some(saved) = analyzer.save(series) {
            let written = state.save(series, &saved);
            written.map_err(|error| unreadable(dir, &error))?;
        }
    }
    Ok(())
}

fn opened(dir: &Path, most: usize) -> Result<(StateDir, [u8; 32]), Error> {
    StateDir::open(dir, None, most).map_err(|error| unreadable(dir, &error))
}

/// Runs one file through the analyzer and returns the time of its last call.
fn read(path: &Path, analyzer: &mut Analyzer, mut now: i64) -> Result<i64, Error> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let size = file
        .metadata()
        .map_err(|error| unreadable(path, &error))?
        .len();
    let bar = progress(size, path);
    let (mut records, mut truths) = (Records::new(file), Truths::default());
    let (mut number, mut read, mut strange) = (0, 0_u64, 0_u64);
    while let Some(record) = records.next() {
        match record {
            Ok(record) => match recorded(&record, number, &mut truths) {
                Some(Recorded::Learned(model, truth)) => {
                    read += 1;
                    analyzer.learn(&model, *truth);
                }
                Some(Recorded::Exchange(exchange)) => {
                    read += 1;
                    now = exchange
                        .start_unix_nanos
                        .saturating_add(exchange.duration_nanos);
                    analyzer.observe(&exchange);
                }
                None => strange += 1,
            },
            Err(damage) => bar.suspend(|| eprintln!("{}: {damage}", path.display())),
        }
        number += 1;
        bar.set_position(records.offset());
    }
    bar.finish_and_clear();
    if strange > 0 {
        eprintln!(
            "{}: {strange} records hold neither an exchange nor a Predict log; they are left out",
            path.display()
        );
    }
    if read == 0 && size > 0 {
        return Err(Error::Config(format!(
            "{}: no exchange in it; expected a TFRecord file written by --capture or by request logging",
            path.display()
        )));
    }
    Ok(now)
}

/// Folders stand for the files in them.
fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
        let mut inside: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "tfrecord"))
            .collect();
        inside.sort_unstable();
        if inside.is_empty() {
            return Err(Error::Config(format!(
                "{}: no *.tfrecord file in this folder",
                path.display()
            )));
        }
        files.extend(inside);
    }
    Ok(files)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Config(format!("{}: {error}", path.display()))
}

fn progress(size: u64, path: &Path) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(size).with_message(path.display().to_string());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {msg}") {
        bar.set_style(style);
    }
    bar
}
