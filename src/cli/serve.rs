//! `flatline serve`

use super::runtime;
use crate::app;
use crate::config::{Config, Raw};
use crate::error::Error;
use crate::telemetry;
use std::io::Write;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Most lines that wait to be written.
const LOG_LINES: usize = 1_000;

/// Forward every call to TensorFlow Serving, and watch Predict replies
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  flatline serve --listen 0.0.0.0:8500 --upstream 127.0.0.1:8510 --admin 127.0.0.1:9464\n\nWrong values are all reported at once and end with exit code 78."
)]
pub(super) struct Args {
    #[command(flatten)]
    raw: Raw,
}

pub(super) fn run(args: Args) -> Result<ExitCode, Error> {
    let config = Config::load(args.raw)?;
    // Writes what is left of the log when it is dropped.
    let _log = log(&config);
    telemetry::say_panics_once();
    runtime()?.block_on(async {
        // Before binding, so that a signal during the start is not lost.
        let mut terminate = stop(SignalKind::terminate())?;
        let mut interrupt = stop(SignalKind::interrupt())?;
        let (upstream, delay) = (config.upstream.clone(), config.drain_delay);
        let running = app::start(config).await?;
        println!("listening on {}", running.listen);
        println!("upstream {upstream}");
        println!("admin on http://{}", running.admin);
        let _ = std::io::stdout().flush();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            circle = running.circle() => return Err(circle),
        }
        if !delay.is_zero() {
            tracing::info!(?delay, "asked to end; new calls are taken for a while");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                // Asked twice.
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        tracing::info!("draining");
        if !running.shutdown().await {
            tracing::warn!("some calls did not finish within the drain timeout and were cut");
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn stop(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Error> {
    signal(kind).map_err(|error| Error::Internal(format!("signals: {error}")))
}

/// Lines are written by a thread of their own and dropped where nobody reads them: a terminal that
/// stands still, or a full pipe, must not hold up a call.
fn log(config: &Config) -> WorkerGuard {
    let filter = EnvFilter::try_new(&config.log_level).unwrap_or_default();
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LOG_LINES)
        .finish(std::io::stderr());
    super::log::start(filter, config.log_json, writer);
    guard
}
