//! What the webhook tells: one event for the log line and the counter, and its own metrics, which a
//! proxy does not export.

use super::table::{Kind, Metric};
use jiff::Timestamp;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use std::time::Duration;

const REVIEWS: &str = "flatline_admission_reviews_total";
const UNANSWERED: &str = "flatline_admission_unanswered_total";
const DURATION: &str = "flatline_admission_duration_seconds";
const LOADS: &str = "flatline_webhook_certificate_loads_total";
const FAILURES: &str = "flatline_webhook_certificate_failures_total";
const EXPIRY: &str = "flatline_webhook_certificate_expiry_timestamp_seconds";

/// Reason of a pod that gets the sidecar.
pub const INJECTED: &str = "none";
/// Reason of a pod whose annotations are wrong.
pub const BAD_ANNOTATION: &str = "bad_annotation";

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        unit,
        labels,
        help,
        since: "0.1.0",
    }
}

/// Every metric of `flatline webhook`.
pub const ADMISSION: &[Metric] = &[
    metric(
        REVIEWS,
        Kind::Counter,
        "reviews",
        &["outcome", "reason"],
        "Reviews answered, by what became of the pod and why; dry runs are not counted.",
    ),
    metric(
        UNANSWERED,
        Kind::Counter,
        "requests",
        &["reason"],
        "Requests that are no review that can be answered.",
    ),
    metric(
        DURATION,
        Kind::Histogram,
        "seconds",
        &[],
        "From the request's headers to the answer.",
    ),
    metric(
        LOADS,
        Kind::Counter,
        "certificates",
        &[],
        "Certificates shown one after the other.",
    ),
    metric(
        FAILURES,
        Kind::Counter,
        "looks",
        &[],
        "Times that Secret, caBundle or the files could not be looked after.",
    ),
    metric(
        EXPIRY,
        Kind::Gauge,
        "seconds",
        &[],
        "When the certificate that is shown ends, as Unix time.",
    ),
];

/// What became of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It gets the sidecar.
    Injected,
    /// It does not, for a reason.
    Skipped,
    /// Its annotations are wrong, and it is admitted as it is.
    Refused,
    /// Its annotations are wrong, and it is not admitted.
    Denied,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Verdict::Injected => "injected",
            Verdict::Skipped => "skipped",
            Verdict::Refused => "refused",
            Verdict::Denied => "denied",
        }
    }
}

/// A review that was answered.
#[derive(Debug)]
pub struct Admission<'a> {
    /// What became of the pod.
    pub verdict: Verdict,
    /// Why, as a label out of a fixed set.
    pub reason: &'static str,
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod's name, or the beginning of it.
    pub pod: &'a str,
    /// Why, for people.
    pub detail: &'a str,
    /// Whether the API server only asks what would happen.
    pub dry_run: bool,
}

impl Admission<'_> {
    /// Writes the log line and counts; a dry run leaves no count.
    pub fn emit(&self) {
        let Admission {
            reason,
            namespace,
            pod,
            detail,
            dry_run,
            verdict,
        } = self;
        let outcome = verdict.as_str();
        if !dry_run {
            counter!(REVIEWS, "outcome" => outcome, "reason" => *reason).increment(1);
        }
        match verdict {
            Verdict::Refused | Verdict::Denied => {
                tracing::warn!(
                    outcome,
                    reason,
                    namespace,
                    pod,
                    detail,
                    dry_run,
                    "pod reviewed"
                );
            }
            Verdict::Injected | Verdict::Skipped => {
                tracing::info!(
                    outcome,
                    reason,
                    namespace,
                    pod,
                    detail,
                    dry_run,
                    "pod reviewed"
                );
            }
        }
    }
}

/// Why a request was not answered as a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// No TLS connection came about.
    Handshake,
    /// Not JSON by its own word.
    ContentType,
    /// More than is read.
    TooLarge,
    /// Not a review, or one cut short.
    Malformed,
    /// Not there in time.
    Late,
}

impl Unanswered {
    const ALL: [Unanswered; 5] = [
        Unanswered::Handshake,
        Unanswered::ContentType,
        Unanswered::TooLarge,
        Unanswered::Malformed,
        Unanswered::Late,
    ];

    /// As a label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Unanswered::Handshake => "handshake",
            Unanswered::ContentType => "content_type",
            Unanswered::TooLarge => "too_large",
            Unanswered::Malformed => "malformed",
            Unanswered::Late => "late",
        }
    }
}

/// Handles of the webhook, resolved once.
pub struct Reviewing {
    unanswered: [Counter; 5],
    duration: Histogram,
    loads: Counter,
    failures: Counter,
    expiry: Gauge,
}

impl Reviewing {
    /// The handles; describes the metrics. `skips` are all reasons of pods that are skipped.
    #[must_use]
    pub fn new(skips: &[&'static str]) -> Self {
        for metric in ADMISSION {
            let unit = super::unit(metric.unit).unwrap_or(Unit::Count);
            match metric.kind {
                Kind::Counter => describe_counter!(metric.name, unit, metric.help),
                Kind::Gauge => describe_gauge!(metric.name, unit, metric.help),
                Kind::Histogram => describe_histogram!(metric.name, unit, metric.help),
            };
        }
        // At 0 before the first: an increase from nothing is none to Prometheus.
        let skips = skips.iter().map(|reason| (Verdict::Skipped, *reason));
        let others = [
            (Verdict::Injected, INJECTED),
            (Verdict::Refused, BAD_ANNOTATION),
            (Verdict::Denied, BAD_ANNOTATION),
        ];
        for (verdict, reason) in skips.chain(others) {
            counter!(REVIEWS, "outcome" => verdict.as_str(), "reason" => reason).absolute(0);
        }
        Reviewing {
            unanswered: Unanswered::ALL.map(|why| counter!(UNANSWERED, "reason" => why.as_str())),
            duration: histogram!(DURATION),
            loads: counter!(LOADS),
            failures: counter!(FAILURES),
            expiry: gauge!(EXPIRY),
        }
    }

    /// A review was answered within `took`.
    pub fn answered(&self, took: Duration) {
        self.duration.record(took.as_secs_f64());
    }

    /// A request was not.
    pub fn unanswered(&self, why: Unanswered) {
        self.unanswered[why as usize].increment(1);
    }

    /// A certificate is shown; one that was made here ends at `expires`.
    pub fn loaded(&self, expires: Option<Timestamp>) {
        self.loads.increment(1);
        if let Some(expires) = expires {
            self.expiry.set(expires.as_second() as f64);
        }
    }

    /// The certificate could not be looked after.
    pub fn not_loaded(&self) {
        self.failures.increment(1);
    }
}
