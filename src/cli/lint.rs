//! `flatline lint`

use crate::error::{Error, findings};
use crate::lint::{Level, examine, text};
use clap::ValueEnum;
use std::path::PathBuf;
use std::process::ExitCode;

/// Look for mistakes in a models.config, a SavedModel folder, or Flatline's own TOML
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  flatline lint /etc/tfs/models.config\n  flatline lint --format json /models/digits\n  flatline lint --allow pinned-version models.config\n\nWhat PATH is, is told from what is in it.\nExit code 0 when nothing was found, 1 with problems (with --deny-warnings: with warnings too), 78 when PATH cannot be read."
)]
pub(super) struct Args {
    /// A models.config, a model's base folder, one version folder, or Flatline's TOML
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// How to print
    #[arg(long, env = "FLATLINE_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// End with 1 for warnings too
    #[arg(long, env = "FLATLINE_DENY_WARNINGS")]
    deny_warnings: bool,
    /// Leave out a rule, by the name in brackets behind each finding; may be repeated
    #[arg(
        long,
        env = "FLATLINE_ALLOW",
        value_name = "RULE",
        value_delimiter = ','
    )]
    allow: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let mut report = examine(&args.path)?;
    report
        .findings
        .retain(|note| !args.allow.iter().any(|rule| rule == note.rule));
    let out = match args.format {
        Format::Text => text(&report),
        Format::Json => serde_json::to_string_pretty(&report)
            .map(|json| json + "\n")
            .map_err(|error| Error::Internal(format!("json: {error}")))?,
    };
    super::print(&out)?;
    let failed = report.has(Level::Problem) || args.deny_warnings && report.has(Level::Warning);
    Ok(if failed {
        findings()
    } else {
        ExitCode::SUCCESS
    })
}
