//! The configuration of `flatline serve`: flags, `FLATLINE_` variables and a TOML file in one raw
//! form, checked as a whole into one typed [`Config`].
//!
//! A flag wins over its variable, the variable over the file, the file over the default.

mod action;
mod address;
mod meant;
mod raw;
mod tls;
mod value;

pub use action::{Action, Eject};
pub use address::Address;
pub(crate) use meant::with_what_was_meant;
pub use raw::Raw;
pub use tls::{ListenTls, Pair, UpstreamTls};

use crate::analyzer::Options;
use crate::detect::Settings;
use crate::error::Error;
use std::path::PathBuf;
use std::time::Duration;
use value::Checker;

/// A configuration that can be run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect.
    pub listen: Address,
    /// Where TensorFlow Serving listens.
    pub upstream: Address,
    /// Where metrics, health and verdicts are served.
    pub admin: Address,
    /// What the analyzer keeps.
    pub analyzer: Options,
    /// Most bytes that the tap keeps of one call.
    pub tap_bytes_per_call: usize,
    /// Most bytes that the tap keeps over all calls, and the queue with it.
    pub tap_bytes_total: usize,
    /// Most calls waiting for the analyzer.
    pub queue: usize,
    /// How long new calls are taken after the signal to end.
    pub drain_delay: Duration,
    /// How long calls in flight may take to finish after that.
    pub drain_timeout: Duration,
    /// How long a client may take to send a preface, or a block of headers.
    pub handshake_timeout: Duration,
    /// How clients are spoken to, if by TLS.
    pub listen_tls: Option<ListenTls>,
    /// How the upstream is spoken to, if by TLS.
    pub upstream_tls: Option<UpstreamTls>,
    /// Redirected connections go to where they were going.
    pub original_dst: bool,
    /// Log lines as JSON.
    pub log_json: bool,
    /// Log filter, as `info` or `flatline=debug`.
    pub log_level: String,
    /// Where exchanges are written, if they are.
    pub capture: Option<Capture>,
    /// Where baselines survive a restart, if they do.
    pub state_dir: Option<PathBuf>,
    /// What to do while a model is flat.
    pub action: Action,
    /// How often the upstream is asked about its models; never if `None`.
    pub truth_interval: Option<Duration>,
    /// The model volume, where it is mounted.
    pub model_dir: Option<PathBuf>,
    /// models.config, where it is mounted.
    pub models_config: Option<PathBuf>,
    /// Allows changes on the admin port.
    pub admin_token: Option<String>,
    /// Key that fingerprints share over replicas; random per process if none.
    pub fingerprint_key: Option<[u8; 32]>,
}

/// Capture files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Folder.
    pub dir: PathBuf,
    /// Most bytes over all files; the oldest leaves.
    pub max_bytes: u64,
    /// Files older than this leave.
    pub max_age: Duration,
}

