//! `flatline doctor`

use super::runtime;
use crate::config::{Address, Pair, UpstreamTls};
use crate::doctor::{Questions, examine, recorded, text};
use crate::error::{Error, findings};
use crate::proto::tensorflow::serving::model_spec::VersionChoice;
use crate::truth::volume::Volume;
use clap::ValueEnum;
use jiff::SignedDuration;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Ask a running server which versions it has, what they expect, and whether they answer sensibly
#[derive(Debug, clap::Args)]
// The version here is a model's.
#[command(
    disable_version_flag = true,
    after_help = "Example:\n  flatline doctor --upstream 127.0.0.1:8510 --model digits --probe\n\nExit code 0 when nothing was found, 1 with findings, 64 when it has not the version or signature asked for, 69 when it is not there or speaks no gRPC, 78 when a file cannot be read."
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
    /// The model's base path, or a folder of several models', where it can be read
    #[arg(long, env = "FLATLINE_MODEL_DIR", value_name = "DIR")]
    model_dir: Option<PathBuf>,
    /// TensorFlow Serving's models.config, where it can be read
    #[arg(long, env = "FLATLINE_MODELS_CONFIG", value_name = "FILE")]
    models_config: Option<PathBuf>,
    /// Ask this version by its number, not the newest
    #[arg(long, env = "FLATLINE_MODEL_VERSION", value_name = "N")]
    version: Option<i64>,
    /// Send a few calls: zeros, ones, some that vary, one of them twice, a batch. Ten at the most to
    /// serving_default, or where there is none to each of the first four signatures
    #[arg(long, env = "FLATLINE_PROBE")]
    probe: bool,
    /// Send the first request for the model in this capture file as well, twice
    #[arg(
        long,
        env = "FLATLINE_RECORDED",
        value_name = "FILE",
        requires = "probe"
    )]
    recorded: Option<PathBuf>,
    /// Send them to this signature alone
    #[arg(
        long,
        env = "FLATLINE_SIGNATURE",
        value_name = "NAME",
        requires = "probe"
    )]
    signature: Option<String>,
    /// Send this value for an input in all of them, as for one that switches dropout on: once an input
    #[arg(
        long,
        env = "FLATLINE_SET",
        value_name = "INPUT=VALUE",
        requires = "probe",
        value_parser = set
    )]
    set: Vec<(String, String)>,
    /// How long the whole may take; what it cuts short is said
    #[arg(
        long,
        env = "FLATLINE_TIMEOUT",
        value_name = "TIME",
        default_value = "30s"
    )]
    timeout: SignedDuration,
    /// How to print
    #[arg(long, env = "FLATLINE_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Speak TLS to the server
    #[arg(long, env = "FLATLINE_UPSTREAM_TLS")]
    upstream_tls: bool,
    /// Authorities of its certificate, PEM [default: the system's]
    #[arg(long, env = "FLATLINE_UPSTREAM_CA", value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// Certificate to show it, PEM
    #[arg(
        long,
        env = "FLATLINE_UPSTREAM_CERT",
        value_name = "FILE",
        requires = "upstream_key"
    )]
    upstream_cert: Option<PathBuf>,
    /// Key of that certificate, PEM
    #[arg(
        long,
        env = "FLATLINE_UPSTREAM_KEY",
        value_name = "FILE",
        requires = "upstream_cert"
    )]
    upstream_key: Option<PathBuf>,
    /// Name in its certificate [default: its host]
    #[arg(long, env = "FLATLINE_UPSTREAM_SNI", value_name = "NAME")]
    upstream_sni: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

fn set(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("is no INPUT=VALUE (example: --set training=false)")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Args {
    fn tls(&self) -> Option<UpstreamTls> {
        let pair = self.upstream_cert.clone().zip(self.upstream_key.clone());
        let tls = UpstreamTls {
            ca: self.upstream_ca.clone(),
            pair: pair.map(|(certificate, key)| Pair { certificate, key }),
            name: self.upstream_sni.clone(),
        };
        (self.upstream_tls || tls != UpstreamTls::default()).then_some(tls)
    }
}

pub(super) fn run(args: Args) -> Result<ExitCode, Error> {
    let upstream: Address = args.upstream.parse().map_err(|reason| {
        Error::Config(format!(
            "upstream: `{}` {reason} (example: --upstream 127.0.0.1:8510)",
            args.upstream
        ))
    })?;
    let timeout = Duration::try_from(args.timeout).ok();
    let timeout = timeout.filter(|time| !time.is_zero()).ok_or_else(|| {
        Error::Usage("--timeout has to be more than 0 (example: --timeout 30s)".to_owned())
    })?;
    let tls = args.tls();
    let mut recorded = match &args.recorded {
        Some(path) => Some(recorded(path, &args.model)?),
        None => None,
    };
    if let (Some(version), Some(request)) = (args.version, &mut recorded) {
        let spec = request.model_spec.get_or_insert_default();
        spec.version_choice = Some(VersionChoice::Version(version));
    }
    let questions = Questions {
        upstream,
        tls,
        recorded,
        volume: Volume {
            model_dir: args.model_dir,
            models_config: args.models_config,
        },
        model: args.model,
        probe: args.probe,
        version: args.version,
        signature: args.signature,
        set: args.set.into_iter().collect(),
        timeout,
    };
    let runtime = runtime()?;
    let found = runtime.block_on(examine(&questions));
    // A name that is still being resolved is not waited for.
    runtime.shutdown_background();
    let found = found?;
    let out = match args.format {
        Format::Text => text(&found),
        Format::Json => serde_json::to_string_pretty(&found)
            .map(|json| json + "\n")
            .map_err(|error| Error::Internal(error.to_string()))?,
    };
    super::print(&out)?;
    Ok(if found.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        findings()
    })
}
