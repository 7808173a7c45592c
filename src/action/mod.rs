//! What Flatline does beside watching, where it was asked to: `--action annotate` or `eject`.
//!
//! Both look at a snapshot twice a second, off the way of the calls.

mod annotate;
mod eject;

use crate::admin::Standing;
use crate::config::{Action, Eject};
use crate::observe::{Observer, Snapshot};
use crate::tap::Notes;
use crate::telemetry::Acting;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// What a running proxy needs for its action.
#[derive(Clone)]
pub struct Prepared {
    /// What replies carry; `None` unless asked for.
    pub notes: Option<Notes>,
    /// What `/readyz` says.
    pub standing: Standing,
    eject: Option<Eject>,
    metrics: Acting,
}

/// Before the proxy runs.
#[must_use]
pub fn prepare(action: Action) -> Prepared {
    let metrics = Acting::new();
    let notes = matches!(action, Action::Annotate).then(|| Notes::new(metrics.annotated.clone()));
    Prepared {
        notes,
        standing: Standing::default(),
        eject: match action {
            Action::Eject(eject) => Some(eject),
            Action::Observe | Action::Annotate => None,
        },
        metrics,
    }
}

/// Acts until it is dropped; returns at once where there is nothing to do.
pub async fn run(prepared: Prepared, observer: Observer) {
    if let Some(notes) = prepared.notes {
        let mut looks = Looks::new(observer);
        loop {
            notes.publish(annotate::notes(&*looks.next().await));
        }
    }
    if let Some(eject) = prepared.eject {
        eject::run(
            eject,
            prepared.standing,
            prepared.metrics,
            Looks::new(observer),
        )
        .await;
    }
}

/// Snapshots, one after the other.
struct Looks {
    observer: Observer,
    ticks: tokio::time::Interval,
}

impl Looks {
    fn new(observer: Observer) -> Self {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Looks { observer, ticks }
    }

    async fn next(&mut self) -> Arc<Snapshot> {
        loop {
            self.ticks.tick().await;
            if let Some(snapshot) = self.observer.scrape().await {
                return snapshot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::analyzer::{SeriesTraffic, Tally, Traffic};
    use crate::observe::Snapshot;
    use crate::report::{Observed, Report, Window};
    use serde_json::json;

    /// Series of one model, each in a state, with a cause that is certain or not, last answered at
    /// a second, and with the name of an output.
    pub(super) fn snapshot(series: &[(&str, bool, i64, &str)]) -> Snapshot {
        let series = series.iter().map(|(state, certain, second, output)| {
            let cause = json!({
                "rule": "D2", "category": "signature", "weight": 1.0, "certain": certain,
                "evidence": [], "confirm": "",
            });
            let series = json!({
                "model": "m", "version": 3, "signature": "s", "output": output, "state": state,
                "kind": "constant", "since": null, "confidence": 1.0, "ruled_out": [],
                "window": Window::default(), "causes": [cause],
            });
            let traffic = SeriesTraffic {
                tally: Tally::default(),
                own: true,
                rows: 1000,
                first_nanos: 0,
                last_nanos: second * 1_000_000_000,
            };
            (serde_json::from_value(series).expect("a series"), traffic)
        });
        let (series, traffic) = series.unzip();
        Snapshot {
            report: Report {
                schema: 1,
                at: String::new(),
                observed: Observed::default(),
                series,
                transitions: vec![],
                findings: vec![],
            },
            traffic: Traffic {
                series: traffic,
                ..Traffic::default()
            },
        }
    }
}
