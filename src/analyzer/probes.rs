//! Health probes and warm-up: one request as sent, again and again, beside or before what clients
//! want to know. Left out of the statistics, and counted. A client that sends nothing else at all
//! is another matter, and is told.

use super::series::SeriesKey;
use crate::fingerprint::call::Call;
use crate::fingerprint::print_map::{PrintMap, fold};
use crate::skip::Skip;
use std::collections::BTreeMap;

/// Requests remembered of one model; twice as many in the worst case.
const REMEMBERED: usize = 2048;
/// Models that are looked at.
const MODELS: usize = 64;
/// So often a request must have come before it is taken for a probe.
const OFTEN: u64 = 8;
/// Between two probes there are so many other calls at least: what comes oftener is what clients do.
const BETWEEN: f64 = 3.0;
/// Standard deviation of the pauses over their mean: a clock's, not a crowd's.
const REGULAR: f64 = 0.35;
/// With no other traffic several may ask the same, each by a clock of its own: still no crowd, whose
/// pauses vary as much as they are long. That takes a few more of them to tell.
const NEARLY_REGULAR: f64 = 0.75;
const FEW: f64 = 16.0;
/// With no other traffic, only what comes as seldom as this is a probe.
const SELDOM_NANOS: f64 = 0.9e9;
/// Equal requests at the very beginning that are taken for warm-up; beyond, it is the client.
const WARM_UP: u64 = 16;

/// What was sent to each model.
#[derive(Debug, Default)]
pub(super) struct Probes {
    models: BTreeMap<String, Model>,
}

#[derive(Debug, Default)]
struct Model {
    calls: u64,
    /// Calls of the last while, halved now and then, so that shares are of now.
    lately: f64,
    young: PrintMap<Sent>,
    old: PrintMap<Sent>,
    /// The first request, and whether nothing else came yet.
    first: Option<u64>,
    warming: bool,
}

/// One request as sent.
#[derive(Debug, Clone, Default)]
struct Sent {
    count: u64,
    lately: f64,
    last_nanos: i64,
    last_call: u64,
    /// Calls from one to the next lately, a moving average.
    pace: f64,
    /// Pauses in time and in calls: count, mean, sum of squared differences (Welford).
    nanos: Welford,
    calls: Welford,
}

#[derive(Debug, Clone, Copy, Default)]
struct Welford {
    n: f64,
    mean: f64,
    m2: f64,
}

impl Welford {
    fn add(&mut self, x: f64) {
        self.n += 1.0;
        let step = x - self.mean;
        self.mean += step / self.n;
        self.m2 += step * (x - self.mean);
    }

    /// Standard deviation over mean.
    fn variation(&self) -> f64 {
        if self.n < 2.0 || self.mean <= 0.0 {
            return f64::INFINITY;
        }
        (self.m2 / self.n).sqrt() / self.mean
    }
}

impl Probes {
    /// Whether the call is to be left out, and why.
    pub(super) fn look(&mut self, call: &Call, at_nanos: i64) -> Option<Skip> {
        if self.models.len() >= MODELS && !self.models.contains_key(&call.model) {
            return None;
        }
        let request = request(call)?;
        let model = self.models.entry(call.model.clone()).or_default();
        model.look(request, at_nanos)
    }

    /// Begins anew with a model, as after a reset.
    pub(super) fn forget(&mut self, keys: &[SeriesKey]) {
        for key in keys {
            self.models.remove(&key.model);
        }
    }
}

/// A fingerprint of all rows as sent.
fn request(call: &Call) -> Option<u64> {
    let output = call.outputs.iter().max_by_key(|o| o.inputs.raw.len())?;
    let rows = output.inputs.raw.iter().copied();
    Some(rows.fold(call.version as u64, fold))
}

impl Model {
    fn look(&mut self, request: u64, at_nanos: i64) -> Option<Skip> {
        self.calls += 1;
        self.lately += 1.0;
        if self.lately > 1024.0 {
            self.lately /= 2.0;
            let all = self.young.values_mut().chain(self.old.values_mut());
            all.for_each(|sent| sent.lately /= 2.0);
        }
        let warm_up = self.is_warm_up(request);
        let call = self.calls;
        let sent = self.remember(request);
        if sent.count > 0 {
            sent.nanos
                .add(at_nanos.saturating_sub(sent.last_nanos) as f64);
            let pause = (call - sent.last_call) as f64;
            sent.calls.add(pause);
            sent.pace += (pause - sent.pace) * if sent.count == 1 { 1.0 } else { 0.3 };
        }
        sent.count += 1;
        sent.lately += 1.0;
        (sent.last_nanos, sent.last_call) = (at_nanos, call);
        if warm_up {
            return Some(Skip::WarmUp);
        }
        if sent.count < OFTEN {
            return None;
        }
        let sent = sent.clone();
        self.is_probe(request, &sent).then_some(Skip::Probe)
    }

