//! Metrics: one table of every name, and the recorder behind `/metrics`.

mod admission;
mod cut;
mod exposition;
mod names;
mod panic;
mod process;
mod table;
mod text;
mod told;

pub use admission::{
    ADMISSION, Admission, BAD_ANNOTATION, INJECTED, Reviewing, Unanswered, Verdict,
};
pub use cut::{Cut, Cuts, certificates_changed};
pub use exposition::series_metrics;
pub use panic::say_panics_once;
pub use process::process_metrics;
pub use table::{ALL, Kind, Metric};
pub use told::Told;

use crate::error::Error;
use crate::report::{Category, State, Transition};
use crate::skip::Skip;
use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Upper bounds of the latency buckets, seconds: 0.1 ms to 30 s.
pub const LATENCY_BUCKETS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0,
];

/// Installs the recorder of this process, once; later calls return the same.
///
/// # Errors
/// When another recorder was installed by somebody else.
pub fn install() -> Result<PrometheusHandle, Error> {
    static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    let installed = HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)
            .map_err(|error| error.to_string())?;
        let handle = builder
            .install_recorder()
            .map_err(|error| error.to_string())?;
        table::describe();
        process::started();
        Ok(handle)
    });
    installed
        .clone()
        .map_err(|error| Error::Internal(format!("metrics: {error}")))
}

/// Sorts what the histograms hold into their buckets, until it is dropped: else they would keep
/// every single value until somebody scrapes.
pub async fn upkeep(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

/// Time between two upkeeps.
const UPKEEP: Duration = Duration::from_secs(5);

/// How a forwarded call ended, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Status OK.
    Ok,
    /// Another status from the upstream.
    Status,
    /// The client went away.
    Cancelled,
    /// Flatline answered in place of the upstream.
    Unavailable,
    /// A stream was reset by the upstream.
    Reset,
}

impl End {
    const ALL: [End; 5] = [
        End::Ok,
        End::Status,
        End::Cancelled,
        End::Unavailable,
        End::Reset,
    ];

    fn as_str(self) -> &'static str {
        match self {
            End::Ok => "ok",
            End::Status => "status",
            End::Cancelled => "cancelled",
            End::Unavailable => "unavailable",
            End::Reset => "reset",
        }
    }
}

/// Handles of the forwarding path, resolved once.
#[derive(Clone)]
pub struct Forwarding {
    calls: [Counter; 5],
    /// From the request's headers to the end of the reply.
    pub duration: Histogram,
    /// From the request's headers to the moment they were handed to the upstream's connection.
    pub added: Histogram,
    /// From there to the headers of the upstream's reply.
    pub upstream: Histogram,
    /// Calls in flight.
    pub in_flight: Gauge,
    /// Client connections.
    pub connections: Gauge,
    /// Upstream connections opened.
    pub upstream_connects: Counter,
    /// Upstream connections that could not be opened.
    pub upstream_failures: Counter,
    /// Connections that could not be accepted.
    pub accept_failures: Counter,
    /// Connections that came to nothing.
    pub cuts: Arc<Cuts>,
}

impl Forwarding {
    /// The handles; cheap to clone from here on.
    #[must_use]
    pub fn new() -> Self {
        Forwarding {
            calls: End::ALL.map(|end| counter!(names::CALLS, "end" => end.as_str())),
            duration: histogram!(names::CALL_DURATION),
            added: histogram!(names::ADDED),
            upstream: histogram!(names::UPSTREAM_DURATION),
            in_flight: gauge!(names::IN_FLIGHT),
            connections: gauge!(names::CONNECTIONS),
            upstream_connects: counter!(names::UPSTREAM_CONNECTS),
            upstream_failures: counter!(names::UPSTREAM_FAILURES),
            accept_failures: counter!(names::ACCEPT_FAILURES),
            cuts: Arc::default(),
        }
    }

    /// Counts a call that ended, after `took`.
    pub fn ended(&self, end: End, took: Duration) {
        self.calls[end as usize].increment(1);
        self.duration.record(took.as_secs_f64());
    }
}

impl Default for Forwarding {
    fn default() -> Self {
        Forwarding::new()
    }
}

