//! The one table of metrics. `docs/metrics.md` is written from it, and a test compares it with
//! what a live process exports.

use super::unit;
use metrics::{describe_counter, describe_gauge, describe_histogram};

/// What kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

impl Kind {
    /// As Prometheus names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Full name, with `_total` for counters.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Unit: `seconds`, `bytes`, `ratio`, or what is counted.
    pub unit: &'static str,
    /// Label names.
    pub labels: &'static [&'static str],
    /// What it says, one sentence.
    pub help: &'static str,
    /// Version that brought it.
    pub since: &'static str,
}

use super::names::*;

const ID: &[&str] = &["model", "version", "signature", "output"];

/// Every metric that Flatline exports.
pub const ALL: &[Metric] = &[
    counter(
        CALLS,
        "calls",
        &["end"],
        "Calls forwarded, by how they ended.",
    ),
    histogram(
        CALL_DURATION,
        "From the request's headers to the end of the reply.",
    ),
    histogram(
        ADDED,
        "Flatline's own part: from the request's headers to handing them to the upstream, less the wait for a connection to it.",
    ),
    histogram(
        UPSTREAM_DURATION,
        "The upstream's part: from handing it the request's headers to the headers of its reply.",
    ),
    gauge(IN_FLIGHT, "calls", &[], "Calls in flight."),
    gauge(CONNECTIONS, "connections", &[], "Client connections open."),
    counter(
        UPSTREAM_CONNECTS,
        "connections",
        &[],
        "Connections opened to the upstream.",
    ),
    counter(
        UPSTREAM_FAILURES,
        "connections",
        &[],
        "Connections to the upstream that could not be opened.",
    ),
    counter(
        ACCEPT_FAILURES,
        "connections",
        &[],
        "Client connections that could not be accepted.",
    ),
    counter(
        CUT,
        "connections",
        &["reason"],
        "Client connections that were cut off or came to nothing, by reason.",
    ),
    counter(
        TLS_LOADS,
        "loads",
        &["side", "outcome"],
        "Certificate files that changed, and whether they were taken or kept out.",
    ),
    counter(
        SKIPPED,
        "calls",
        &["reason"],
        "Predict calls forwarded and left out of the statistics, by reason: those with `probe` and `warm_up` were read.",
    ),
    counter(
        OBSERVED_CALLS,
        "calls",
        &[],
        "Predict calls whose request and reply were read, probes and warm-up among them.",
    ),
    counter(
        OBSERVED_ROWS,
        "rows",
        &[],
        "Rows of those calls; a request of 32 rows counts 32.",
    ),
    counter(NON_FINITE, "rows", &[], "Output rows with NaN or infinity."),
    counter(
        PANICS,
        "panics",
        &[],
        "Panics of the analyzer, each costing one series its memory and no call anything.",
    ),
    counter(
        EVICTED,
        "series",
        &[],
        "Series that left because there were too many.",
    ),
    gauge(QUEUE, "calls", &[], "Calls waiting for the analyzer."),
    gauge(
        RATE,
        "ratio",
        &[],
        "Share of the inputs that are read, 0 to 1; below 1 while the analyzer cannot keep up.",
    ),
    gauge(SERIES, "series", &[], "Series kept."),
    counter(
        CAPTURE_BYTES,
        "bytes",
        &[],
        "Bytes written to capture files.",
    ),
    counter(
        CAPTURE_DROPPED,
        "exchanges",
        &[],
        "Exchanges that could not be written to a capture file.",
    ),
    counter(
        STATE_FAILURES,
        "baselines",
        &[],
        "Baselines that could not be written to the state folder.",
    ),
    counter(
        ANNOTATED,
        "replies",
        &[],
        "Replies that carried `flatline-verdict`, with `--action annotate`.",
    ),
    gauge(
        EJECTED,
        "state",
        &[],
        "1 while `/readyz` fails because a series fires, with `--action eject`.",
    ),
    counter(
        EJECTIONS_REFUSED,
        "attempts",
        &[],
        "Times that this replica would have gone but for the budget of the fleet.",
    ),
    gauge(
        BUILD,
        "state",
        &["flatline_version"],
        "1; the label says which Flatline this is.",
    ),
    gauge(
        MEMORY,
        "bytes",
        &[],
        "Memory of the process that is resident.",
    ),
    counter(
        CPU,
        "seconds",
        &[],
        "Processor time of the process, user and system.",
    ),
    gauge(
        STARTED,
        "seconds",
        &[],
        "When the process started, Unix time.",
    ),
    counter(
        TRANSITIONS,
        "transitions",
        &["kind", "category", "to"],
        "Changes of a verdict's state, by kind, category of the likeliest cause, and new state.",
    ),
    gauge(
        STATE,
        "state",
        ID,
        "State of the verdict: 0 inactive, 1 pending, 2 firing, 3 resolved.",
    ),
    gauge(
        CAUSE,
        "ratio",
        &[
            "model",
            "version",
            "signature",
            "output",
            "rule",
            "category",
        ],
        "Weight of the two likeliest causes, 0 to 1; absent while inactive.",
    ),
    gauge(WINDOW_ROWS, "rows", ID, "Rows in the sliding window."),
    gauge(
        WINDOW_INPUTS,
        "inputs",
        ID,
        "Distinct inputs in the sliding window, as the client sent them.",
    ),
    gauge(
        WINDOW_OUTPUTS,
        "outputs",
        ID,
        "Distinct outputs in the sliding window.",
    ),
    gauge(
        WINDOW_TOP,
        "ratio",
        ID,
        "Share of the commonest output in the sliding window, 0 to 1.",
    ),
    gauge(
        WINDOW_EFFECTIVE,
        "inputs",
        ID,
        "Distinct inputs in the sliding window, as the model saw them.",
    ),
    gauge(
        KIND,
        "state",
        &["model", "version", "signature", "output", "kind"],
        "1 for the kind of trouble of a verdict; absent while inactive.",
    ),
    gauge(
        SINCE,
        "seconds",
        ID,
        "When the verdict came into its state, Unix time; absent while inactive.",
    ),
    gauge(
        READY,
        "state",
        ID,
        "1 once the baseline of the series stands, 0 while it is learned.",
    ),
    gauge(
        FINDING,
        "state",
        &["rule", "model", "version", "category"],
        "1 for what is wrong with the deployment, collapse or not.",
    ),
    gauge(
        FIRST_SEEN,
        "seconds",
        &["model", "version"],
        "When this process saw the first reply of a version, Unix time.",
    ),
    gauge(
        LAST_SEEN,
        "seconds",
        &["model", "version"],
        "When this process saw the last reply of a version, Unix time.",
    ),
    gauge(
        HIDDEN,
        "series",
        &[],
        "Series without lines of their own, added up under the model `other`.",
    ),
    counter(ROWS, "rows", ID, "Rows of the series."),
    counter(
        ROWS_NON_FINITE,
        "rows",
        ID,
        "Output rows of the series with NaN or infinity.",
    ),
    counter(
        PAIRS,
        "pairs",
        ID,
        "Pairs of a row and one of the 32 rows before it in its series.",
    ),
    counter(
        INPUT_PAIRS,
        "pairs",
        ID,
        "Pairs whose inputs differ as the client sent them.",
    ),
    counter(
        EFFECTIVE_PAIRS,
        "pairs",
        ID,
        "Pairs whose inputs differ as the model saw them.",
    ),
    counter(
        COMPARED,
        "pairs",
        ID,
        "Pairs that are evidence: effective inputs differ, the newer is new to the window, both outputs are finite.",
    ),
    counter(
        COLLIDING,
        "pairs",
        ID,
        "Compared pairs whose outputs are equal, byte for byte.",
    ),
    counter(
        EXPECTED,
        "pairs",
        ID,
        "Compared pairs that would collide under health: a sum of probabilities, 1 each where nothing is known.",
    ),
];

const fn counter(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        unit,
        labels,
        help,
        since: "0.1.0",
    }
}

const fn gauge(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        unit,
        labels,
        help,
        since: "0.1.0",
    }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram,
        unit: "seconds",
        labels: &[],
        help,
        since: "0.1.0",
    }
}

/// Hands names, units and help to the recorder.
pub(super) fn describe() {
    for metric in ALL {
        let Some(unit) = unit(metric.unit) else {
            continue;
        };
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, unit, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, unit, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, unit, metric.help),
        }
    }
}
