//! `flatline doctor`

use super::runtime;
use crate::config::Address;
use crate::doctor::{Questions, examine};
use crate::error::{Error, findings};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Ask a running server which versions it has, what they expect, and whether they answer sensibly
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  flatline doctor --upstream 127.0.0.1:8510 --model digits --probe\n\nExit code 0 when nothing was found, 1 with findings, 69 when the server is not there."
)]
pub(super) struct Args {
    /// Where TensorFlow Serving listens: HOST:PORT or unix:/path
    #[arg(long, env = "FLATLINE_UPSTREAM", value_name = "ADDR")]
    upstream: String,
    /// The model's name
    #[arg(
        long,
        env = "FLATLINE_MODEL",
        value_name = "NAME",
        default_value = "default"
    )]
    model: String,
    /// The model's base path, where it can be read
    #[arg(long, env = "FLATLINE_MODEL_DIR", value_name = "DIR")]
    model_dir: Option<PathBuf>,
    /// Send nine calls: zeros, ones, some that vary, and one of them twice
    #[arg(long, env = "FLATLINE_PROBE")]
    probe: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode, Error> {
    let upstream: Address = args.upstream.parse().map_err(|reason| {
        Error::Config(format!(
            "upstream: `{}` {reason} (example: --upstream 127.0.0.1:8510)",
            args.upstream
        ))
    })?;
    let questions = Questions {
        upstream,
        model: args.model,
        model_dir: args.model_dir,
        probe: args.probe,
    };
    let found = runtime()?.block_on(examine(&questions))?;
    // A reader that has seen enough closes the pipe.
    let _ = std::io::stdout().write_all(found.text.as_bytes());
    Ok(if found.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        findings()
    })
}
