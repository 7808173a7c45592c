//! `flatline health`

use super::proxy::Proxy;
use crate::admin;
use crate::error::Error;
use http::{Method, StatusCode};
use std::process::ExitCode;

/// Ask a running proxy whether it is well: exit 0 if it is, 1 if not, 69 if nobody answers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example, as a probe of the kubelet's where a mesh stands in between:\n  flatline health --admin 127.0.0.1:9464 readyz"
)]
pub(super) struct Args {
    #[command(flatten)]
    proxy: Proxy,
    /// Whether it runs, or whether calls may be sent to it
    #[arg(value_enum, default_value_t)]
    check: Check,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Check {
    Livez,
    #[default]
    Readyz,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let path = match args.check {
        Check::Livez => "/livez",
        Check::Readyz => "/readyz",
    };
    let asked = admin::ask(&args.proxy.admin, Method::GET, path, None);
    let (status, body) = super::runtime()?.block_on(asked)?;
    println!("{}", String::from_utf8_lossy(&body).trim());
    Ok(match status {
        StatusCode::OK => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
