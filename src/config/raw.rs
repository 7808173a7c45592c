//! Every flag of `flatline serve` as it was written, from the command line, the environment or
//! the TOML file.

use super::value::{Text, texts};
use clap::Args;
use serde::Deserialize;
use std::path::PathBuf;

/// Flags, variables and keys: unchecked.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Raw {
    /// Where clients connect: HOST:PORT or unix:/path; port 0 takes a free one [default: 0.0.0.0:8500]
    #[arg(long, env = "FLATLINE_LISTEN", value_name = "ADDR")]
    pub listen: Option<Text>,
    /// Where TensorFlow Serving listens: HOST:PORT or unix:/path [default: 127.0.0.1:8510]
    #[arg(long, env = "FLATLINE_UPSTREAM", value_name = "ADDR")]
    pub upstream: Option<Text>,
    /// Where metrics, health and verdicts are served [default: 127.0.0.1:9464, in Kubernetes
    /// 0.0.0.0:9464]
    #[arg(long, env = "FLATLINE_ADMIN", value_name = "ADDR")]
    pub admin: Option<Text>,
    /// TOML file with any of these options as keys, such as `window = "60s"`
    #[arg(long, env = "FLATLINE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Input left out of the fingerprint, such as request_id; may be repeated
    #[arg(
        long,
        env = "FLATLINE_IGNORE_INPUT",
        value_name = "NAME",
        value_delimiter = ','
    )]
    #[serde(deserialize_with = "texts")]
    pub ignore_input: Vec<Text>,
    /// Length of the sliding window in time [default: 60s]
    #[arg(long, env = "FLATLINE_WINDOW", value_name = "TIME")]
    pub window: Option<Text>,
    /// Length of the sliding window in rows [default: 4096]
    #[arg(
        long,
        env = "FLATLINE_WINDOW_ROWS",
        allow_negative_numbers = true,
        value_name = "N"
    )]
    pub window_rows: Option<Text>,
    /// Most series (model, version, signature, output) kept at once [default: 256]
    #[arg(
        long,
        env = "FLATLINE_MAX_SERIES",
        allow_negative_numbers = true,
        value_name = "N"
    )]
    pub max_series: Option<Text>,
    /// False alarms accepted in a million rows of one series, by each test [default: 0.1]
    #[arg(
        long,
        env = "FLATLINE_FALSE_ALARMS_PER_MILLION_ROWS",
        allow_negative_numbers = true,
        value_name = "X"
    )]
    pub false_alarms_per_million_rows: Option<Text>,
    /// What an output can take, as MODEL=KIND or MODEL/OUTPUT=KIND, where KIND is continuous,
    /// coarse or classes:N, which helps before a baseline is learned, or non-finite, where NaN and
    /// infinity are values as any other; may be repeated
    #[arg(
        long,
        env = "FLATLINE_EXPECT",
        value_name = "EXPECT",
        value_delimiter = ','
    )]
    #[serde(deserialize_with = "texts")]
    pub expect: Vec<Text>,
    /// Folder where learned baselines survive a restart
    #[arg(long, env = "FLATLINE_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<Text>,
    /// Secret that allows changes on the admin port, such as `flatline reset`; without it the
    /// port is read-only
    #[arg(
        long,
        env = "FLATLINE_ADMIN_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    pub admin_token: Option<Text>,
    /// What to do while a model is flat: observe, annotate (replies to Predict carry the metadata
    /// `flatline-verdict`) or eject (/readyz fails while the evidence is certain) [default: observe]
    #[arg(long, env = "FLATLINE_ACTION", value_name = "ACTION")]
    pub action: Option<Text>,
    /// Admin addresses of all replicas, this one among them, such as the headless service
    /// flatline.models:9464; may be repeated. Eject asks them before it goes
    #[arg(
        long,
        env = "FLATLINE_EJECT_PEERS",
        value_name = "ADDR",
        value_delimiter = ','
    )]
    #[serde(deserialize_with = "texts")]
    pub eject_peers: Vec<Text>,
    /// Largest share of the replicas that may be out at once; 1 lets a lone one go [default: 0.3]
    #[arg(
        long,
        env = "FLATLINE_EJECT_BUDGET",
        allow_negative_numbers = true,
        value_name = "SHARE"
    )]
    pub eject_budget: Option<Text>,
    /// Longest wait, at random, before a replica goes [default: 30s]
    #[arg(long, env = "FLATLINE_EJECT_JITTER", value_name = "TIME")]
    pub eject_jitter: Option<Text>,
    /// How often the upstream is asked for the status of its models, and mounted files are read;
    /// 0 for never [default: 30s]
    #[arg(long, env = "FLATLINE_TRUTH_INTERVAL", value_name = "TIME")]
    pub truth_interval: Option<Text>,
    /// Model volume, mounted read-only: a model's base path, or a folder of several
    #[arg(long, env = "FLATLINE_MODEL_DIR", value_name = "DIR")]
    pub model_dir: Option<Text>,
    /// TensorFlow Serving's models.config, mounted read-only
    #[arg(long, env = "FLATLINE_MODELS_CONFIG", value_name = "FILE")]
    pub models_config: Option<Text>,
    /// Memory that the process may use, of which the tap keeps a quarter unless told otherwise
    #[arg(long, env = "FLATLINE_MEMORY_LIMIT", value_name = "SIZE")]
    pub memory_limit: Option<Text>,
    /// Most bytes kept of one call; larger ones are forwarded unobserved [default: 64MiB, at most an eighth of --memory-limit]
    #[arg(long, env = "FLATLINE_TAP_BYTES_PER_CALL", value_name = "SIZE")]
    pub tap_bytes_per_call: Option<Text>,
    /// Most bytes kept of all calls that wait for the analyzer [default: 256MiB, at most a quarter of --memory-limit]
    #[arg(long, env = "FLATLINE_TAP_BYTES_TOTAL", value_name = "SIZE")]
    pub tap_bytes_total: Option<Text>,
    /// Most calls that wait for the analyzer [default: 4096]
    #[arg(
        long,
        env = "FLATLINE_QUEUE",
        allow_negative_numbers = true,
        value_name = "N"
    )]
    pub queue: Option<Text>,
    /// How long new calls are still taken after SIGTERM, before calls in flight are waited for [default: 0s]
    #[arg(long, env = "FLATLINE_DRAIN_DELAY", value_name = "TIME")]
    pub drain_delay: Option<Text>,
    /// How long calls in flight may finish after SIGTERM [default: 20s]
    #[arg(long, env = "FLATLINE_DRAIN_TIMEOUT", value_name = "TIME")]
    pub drain_timeout: Option<Text>,
    /// How long a client may take to send its preface or a block of headers [default: 10s]
    #[arg(long, env = "FLATLINE_HANDSHAKE_TIMEOUT", value_name = "TIME")]
    pub handshake_timeout: Option<Text>,
    /// Certificate that clients are shown, PEM; read again when it changes
    #[arg(long, env = "FLATLINE_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<Text>,
    /// Its key, PEM
    #[arg(long, env = "FLATLINE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<Text>,
    /// Authorities of clients' certificates, PEM; clients without one are refused
    #[arg(long, env = "FLATLINE_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<Text>,
    /// TensorFlow Serving's own --ssl_config_file, in place of the three above
    #[arg(long, env = "FLATLINE_SSL_CONFIG_FILE", value_name = "FILE")]
    pub ssl_config_file: Option<Text>,
    /// Speak TLS to the upstream; said by any of the four below
    #[arg(
        long,
        env = "FLATLINE_UPSTREAM_TLS",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub upstream_tls: Option<Text>,
    /// Authorities of the upstream's certificate, PEM [default: the system's]
    #[arg(long, env = "FLATLINE_UPSTREAM_CA", value_name = "FILE")]
    pub upstream_ca: Option<Text>,
    /// Certificate that the upstream is shown, PEM
    #[arg(long, env = "FLATLINE_UPSTREAM_CERT", value_name = "FILE")]
    pub upstream_cert: Option<Text>,
    /// Its key, PEM
    #[arg(long, env = "FLATLINE_UPSTREAM_KEY", value_name = "FILE")]
    pub upstream_key: Option<Text>,
    /// Name in the upstream's certificate [default: its host]
    #[arg(long, env = "FLATLINE_UPSTREAM_SNI", value_name = "NAME")]
    pub upstream_sni: Option<Text>,
    /// Send a connection that the kernel redirected here to where it was going, and only others
    /// to the upstream
    #[arg(
        long,
        visible_alias = "transparent",
        env = "FLATLINE_ORIGINAL_DST",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub original_dst: Option<Text>,
    /// Log lines as text or json [default: text]
    #[arg(long, env = "FLATLINE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<Text>,
    /// Log filter, such as info or flatline=debug, up to debug [default: info]
    #[arg(long, env = "FLATLINE_LOG_LEVEL", value_name = "FILTER")]
    pub log_level: Option<Text>,
    /// Write every observed exchange to files in this folder (they hold payloads)
    #[arg(long, env = "FLATLINE_CAPTURE", value_name = "DIR")]
    pub capture: Option<Text>,
    /// Most bytes of all capture files; the oldest leave [default: 1GiB]
    #[arg(long, env = "FLATLINE_CAPTURE_MAX_BYTES", value_name = "SIZE")]
    pub capture_max_bytes: Option<Text>,
    /// Capture files older than this leave [default: 24h]
    #[arg(long, env = "FLATLINE_CAPTURE_MAX_AGE", value_name = "TIME")]
    pub capture_max_age: Option<Text>,
    /// 64 hexadecimal digits that replicas share, so that their fingerprints can be compared
    /// [default: random]
    #[arg(
        long,
        env = "FLATLINE_FINGERPRINT_KEY",
        value_name = "HEX",
        hide_env_values = true
    )]
    pub fingerprint_key: Option<Text>,
}

