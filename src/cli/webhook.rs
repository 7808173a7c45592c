//! `flatline webhook`

use super::injection::Injection;
use super::runtime;
use crate::config::Address;
use crate::error::Error;
use crate::inject::is_log_filter;
use crate::tls::Files;
use crate::webhook::{self, Certificates, Lifetimes, Names};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The namespace that a pod runs in, as the kubelet mounts it.
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Serve the mutating admission webhook: put the sidecar into pods as they are made
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  flatline webhook --tls-cert tls.crt --tls-key tls.key\n  flatline webhook --namespace flatline --service flatline-webhook\n\nWithout --tls-cert, certificates are made here: kept in a Secret that all replicas share, published\nas the caBundle of --configuration, and replaced long before they end.\n\nServes POST /mutate (AdmissionReview v1), GET /healthz and GET /metrics."
)]
pub(super) struct Args {
    /// Where the API server connects: HOST:PORT; port 0 takes a free one
    #[arg(
        long,
        env = "FLATLINE_LISTEN",
        value_name = "ADDR",
        default_value = "[::]:8443"
    )]
    listen: String,
    /// Certificate chain, PEM; read again when it changes
    #[arg(
        long,
        env = "FLATLINE_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(
        long,
        env = "FLATLINE_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
    /// How often the files are looked at
    #[arg(
        long,
        env = "FLATLINE_TLS_RELOAD",
        value_name = "TIME",
        default_value = "10s"
    )]
    tls_reload: String,
    /// Namespace of Service and Secret [default: the pod's own]
    #[arg(long, env = "FLATLINE_NAMESPACE", value_name = "NAME")]
    namespace: Option<String>,
    /// The Service that the API server calls
    #[arg(
        long,
        env = "FLATLINE_SERVICE",
        value_name = "NAME",
        default_value = "flatline-webhook"
    )]
    service: String,
    /// The Secret that holds certificates made here
    #[arg(
        long,
        env = "FLATLINE_SECRET",
        value_name = "NAME",
        default_value = "flatline-webhook-tls"
    )]
    secret: String,
    /// The MutatingWebhookConfiguration whose caBundle is kept
    #[arg(
        long,
        env = "FLATLINE_CONFIGURATION",
        value_name = "NAME",
        default_value = "flatline"
    )]
    configuration: String,
    /// How long a certificate made here lives; replaced when a third of that is left
    #[arg(
        long,
        env = "FLATLINE_CERTIFICATE_LIFETIME",
        value_name = "TIME",
        default_value = "90d"
    )]
    certificate_lifetime: String,
    /// How long to serve on after SIGTERM: API servers learn late that a replica leaves
    #[arg(
        long,
        env = "FLATLINE_SHUTDOWN_DELAY",
        value_name = "TIME",
        default_value = "5s"
    )]
    shutdown_delay: String,
    /// Log lines as text or json
    #[arg(long, env = "FLATLINE_LOG_FORMAT", value_name = "FORMAT", default_value = "text",
        value_parser = ["text", "json"])]
    log_format: String,
    /// Log filter, such as info or flatline=debug
    #[arg(
        long,
        env = "FLATLINE_LOG_LEVEL",
        value_name = "FILTER",
        default_value = "info"
    )]
    log_level: String,
    #[command(flatten)]
    injection: Injection,
}

pub(super) fn run(args: Args) -> Result<ExitCode, Error> {
    let listen: Address = args.listen.parse().map_err(|reason| {
        Error::Config(format!(
            "listen: `{}` {reason} (example: --listen 0.0.0.0:8443)",
            args.listen
        ))
    })?;
    log(&args.log_level, args.log_format == "json")?;
    let certificates = match (args.tls_cert, args.tls_key) {
        (Some(certificate), Some(key)) => {
            let every = duration("tls-reload", &args.tls_reload, "10s")?;
            Certificates::Files(Files { certificate, key }, every)
        }
        _ => {
            let lifetime = duration("certificate-lifetime", &args.certificate_lifetime, "90d")?;
            let names = Names {
                namespace: namespace(args.namespace)?,
                service: args.service,
                secret: args.secret,
                configuration: args.configuration,
            };
            Certificates::Own(Box::new(names), Lifetimes::of(lifetime))
        }
    };
    let delay = match args.shutdown_delay.as_str() {
        "0" | "0s" => Duration::ZERO,
        text => duration("shutdown-delay", text, "5s")?,
    };
    let settings = args.injection.settings()?;
    runtime()?.block_on(async {
        let stop =
            |kind| signal(kind).map_err(|error| Error::Internal(format!("signals: {error}")));
        let mut terminate = stop(SignalKind::terminate())?;
        let mut interrupt = stop(SignalKind::interrupt())?;
        let running = tokio::select! {
            running = webhook::start(&listen, certificates, settings) => running?,
            _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
            _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
        };
        println!("webhook on https://{}", running.listen);
        let _ = std::io::stdout().flush();
        tokio::select! {
            _ = terminate.recv() => {
                tracing::info!(?delay, "serving on for a while");
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining");
        running.shutdown().await;
        Ok(ExitCode::SUCCESS)
    })
}

fn namespace(given: Option<String>) -> Result<String, Error> {
    let read = given.or_else(|| std::fs::read_to_string(NAMESPACE).ok());
    let name = read
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    name.ok_or_else(|| {
        Error::Config(
            "namespace: not given, and this is no pod (example: --namespace flatline, or --tls-cert and --tls-key)"
                .to_owned(),
        )
    })
}

/// `90d`, `12h`, `10s`.
fn duration(flag: &str, text: &str, example: &str) -> Result<Duration, Error> {
    let units = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ];
    let parsed = units.iter().find_map(|(unit, millis)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number
            .checked_mul(*millis)
            .filter(|millis| (1..=315_360_000_000).contains(millis))
    });
    parsed.map(Duration::from_millis).ok_or_else(|| {
        Error::Config(format!(
            "{flag}: `{text}` is no time (example: --{flag} {example})"
        ))
    })
}

fn log(level: &str, json: bool) -> Result<(), Error> {
    let filter = EnvFilter::try_new(level).ok();
    let filter = filter.filter(|_| is_log_filter(level)).ok_or_else(|| {
        Error::Config(format!(
            "log-level: `{level}` is no log filter (example: --log-level info)"
        ))
    })?;
    super::log::start(filter, json, std::io::stderr);
    Ok(())
}
