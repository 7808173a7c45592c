//! `flatline reset`

use super::proxy::Proxy;
use crate::admin;
use crate::error::Error;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::process::ExitCode;

/// Make a running proxy forget what it learned of some series, or of all
#[derive(Debug, clap::Args)]
// The version here is a model's.
#[command(
    disable_version_flag = true,
    after_help = "Example:\n  flatline reset --admin 127.0.0.1:9464 --model digits\n\nUse it after a change that the version number does not show. The proxy must run with --admin-token."
)]
pub(super) struct Args {
    #[command(flatten)]
    proxy: Proxy,
    /// Its token
    #[arg(
        long,
        env = "FLATLINE_ADMIN_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    admin_token: Option<String>,
    /// Only series of this model
    #[arg(long)]
    model: Option<String>,
    /// Only series of this version
    #[arg(long)]
    version: Option<i64>,
    /// Only series of this signature
    #[arg(long)]
    signature: Option<String>,
    /// Only series of this output
    #[arg(long)]
    output: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let version = args.version.map(|version| version.to_string());
    let chosen = [
        ("model", &args.model),
        ("version", &version),
        ("signature", &args.signature),
        ("output", &args.output),
    ];
    let pairs = chosen.into_iter().filter_map(|(name, value)| {
        let value = utf8_percent_encode(value.as_deref()?, NON_ALPHANUMERIC);
        Some(format!("{name}={value}"))
    });
    let path = format!("/api/v1/reset?{}", pairs.collect::<Vec<_>>().join("&"));
    let token = args.admin_token.as_deref();
    let asked = admin::ask(&args.proxy.admin, Method::POST, &path, token);
    let (status, body) = super::runtime()?.block_on(asked)?;
    let text = String::from_utf8_lossy(&body);
    if status != StatusCode::OK {
        return Err(Error::Usage(format!("{status}: {}", text.trim())));
    }
    println!("reset: {}", text.trim());
    Ok(ExitCode::SUCCESS)
}