/// Handles of the observing side, resolved once.
pub struct Observing {
    skipped: [Counter; Skip::ALL.len()],
    said: [AtomicBool; Skip::ALL.len()],
    /// Predict calls read.
    pub calls: Counter,
    /// Rows read.
    pub rows: Counter,
    /// Rows with NaN or infinity.
    pub non_finite: Counter,
    /// Panics of the analyzer.
    pub panics: Counter,
    /// Series that left to make room.
    pub evicted: Counter,
    /// Calls waiting for the analyzer.
    pub queue: Gauge,
    /// Share of the inputs that are read.
    pub rate: Gauge,
    /// Series kept.
    pub series: Gauge,
    /// Bytes written to capture files.
    pub capture_bytes: Counter,
    /// Exchanges that could not be written.
    pub capture_dropped: Counter,
    /// Baselines that could not be saved.
    pub state_failures: Counter,
}

impl Observing {
    /// The handles.
    #[must_use]
    pub fn new() -> Self {
        Observing {
            skipped: Skip::ALL.map(|reason| counter!(names::SKIPPED, "reason" => reason.as_str())),
            said: Default::default(),
            calls: counter!(names::OBSERVED_CALLS),
            rows: counter!(names::OBSERVED_ROWS),
            non_finite: counter!(names::NON_FINITE),
            panics: counter!(names::PANICS),
            evicted: counter!(names::EVICTED),
            queue: gauge!(names::QUEUE),
            rate: gauge!(names::RATE),
            series: gauge!(names::SERIES),
            capture_bytes: counter!(names::CAPTURE_BYTES),
            capture_dropped: counter!(names::CAPTURE_DROPPED),
            state_failures: counter!(names::STATE_FAILURES),
        }
    }

    /// Counts a call that was forwarded and not observed. Where that is trouble of Flatline's own,
    /// it is said, once.
    pub fn skip(&self, reason: Skip) {
        self.skipped[reason as usize].increment(1);
        let own = matches!(reason, Skip::QueueFull | Skip::MemoryFull | Skip::Panic);
        let said = &self.said[reason as usize];
        if own && !said.load(Ordering::Relaxed) && !said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %reason,
                more = "counted in flatline_skipped_total and not said again",
                "a call was forwarded and not observed"
            );
        }
    }
}

impl Default for Observing {
    fn default() -> Self {
        Observing::new()
    }
}

/// Handles of what Flatline does of its own accord, where it was asked to.
#[derive(Clone)]
pub struct Acting {
    /// Replies that carried a verdict.
    pub annotated: Counter,
    /// 1 while the replica is out.
    pub ejected: Gauge,
    /// Times that the budget kept it in.
    pub refused: Counter,
}

impl Acting {
    /// The handles.
    #[must_use]
    pub fn new() -> Self {
        Acting {
            annotated: counter!(names::ANNOTATED),
            ejected: gauge!(names::EJECTED),
            refused: counter!(names::EJECTIONS_REFUSED),
        }
    }
}

impl Default for Acting {
    fn default() -> Self {
        Acting::new()
    }
}

/// Tells of a change of state, once as a log line and once as a counter.
pub fn verdict_changed(transition: &Transition, category: Option<Category>) {
    let kind = transition
        .kind
        .map_or_else(|| "none".to_owned(), exposition::name);
    let category = category.map_or_else(|| "none".to_owned(), exposition::name);
    let (from, to) = (
        exposition::name(transition.from),
        exposition::name(transition.to),
    );
    counter!(names::TRANSITIONS, "kind" => kind.clone(), "category" => category.clone(), "to" => to.clone())
        .increment(1);
    let Transition {
        model,
        version,
        signature,
        output,
        rows,
        ..
    } = transition;
    // Names are recorded as values, so that they stand in quotes.
    let (model, signature, output) = (model.as_str(), signature.as_str(), output.as_str());
    if transition.to == State::Firing {
        tracing::warn!(model, version, signature, output, %kind, %category, %from, %to, rows, "verdict changed");
    } else {
        tracing::info!(model, version, signature, output, %kind, %category, %from, %to, rows, "verdict changed");
    }
}

/// The unit as the recorder knows it.
fn unit(unit: &str) -> Option<Unit> {
    match unit {
        "seconds" => Some(Unit::Seconds),
        "bytes" => Some(Unit::Bytes),
        _ => Some(Unit::Count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_where_their_handles_are() {
        for (i, reason) in Skip::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i);
        }
        for (i, end) in End::ALL.iter().enumerate() {
            assert_eq!(*end as usize, i);
        }
    }
}
