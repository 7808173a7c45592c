//! A replica that takes itself out, and never the whole fleet.
//!
//! First it says that it wants to go, then it asks all replicas who is out or wants to go, and
//! goes only if that is within the budget, itself counted. Two that ask at once each see the
//! other and both step back; a random wait makes one the first. A replica that does not answer
//! counts as out, and so does a name that stands for nobody: else all would go while no name resolves.

use super::Looks;
use crate::admin::{self, Place, Standing};
use crate::config::{Address, Eject};
use crate::observe::Snapshot;
use crate::report::State;
use crate::telemetry::Acting;
use http::{Method, StatusCode};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// After this long outside a replica comes back to be tried: without calls no verdict changes.
const HOLD: Duration = Duration::from_secs(300);
/// A verdict whose series had no row for this long is no reason to go.
const STALE_NANOS: i64 = 60_000_000_000;
/// How long a peer may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches, goes and comes back, until it is dropped.
pub(super) async fn run(eject: Eject, standing: Standing, metrics: Acting, mut looks: Looks) {
    loop {
        if reason(&*looks.next().await, now()).is_none() {
            continue;
        }
        tokio::time::sleep(eject.jitter.mul_f64(fastrand::f64())).await;
        let Some(reason) = reason(&*looks.next().await, now()) else {
            continue;
        };
        standing.set(Place::Asking);
        if !may_go(&eject).await {
            standing.set(Place::In);
            metrics.refused.increment(1);
            tracing::warn!(%reason, "a series fires, but no more replicas may go");
            continue;
        }
        standing.set(Place::Out);
        metrics.ejected.set(1.0);
        tracing::warn!(%reason, "out: /readyz fails");
        let since = Instant::now();
        while since.elapsed() < HOLD && certain(&*looks.next().await).next().is_some() {}
        standing.set(Place::In);
        metrics.ejected.set(0.0);
        tracing::info!("back: /readyz succeeds");
    }
}

/// The time by the clock, nanoseconds since the Unix epoch: a series that alone had calls would
/// always be of late by its own.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

/// Why to go: a series with calls of late that fires with a certain cause.
fn reason(snapshot: &Snapshot, now_nanos: i64) -> Option<String> {
    let fresh = |at: usize| {
        let seen = snapshot.traffic.series.get(at);
        seen.is_some_and(|seen| now_nanos.saturating_sub(seen.last_nanos) < STALE_NANOS)
    };
    let mut certain = certain(snapshot);
    certain.find(|(at, _)| fresh(*at)).map(|(_, reason)| reason)
}

/// The series that fire with a certain cause.
fn certain(snapshot: &Snapshot) -> impl Iterator<Item = (usize, String)> {
    let series = snapshot.report.series.iter().enumerate();
    series.filter_map(|(at, series)| {
        let cause = series.causes.iter().find(|cause| cause.certain)?;
        (series.state == State::Firing).then(|| {
            let reason = format!(
                "{} version {}, output {}: {}",
                series.model, series.version, series.output, cause.rule
            );
            (at, reason)
        })
    })
}

/// Whether one more may be out, this one.
async fn may_go(eject: &Eject) -> bool {
    if eject.budget >= 1.0 {
        return true;
    }
    let replicas = resolve(&eject.peers).await;
    let total = replicas.len();
    let mut asked: JoinSet<bool> = replicas.into_iter().map(is_in).collect();
    let mut stay = 0;
    while let Some(answer) = asked.join_next().await {
        stay += usize::from(answer.unwrap_or(false));
    }
    // This replica says that it wants to go, so it is among those that are not in.
    let out = total - stay;
    out as f64 <= eject.budget * total as f64
}

async fn is_in(replica: Address) -> bool {
    let asked = admin::ask(&replica, Method::GET, "/readyz", None);
    match timeout(PATIENCE, asked).await {
        Ok(Ok((StatusCode::OK, body))) => body.trim_ascii() == b"ok",
        _ => false,
    }
}

/// A name may stand for many replicas; one that stands for none stays as it is, to be found out.
async fn resolve(peers: &[Address]) -> Vec<Address> {
    let mut replicas = Vec::new();
    for peer in peers {
        match peer {
            Address::Tcp(host, port) => {
                let found = tokio::net::lookup_host((host.as_str(), *port));
                let found = timeout(PATIENCE, found).await.ok().and_then(Result::ok);
                let before = replicas.len();
                let found = found.into_iter().flatten();
                replicas.extend(found.map(|a| Address::Tcp(a.ip().to_string(), a.port())));
                if replicas.len() == before {
                    replicas.push(peer.clone());
                }
            }
            Address::Unix(_) => replicas.push(peer.clone()),
        }
    }
    replicas.sort_by_key(ToString::to_string);
    replicas.dedup();
    replicas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzer::{SeriesTraffic, Tally, Traffic};
    use crate::report::{Observed, Report, Window};
    use serde_json::json;

    fn eject(peers: &[&str], budget: f64) -> Eject {
        let peers = peers.iter().map(|peer| peer.parse().expect("an address"));
        Eject {
            peers: peers.collect(),
            budget,
            jitter: Duration::from_millis(1),
        }
    }

    /// Two series, each in this state, with a cause that is certain or not, last answered at this
    /// second.
    fn snapshot(series: [(&str, bool, i64); 2]) -> Snapshot {
        let series = series.map(|(state, certain, second)| {
            let cause = json!({
                "rule": "D2", "category": "signature", "weight": 1.0, "certain": certain,
                "evidence": [], "confirm": "",
            });
            let series = json!({
                "model": "m", "version": 3, "signature": "s", "output": "o", "state": state,
                "kind": "constant", "since": null, "confidence": 1.0, "ruled_out": [],
                "window": Window::default(), "causes": [cause],
            });
            let traffic = SeriesTraffic {
                tally: Tally::default(),
                own: true,
                first_nanos: 0,
                last_nanos: second * 1_000_000_000,
            };
            (serde_json::from_value(series).expect("a series"), traffic)
        });
        let (series, traffic) = series.into_iter().unzip();
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

    #[test]
    fn a_reason_is_certain_and_of_late_by_the_clock() {
        let second = |second: i64| second * 1_000_000_000;
        let fires = snapshot([("firing", true, 100), ("inactive", true, 400)]);
        let reason_at = |snapshot, at| reason(snapshot, second(at));
        let said = "m version 3, output o: D2";
        assert_eq!(reason_at(&fires, 101).as_deref(), Some(said));
        assert_eq!(reason_at(&fires, 159).as_deref(), Some(said));
        // Out for five minutes: no call came, and its own silence is no reason to go again.
        assert_eq!(reason_at(&fires, 401), None);
        let likely = snapshot([("firing", false, 100), ("pending", true, 100)]);
        assert_eq!(reason_at(&likely, 101), None);
        // One that ended must not hide one that is of late.
        let both = snapshot([("firing", true, 100), ("firing", true, 400)]);
        assert_eq!(reason_at(&both, 401).as_deref(), Some(said));
    }

    #[tokio::test]
    async fn nobody_goes_while_no_name_resolves() {
        // RFC 6761: `.invalid` never resolves.
        assert!(!may_go(&eject(&["fleet.invalid:9464"], 0.3)).await);
        assert!(!may_go(&eject(&["a.invalid:9464", "b.invalid:9464"], 0.9)).await);
        assert!(may_go(&eject(&["fleet.invalid:9464"], 1.0)).await);
    }
}