impl Raw {
    /// Reads a TOML file's text.
    ///
    /// # Errors
    /// A syntax error or an unknown key, with its line.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// These options, and those of `other` where these have none.
    #[must_use]
    pub fn or(self, other: Raw) -> Self {
        Raw {
            listen: self.listen.or(other.listen),
            upstream: self.upstream.or(other.upstream),
            admin: self.admin.or(other.admin),
            config: self.config.or(other.config),
            ignore_input: first(self.ignore_input, other.ignore_input),
            expect: first(self.expect, other.expect),
            state_dir: self.state_dir.or(other.state_dir),
            admin_token: self.admin_token.or(other.admin_token),
            action: self.action.or(other.action),
            eject_peers: first(self.eject_peers, other.eject_peers),
            eject_budget: self.eject_budget.or(other.eject_budget),
            eject_jitter: self.eject_jitter.or(other.eject_jitter),
            truth_interval: self.truth_interval.or(other.truth_interval),
            model_dir: self.model_dir.or(other.model_dir),
            models_config: self.models_config.or(other.models_config),
            window: self.window.or(other.window),
            window_rows: self.window_rows.or(other.window_rows),
            max_series: self.max_series.or(other.max_series),
            false_alarms_per_million_rows: self
                .false_alarms_per_million_rows
                .or(other.false_alarms_per_million_rows),
            memory_limit: self.memory_limit.or(other.memory_limit),
            tap_bytes_per_call: self.tap_bytes_per_call.or(other.tap_bytes_per_call),
            tap_bytes_total: self.tap_bytes_total.or(other.tap_bytes_total),
            queue: self.queue.or(other.queue),
            drain_delay: self.drain_delay.or(other.drain_delay),
            drain_timeout: self.drain_timeout.or(other.drain_timeout),
            handshake_timeout: self.handshake_timeout.or(other.handshake_timeout),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            tls_client_ca: self.tls_client_ca.or(other.tls_client_ca),
            ssl_config_file: self.ssl_config_file.or(other.ssl_config_file),
            upstream_tls: self.upstream_tls.or(other.upstream_tls),
            upstream_ca: self.upstream_ca.or(other.upstream_ca),
            upstream_cert: self.upstream_cert.or(other.upstream_cert),
            upstream_key: self.upstream_key.or(other.upstream_key),
            upstream_sni: self.upstream_sni.or(other.upstream_sni),
            original_dst: self.original_dst.or(other.original_dst),
            log_format: self.log_format.or(other.log_format),
            log_level: self.log_level.or(other.log_level),
            capture: self.capture.or(other.capture),
            capture_max_bytes: self.capture_max_bytes.or(other.capture_max_bytes),
            capture_max_age: self.capture_max_age.or(other.capture_max_age),
            fingerprint_key: self.fingerprint_key.or(other.fingerprint_key),
        }
    }
}

fn first(these: Vec<Text>, others: Vec<Text>) -> Vec<Text> {
    if these.is_empty() { others } else { these }
}
