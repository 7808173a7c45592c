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
use crate::report::{Category, State};
use crate::telemetry::Acting;
use http::{Method, StatusCode};
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// After this long outside a replica comes back to be tried: without calls no verdict changes.
const HOLD: Duration = Duration::from_secs(300);
/// A verdict whose series had no row for this long is no reason to go.
const STALE_NANOS: i64 = 60_000_000_000;
/// Rows after the return before the same trouble is a reason again: a series that has healed needs
/// half as many to say so.
const TRIED: u64 = 320;
/// How long a peer may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches, goes and comes back, until it is dropped.
pub(super) async fn run(eject: Eject, standing: Standing, metrics: Acting, mut looks: Looks) {
    let mut tried = Tried::default();
    loop {
        if tried.reason(&*looks.next().await, now()).is_none() {
            continue;
        }
        tokio::time::sleep(eject.jitter.mul_f64(fastrand::f64())).await;
        let Some(reason) = tried.reason(&*looks.next().await, now()) else {
            continue;
        };
        standing.set(Place::Asking);
        if !may_go(&eject).await {
            standing.set(Place::In);
            metrics.refused.increment(1);
            tracing::warn!(reason, "a series fires, but no more replicas may go");
            continue;
        }
        standing.set(Place::Out);
        metrics.ejected.set(1.0);
        tracing::warn!(reason, "out: /readyz fails");
        let since = Instant::now();
        let mut last = looks.next().await;
        while since.elapsed() < HOLD && certain(&last).next().is_some() {
            last = looks.next().await;
        }
        tried = Tried::at(&last);
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

/// What fired when the replica came back, and the rows that it had by then: it comes back to be
/// tried, and no verdict changes before there are rows.
#[derive(Default)]
struct Tried(HashMap<String, u64>);

impl Tried {
    fn at(snapshot: &Snapshot) -> Self {
        let rows = |at: usize| snapshot.traffic.series.get(at).map_or(0, |seen| seen.rows);
        let certain = certain(snapshot);
        Tried(certain.map(|(at, reason)| (reason, rows(at))).collect())
    }

    /// Why to go: a series with calls of late that fires with a certain cause, and has had its
    /// trial.
    fn reason(&mut self, snapshot: &Snapshot, now_nanos: i64) -> Option<String> {
        let fires: Vec<(usize, String)> = certain(snapshot).collect();
        // What has healed in the meantime is new when it fires again.
        self.0
            .retain(|one, _| fires.iter().any(|(_, reason)| reason == one));
        let is_due = |(at, reason): &(usize, String)| {
            snapshot.traffic.series.get(*at).is_some_and(|seen| {
                let back = self.0.get(reason);
                now_nanos.saturating_sub(seen.last_nanos) < STALE_NANOS
                    && back.is_none_or(|rows| seen.rows >= rows + TRIED)
            })
        };
        let due = fires.iter().find(|one| is_due(one));
        due.map(|(_, reason)| reason.clone())
    }
}

/// The series that fire with a certain cause; none for what a client does, since it would do the same
/// to every other replica.
fn certain(snapshot: &Snapshot) -> impl Iterator<Item = (usize, String)> {
    let series = snapshot.report.series.iter().enumerate();
    series.filter_map(|(at, series)| {
        let cause = series
            .causes
            .iter()
            .find(|cause| cause.certain && cause.category != Category::Client)?;
        (series.state == State::Firing).then(|| {
            let reason = format!(
                "{} version {}, signature {}, output {}: {}",
                series.model, series.version, series.signature, series.output, cause.rule
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
    use crate::action::tests::snapshot;

    fn eject(peers: &[&str], budget: f64) -> Eject {
        let peers = peers.iter().map(|peer| peer.parse().expect("an address"));
        Eject {
            peers: peers.collect(),
            budget,
            jitter: Duration::from_millis(1),
        }
    }

    #[test]
    fn a_reason_is_certain_and_of_late_by_the_clock() {
        let second = |second: i64| second * 1_000_000_000;
        let fires = snapshot(&[("firing", true, 100, "o"), ("inactive", true, 400, "o")]);
        let reason_at = |snapshot, at| Tried::default().reason(snapshot, second(at));
        let said = "m version 3, signature s, output o: D2";
        assert_eq!(reason_at(&fires, 101).as_deref(), Some(said));
        assert_eq!(reason_at(&fires, 159).as_deref(), Some(said));
        // Out for five minutes: no call came, and its own silence is no reason to go again.
        assert_eq!(reason_at(&fires, 401), None);
        let likely = snapshot(&[("firing", false, 100, "o"), ("pending", true, 100, "o")]);
        assert_eq!(reason_at(&likely, 101), None);
        let mut client = snapshot(&[("firing", true, 100, "o")]);
        client.report.series[0].causes[0].category = Category::Client;
        assert_eq!(
            reason_at(&client, 101),
            None,
            "every other replica gets it too"
        );
        // One that ended must not hide one that is of late.
        let both = snapshot(&[("firing", true, 100, "o"), ("firing", true, 400, "o")]);
        assert_eq!(reason_at(&both, 401).as_deref(), Some(said));
    }

    #[test]
    fn a_replica_that_came_back_is_tried_before_it_goes_again() {
        let mut fires = snapshot(&[("firing", true, 100, "o"), ("inactive", true, 100, "o")]);
        let now = 101_000_000_000;
        let mut tried = Tried::at(&fires);
        assert_eq!(tried.reason(&fires, now), None);
        fires.traffic.series[0].rows += TRIED - 1;
        assert_eq!(tried.reason(&fires, now), None);
        fires.traffic.series[0].rows += 1;
        assert!(tried.reason(&fires, now).is_some(), "it is still flat");
        // Healed, and flat again: that is news.
        let mut tried = Tried::at(&fires);
        let healed = snapshot(&[("resolved", true, 100, "o"), ("inactive", true, 100, "o")]);
        assert_eq!(tried.reason(&healed, now), None);
        assert!(tried.reason(&fires, now).is_some());
    }

    #[tokio::test]
    async fn nobody_goes_while_no_name_resolves() {
        // RFC 6761: `.invalid` never resolves.
        assert!(!may_go(&eject(&["fleet.invalid:9464"], 0.3)).await);
        assert!(!may_go(&eject(&["a.invalid:9464", "b.invalid:9464"], 0.9)).await);
        assert!(may_go(&eject(&["fleet.invalid:9464"], 1.0)).await);
    }
}