    /// Equal requests before any other: the second to the sixteenth are left out.
    fn is_warm_up(&mut self, request: u64) -> bool {
        let first = *self.first.get_or_insert(request);
        self.warming = self.calls == 1 || self.warming && first == request && self.calls <= WARM_UP;
        self.warming && self.calls > 1
    }

    fn remember(&mut self, request: u64) -> &mut Sent {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young
            .entry(request)
            .or_insert_with(|| old.remove(&request).unwrap_or_default())
    }

    fn is_probe(&self, request: u64, sent: &Sent) -> bool {
        let by_clock = sent.nanos.variation() < REGULAR;
        let regular = if sent.pace < BETWEEN {
            // At night there may be nothing but probes.
            let several = sent.nanos.n >= FEW && sent.nanos.variation() < NEARLY_REGULAR;
            (by_clock || several) && sent.nanos.mean >= SELDOM_NANOS
        } else {
            by_clock || sent.calls.variation() < REGULAR
        };
        // A set of requests sent round and round is regular too, and no probe.
        regular && self.stands_out(request, sent)
    }

    /// Hardly any other request comes nearly as often.
    fn stands_out(&self, request: u64, sent: &Sent) -> bool {
        let all = self.young.iter().chain(&self.old);
        let rivals =
            all.filter(|(other, rival)| **other != request && rival.lately * 2.0 > sent.lately);
        rivals.take(3).count() < 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// Requests that come with this pause; what was left out.
    fn left_out(calls: impl Iterator<Item = u64>, pause: i64) -> Vec<(u64, Skip)> {
        let mut model = Model::default();
        calls
            .enumerate()
            .filter_map(|(i, request)| {
                let skip = model.look(request, i as i64 * pause)?;
                Some((request, skip))
            })
            .collect()
    }

    #[test]
    fn one_request_every_tenth_call_is_a_probe() {
        let calls = (0..1000).map(|i| if i % 10 == 3 { 7 } else { 1000 + i });
        let found = left_out(calls, SECOND / 100);
        assert!(found.iter().all(|found| *found == (7, Skip::Probe)));
        assert!(found.len() > 85, "{}", found.len());
    }

    #[test]
    fn hot_requests_a_cycle_and_one_buffer_are_no_probes() {
        let mut random = fastrand::Rng::with_seed(4);
        let hot = (0..2000).map(|i| if random.u8(..10) == 0 { 7 } else { 1000 + i });
        assert_eq!(left_out(hot, SECOND / 100), []);
        assert_eq!(left_out((0..3000).map(|i| i % 100), SECOND / 100), []);
        let buffer: Vec<_> = left_out((0..500).map(|_| 7), SECOND / 100);
        assert!(
            buffer.len() < 16,
            "the client's own fault is told: {}",
            buffer.len()
        );
    }

    #[test]
    fn warm_up_is_left_out_and_counted() {
        let calls = (0..100).map(|i| if i < 10 { 7 } else { 1000 + i });
        assert_eq!(left_out(calls, SECOND / 100), vec![(7, Skip::WarmUp); 9]);
    }

    #[test]
    fn at_night_there_are_only_probes() {
        let found = left_out((0..60).map(|_| 7), 10 * SECOND);
        assert!(found.len() > 50, "{}", found.len());
        // Two that ask the same every ten seconds, the second three behind the first.
        let both = (0..100).map(|i| (i / 2 * 10 + i % 2 * 3) * SECOND);
        let mut model = Model::default();
        let found = both.filter_map(|at| model.look(7, at)).count();
        assert!(found > 85, "{found}");
        // One buffer, sent whenever somebody comes by.
        let mut random = fastrand::Rng::with_seed(6);
        let mut at = 0.0;
        let crowd = (0..400).map(|_| {
            at += -2e9 * (1.0 - random.f64()).ln();
            at as i64
        });
        let mut model = Model::default();
        let found = crowd.filter_map(|at| model.look(7, at)).count();
        assert!(found < 60, "{found}");
    }
}