impl Config {
    /// Reads the file that `raw` names, if it does, and checks everything.
    ///
    /// # Errors
    /// All mistakes in one message, each with its field, its reason and an example.
    pub fn load(raw: Raw) -> Result<Self, Error> {
        let merged = match &raw.config {
            None => raw,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Error::Config(format!(
                        "config `{}` cannot be read: {error}",
                        path.display()
                    ))
                })?;
                let file = Raw::from_toml(&text).map_err(|error| {
                    let said = error.to_string();
                    let said = said.replace(error.message(), &with_what_was_meant(error.message()));
                    Error::Config(format!("config `{}`: {said}", path.display()))
                })?;
                raw.or(file)
            }
        };
        Config::check(&merged)
    }

    /// Checks every field of `raw`.
    ///
    /// # Errors
    /// All mistakes in one message.
    pub fn check(raw: &Raw) -> Result<Self, Error> {
        let mut check = Checker::default();
        let defaults = Options::default();
        let (per_call, total) = tap_bounds(&mut check, raw.memory_limit.as_ref());
        let config = Config {
            listen: check.address("listen", raw.listen.as_ref(), "0.0.0.0:8500"),
            admin: check.address("admin", raw.admin.as_ref(), admin()),
            analyzer: Options {
                window: check.duration("window", raw.window.as_ref(), "60s"),
                window_rows: check.count("window-rows", raw.window_rows.as_ref(), "4096"),
                max_series: check.count("max-series", raw.max_series.as_ref(), "256"),
                ignore_inputs: raw.ignore_input.iter().map(|name| name.0.clone()).collect(),
                detect: Settings {
                    false_alarms_per_million_rows: check.rate(
                        "false-alarms-per-million-rows",
                        raw.false_alarms_per_million_rows.as_ref(),
                        "0.1",
                        1e5,
                    ),
                },
                expect: check.expect("expect", &raw.expect),
                ..defaults
            },
            upstream: check.address("upstream", raw.upstream.as_ref(), "127.0.0.1:8510"),
            tap_bytes_per_call: check.size(
                "tap-bytes-per-call",
                raw.tap_bytes_per_call.as_ref(),
                &per_call,
            ),
            tap_bytes_total: check.size("tap-bytes-total", raw.tap_bytes_total.as_ref(), &total),
            queue: check.count("queue", raw.queue.as_ref(), "4096"),
            drain_delay: check
                .interval("drain-delay", raw.drain_delay.as_ref(), "0s")
                .unwrap_or_default(),
            drain_timeout: check.duration("drain-timeout", raw.drain_timeout.as_ref(), "20s"),
            handshake_timeout: check.duration(
                "handshake-timeout",
                raw.handshake_timeout.as_ref(),
                "10s",
            ),
            listen_tls: tls::listen(&mut check, raw),
            upstream_tls: tls::upstream(&mut check, raw),
            original_dst: check.flag("original-dst", raw.original_dst.as_ref()),
            log_json: check.choice("log-format", raw.log_format.as_ref(), &["text", "json"]) == 1,
            log_level: check.filter("log-level", raw.log_level.as_ref(), "info"),
            capture: raw.capture.as_ref().map(|dir| Capture {
                dir: dir.0.clone().into(),
                max_bytes: check.size("capture-max-bytes", raw.capture_max_bytes.as_ref(), "1GiB")
                    as u64,
                max_age: check.duration("capture-max-age", raw.capture_max_age.as_ref(), "24h"),
            }),
            state_dir: raw.state_dir.as_ref().map(|dir| dir.0.clone().into()),
            action: action::check(&mut check, raw),
            truth_interval: check.interval("truth-interval", raw.truth_interval.as_ref(), "30s"),
            model_dir: raw.model_dir.as_ref().map(|dir| dir.0.clone().into()),
            models_config: raw.models_config.as_ref().map(|file| file.0.clone().into()),
            admin_token: check.secret("admin-token", raw.admin_token.as_ref()),
            fingerprint_key: check.key("fingerprint-key", raw.fingerprint_key.as_ref()),
        };
        if config.upstream == config.listen && !config.listen.is_ephemeral() {
            check.wrong(
                "upstream",
                &config.upstream.to_string(),
                "is where Flatline itself listens: every call would come back",
                "127.0.0.1:8510",
            );
        }
        check.finish(config)
    }
}

/// What the tap keeps of one call and of all where nothing is said of that: it has to fit into the
/// memory of the process, of which the windows and the calls in flight need the rest.
fn tap_bounds(check: &mut Checker, limit: Option<&value::Text>) -> (String, String) {
    let limit = limit.map_or(usize::MAX, |limit| {
        check.size("memory-limit", Some(limit), "256MiB")
    });
    let share = |part: usize, most: usize| (limit / part).clamp(1, most).to_string();
    (share(8, 64 << 20), share(4, 256 << 20))
}

