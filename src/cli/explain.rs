//! `flatline explain`

use crate::admin;
use crate::config::Address;
use crate::error::Error;
use crate::explain;
use crate::report::{Report, SCHEMA};
use http::{Method, StatusCode};
use serde::Deserialize;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

/// Say in plain language what a verdict means: what happened, why, and what to do next
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  flatline explain --admin http://127.0.0.1:9464\n  curl -s http://127.0.0.1:9464/api/v1/verdicts | flatline explain"
)]
pub(super) struct Args {
    /// JSON as of /api/v1/verdicts; - or nothing for standard input
    #[arg(value_name = "FILE", conflicts_with = "admin")]
    file: Option<PathBuf>,
    /// Ask a running proxy instead: HOST:PORT, http://HOST:PORT or unix:/path
    #[arg(long, value_name = "ADDR", value_parser = admin::address)]
    admin: Option<Address>,
}

#[derive(Deserialize)]
struct Shape {
    schema: u32,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let (name, text) = match (&args.admin, &args.file) {
        (Some(address), _) => (address.to_string(), asked(address)?),
        (None, Some(path)) if path.as_os_str() != "-" => {
            let text = std::fs::read(path);
            (
                path.display().to_string(),
                text.map_err(|e| unreadable(path.display(), &e))?,
            )
        }
        _ => {
            let mut text = Vec::new();
            let read = std::io::stdin().read_to_end(&mut text);
            read.map_err(|e| unreadable("standard input", &e))?;
            ("standard input".to_owned(), text)
        }
    };
    // Some tools put a byte order mark first.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    // A later shape may be read in part, and would say something else.
    let shape: Result<Shape, _> = serde_json::from_slice(text);
    if let Some(schema) = shape
        .ok()
        .map(|shape| shape.schema)
        .filter(|s| *s != SCHEMA)
    {
        return Err(Error::Config(format!(
            "{name}: schema: {schema}, and this version of Flatline reads schema {SCHEMA}"
        )));
    }
    let report: Report = serde_json::from_slice(text).map_err(|error| {
        Error::Config(format!(
            "{name}: no verdicts as of /api/v1/verdicts: {error}"
        ))
    })?;
    super::print(&explain::report(&report))?;
    Ok(ExitCode::SUCCESS)
}

fn asked(address: &Address) -> Result<Vec<u8>, Error> {
    let asked = admin::ask(address, Method::GET, "/api/v1/verdicts", None);
    let (status, body) = super::runtime()?.block_on(asked)?;
    if status == StatusCode::OK {
        return Ok(body.into());
    }
    Err(Error::Unavailable(format!(
        "admin: `{address}` answered {status}: {}",
        String::from_utf8_lossy(&body).trim()
    )))
}

fn unreadable(name: impl std::fmt::Display, error: &std::io::Error) -> Error {
    Error::Config(format!("{name}: {error}"))
}