/// In a pod, probes and scrapes come from outside of it; elsewhere nobody is let in unasked.
fn admin() -> &'static str {
    match std::env::var_os("KUBERNETES_SERVICE_HOST") {
        Some(_) => "0.0.0.0:9464",
        None => "127.0.0.1:9464",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toml(text: &str) -> Result<Config, String> {
        let raw = Raw::from_toml(text).map_err(|e| e.to_string())?;
        Config::check(&raw).map_err(|e| e.to_string())
    }

    #[test]
    fn the_tap_fits_into_the_memory_unless_it_is_told() {
        let kept = |text: &str| {
            let config = toml(text).unwrap();
            (config.tap_bytes_per_call, config.tap_bytes_total)
        };
        assert_eq!(kept("memory-limit = \"64MiB\""), (8 << 20, 16 << 20));
        assert_eq!(kept("memory-limit = \"1TiB\""), (64 << 20, 256 << 20));
        let told = "memory-limit = 67108864\ntap-bytes-total = \"32MiB\"";
        assert_eq!(kept(told), (8 << 20, 32 << 20));
        let wrong = toml("memory-limit = \"much\"").unwrap_err();
        assert!(wrong.contains("memory-limit: `much`"), "{wrong}");
    }

    #[test]
    fn nothing_given_means_the_documented_defaults() {
        let config = toml("").unwrap();
        assert_eq!(config.listen.to_string(), "0.0.0.0:8500");
        assert_eq!(config.upstream.to_string(), "127.0.0.1:8510");
        assert_eq!(config.analyzer.window_rows, 4096);
        assert_eq!(config.tap_bytes_per_call, 64 << 20);
        assert_eq!(config.drain_timeout, Duration::from_secs(20));
        assert_eq!(config.tap_bytes_total, 256 << 20);
        assert!(config.capture.is_none());
        assert_eq!(config.truth_interval, Some(Duration::from_secs(30)));
        for never in ["0", "0s"] {
            let text = format!("truth-interval = \"{never}\"");
            assert_eq!(toml(&text).unwrap().truth_interval, None);
        }
        assert!(toml("truth-interval = \"1ms\"").is_err());
    }

    #[test]
    fn numbers_and_strings_mean_the_same() {
        let config = toml(
            "window-rows = 100\nwindow = \"2m\"\nignore-input = [\"id\"]\nlisten = \"unix:/tmp/a\"",
        )
        .unwrap();
        assert_eq!(config.analyzer.window_rows, 100);
        assert_eq!(config.analyzer.window, Duration::from_secs(120));
        assert_eq!(config.analyzer.ignore_inputs, ["id"]);
        assert_eq!(config.listen, Address::Unix("/tmp/a".into()));
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_an_example() {
        let error =
            toml("listen = \"nowhere\"\nwindow = \"soon\"\nqueue = 0\ntap-bytes-total = \"many\"")
                .unwrap_err();
        for part in [
            "listen",
            "nowhere",
            "window",
            "soon",
            "queue",
            "tap-bytes-total",
            "example",
        ] {
            assert!(error.contains(part), "`{part}` is not in:\n{error}");
        }
        assert_eq!(error.lines().count(), 5, "{error}");
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = toml("listne = \"a\"").unwrap_err();
        assert!(
            error.contains("listne") && error.contains("line 1"),
            "{error}"
        );
    }

    #[test]
    fn the_proxy_is_not_pointed_at_itself() {
        let error = toml("listen = \"127.0.0.1:8500\"\nupstream = \"127.0.0.1:8500\"").unwrap_err();
        assert!(error.contains("where Flatline itself listens"), "{error}");
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let flag = Raw {
            window: Some(value::Text("1s".to_owned())),
            ..Raw::default()
        };
        let file = Raw::from_toml("window = \"9s\"\nqueue = 7").unwrap();
        let config = Config::check(&flag.or(file)).unwrap();
        assert_eq!(config.analyzer.window, Duration::from_secs(1));
        assert_eq!(config.queue, 7);
    }
}
