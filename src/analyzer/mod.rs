//! One exchange through the pure core for its series. Live traffic and capture files run this
//! same code; time is what the exchanges carry, so both reach the same verdicts.

mod apart;
mod baselines;
mod columns;
mod describe;
mod expect;
mod facts;
mod feed;
mod findings;
mod history;
#[cfg(test)]
mod lives;
mod meant;
#[cfg(test)]
mod narrow;
#[cfg(test)]
mod odd;
mod pairs;
mod probes;
mod recent;
mod refused;
mod rest;
mod scaled;
mod seen;
mod series;
#[cfg(test)]
mod tests;
mod tied;
mod traffic;
mod truths;
mod turns;
#[cfg(test)]
mod whole;
mod wire;

use crate::detect::rows::CallRows;
use crate::detect::{Masks, Saved, Settings};
use crate::diagnose::Reach;
use crate::diagnose::facts::{ModelTruth, Previous};
use crate::fingerprint::Key;
use crate::fingerprint::call::{Call, Output, read};
use crate::proto::flatline::v1::Exchange;
use crate::report::{Observed, Report, SCHEMA, State, Transition};
use crate::skip::Skip;
pub use baselines::Chosen;
use describe::{describe, rfc3339};
pub use expect::{Expect, ExpectError};
use history::CallFact;
use pairs::Pairs;
pub use pairs::{RING, Tally};
use probes::Probes;
pub use recent::Sample;
use series::Series;
pub use series::SeriesKey;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
pub use traffic::{OWN_LINES, SeriesTraffic, Traffic};

/// What the analyzer may keep and what it should leave out.
#[derive(Debug, Clone)]
pub struct Options {
    /// Length of the sliding window in time.
    pub window: Duration,
    /// Length of the sliding window in rows.
    pub window_rows: usize,
    /// Most series kept at once; the least recently used leaves.
    pub max_series: usize,
    /// Inputs left out of the fingerprint, such as a request id.
    pub ignore_inputs: Vec<String>,
    /// What the detectors are set to.
    pub detect: Settings,
    /// What the user says of outputs.
    pub expect: Vec<Expect>,
    /// Most transitions kept for the report; `usize::MAX` offline.
    pub max_transitions: usize,
    /// Panics on calls for this model: how tests see that no call notices.
    #[doc(hidden)]
    pub panic_on_model: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            window: Duration::from_secs(60),
            window_rows: 4096,
            max_series: 256,
            ignore_inputs: Vec::new(),
            detect: Settings::default(),
            expect: Vec::new(),
            max_transitions: 1000,
            panic_on_model: None,
        }
    }
}

/// What one exchange did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Rows observed (0 when skipped).
    pub rows: u64,
    /// Rows with NaN or infinity.
    pub non_finite_rows: u64,
    /// Why the exchange was not read, if it was not.
    pub skipped: Option<Skip>,
    /// Changes of state that it brought about.
    pub transitions: Vec<Transition>,
    /// Series that had to leave to make room.
    pub evicted: u64,
    /// Series whose baseline stands since this exchange.
    pub learned: Vec<SeriesKey>,
    /// Models and versions of series that began with this exchange.
    pub appeared: Vec<(String, i64)>,
}

/// The state of every series.
#[derive(Debug)]
pub struct Analyzer {
    options: Options,
    key: Key,
    series: BTreeMap<SeriesKey, Series>,
    observed: Observed,
    transitions: VecDeque<Transition>,
    calls: u64,
    /// Counts of series without a line of their own in the metrics.
    other: Tally,
    lines: traffic::Lines,
    last: Vec<SeriesKey>,
    /// Where the last exchange was answered.
    reach: Reach,
    /// What earlier processes learned, until its series comes.
    saved: BTreeMap<SeriesKey, Saved>,
    probes: Probes,
    refusals: refused::Refusals,
    /// What is known of the models from outside the traffic.
    truths: BTreeMap<String, ModelTruth>,
    /// How often a report asked anew.
    said: Cell<u64>,
}

impl Analyzer {
    /// An analyzer that has seen nothing. `key` keys the fingerprints; it changes no verdict.
    #[must_use]
    pub fn new(options: Options, key: [u8; 32]) -> Self {
        Analyzer {
            options,
            key: Key::new(key),
            series: BTreeMap::new(),
            observed: Observed::default(),
            transitions: VecDeque::new(),
            calls: 0,
            other: Tally::default(),
            lines: traffic::Lines::default(),
            last: Vec::new(),
            reach: Reach::default(),
            saved: BTreeMap::new(),
            probes: Probes::default(),
            refusals: refused::Refusals::default(),
            truths: BTreeMap::new(),
            said: Cell::new(0),
        }
    }

    /// Takes one Predict exchange.
    pub fn observe(&mut self, exchange: &Exchange) -> Outcome {
        self.last.clear();
        if self.reach.upstream != exchange.upstream {
            self.reach = Reach {
                upstream: exchange.upstream.clone(),
                options: exchange.doctor_options.clone(),
            };
        }
        if exchange.grpc_status != 0 {
            let reason = if exchange.grpc_status < 0 {
                Skip::Incomplete
            } else {
                self.refusals.note(exchange);
                Skip::NotOk
            };
            return self.skipped(reason);
        }
        let ignore = &self.options.ignore_inputs;
        let mut call = match read(&exchange.request, &exchange.response, ignore, &self.key) {
            Ok(call) => call,
            Err(reason) => return self.skipped(reason),
        };
        self.refusals.answered(&call);
        let at_nanos = exchange.start_unix_nanos;
        if let Some(reason) = self.probes.look(&call, at_nanos) {
            // Read all right, and no part of any statistic.
            self.observed.calls += 1;
            return self.skipped(reason);
        }
        let outputs = std::mem::take(&mut call.outputs);
        let rows = outputs.iter().map(|o| o.rows.exact.len() as u64).max();
        let mut outcome = Outcome {
            rows: rows.unwrap_or(0),
            ..Outcome::default()
        };
        for output in outputs {
            self.observe_output(exchange, &call, output, &mut outcome);
        }
        self.calls += 1;
        self.observed.calls += 1;
        self.observed.rows += outcome.rows;
        outcome
    }

    /// How the server is reached of which there was no exchange yet.
    pub fn answered_by(&mut self, reach: Reach) {
        self.reach = reach;
    }

    /// Counts a call that never became an exchange.
    pub fn skip(&mut self, reason: Skip) {
        *self
            .observed
            .skipped
            .entry(reason.as_str().to_owned())
            .or_insert(0) += 1;
    }

    /// Drops the series that the last exchange belonged to: after a panic their state is not to
    /// be trusted.
    pub fn forget_last(&mut self) {
        for key in std::mem::take(&mut self.last) {
            self.remove(&key);
        }
    }

    /// Number of series.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Everything there is to say at `now_nanos`, nanoseconds since the Unix epoch. Changes nothing.
    #[must_use]
    pub fn report(&self, now_nanos: i64) -> Report {
        let series = self.series.iter().zip(self.judgements());
        let series =
            series.map(|((key, series), judgement)| describe(key, series, judgement, now_nanos));
        Report {
            schema: SCHEMA,
            at: rfc3339(now_nanos),
            observed: self.observed.clone(),
            series: series.collect(),
            transitions: self.transitions.iter().cloned().collect(),
            findings: self.findings(now_nanos),
        }
    }

    fn skipped(&mut self, reason: Skip) -> Outcome {
        self.skip(reason);
        Outcome {
            skipped: Some(reason),
            ..Outcome::default()
        }
    }

    fn observe_output(
        &mut self,
        exchange: &Exchange,
        call: &Call,
        mut output: Output,
        outcome: &mut Outcome,
    ) {
        let key = SeriesKey {
            model: call.model.clone(),
            version: call.version,
            signature: call.signature.clone(),
            output: output.name.clone(),
        };
        self.last.push(key.clone());
        if self.options.panic_on_model.as_ref() == Some(&key.model) {
            panic!("asked to panic on model `{}`", key.model);
        }
        let mut rows = CallRows {
            call: self.calls,
            connection: exchange.connection,
            at_nanos: exchange
                .start_unix_nanos
                .saturating_add(exchange.duration_nanos),
            latency_nanos: exchange.duration_nanos,
            inputs: output.inputs.clone(),
            outputs: std::mem::take(&mut output.rows),
        };
        outcome.evicted += self.make_room(&key);
        if !self.series.contains_key(&key) {
            let detector = self.detector(&key);
            let older = self.older_version(&key);
            let masks = older.map_or_else(Masks::default, |(_, older)| older.masks);
            let ratio = older.and_then(|(_, older)| older.pairs.ratio());
            let mut series = Series::new(self.options.window, self.options.window_rows, detector);
            series.pairs = Pairs::after(ratio);
            series.masks = masks;
            series.first_nanos = rows.at_nanos;
            self.series.insert(key.clone(), series);
            outcome.appeared.push((key.model.clone(), key.version));
        }
        self.claim_line(&key, rows.at_nanos);
        let is_meant = self.is_meant(&key);
        if expect::is_non_finite(&self.options.expect, &key) {
            rows.outputs.take_non_finite();
        }
        let Some(series) = self.series.get_mut(&key) else {
            return;
        };
        series.pairs.is_meant = is_meant;
        series.masks.allow(&mut rows.outputs);
        let broken = rows.outputs.numbers.iter().filter(|n| !n.are_finite());
        outcome.non_finite_rows += broken.count() as u64;
        let counted = *series.pairs.tally();
        let was_ready = series.is_ready();
        let fact = CallFact::new(
            self.calls,
            rows.at_nanos,
            &exchange.user_agent,
            call,
            &output,
        );
        for step in series.observe(&rows, &output, fact) {
            let transition = Transition {
                at: rfc3339(rows.at_nanos),
                model: key.model.clone(),
                version: key.version,
                signature: key.signature.clone(),
                output: key.output.clone(),
                from: step.from,
                to: step.to,
                kind: step.kind,
                rows: series.rows,
            };
            if self.transitions.len() >= self.options.max_transitions {
                self.transitions.pop_front();
            }
            self.transitions.push_back(transition.clone());
            outcome.transitions.push(transition);
        }
        if !series.own_line {
            self.other.add_since(&counted, series.pairs.tally());
            series.hidden.add_since(&counted, series.pairs.tally());
        }
        if series.is_ready() && !was_ready {
            outcome.learned.push(key);
        }
    }

    /// Lets the least recently used series go if `key` is new and there is no room for it.
    fn make_room(&mut self, key: &SeriesKey) -> u64 {
        if self.series.contains_key(key) || self.series.len() < self.options.max_series.max(1) {
            return 0;
        }
        let oldest = self
            .series
            .iter()
            .min_by_key(|(_, series)| series.last_call);
        let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
            return 0;
        };
        self.remove(&oldest);
        1
    }

    /// The newest older version of the same output.
    fn older_version(&self, key: &SeriesKey) -> Option<(&SeriesKey, &Series)> {
        // In order of model and version: those before it, the newest first.
        let before = self.series.range(..key).rev();
        before
            .take_while(|(other, _)| other.model == key.model)
            .find(|(other, _)| key.follows(other))
    }

    fn previous(&self, key: &SeriesKey) -> Option<Previous> {
        let (older, series) = self.older_version(key)?;
        let stats = series.window.stats_at(i64::MIN);
        Some(Previous {
            version: older.version,
            distinct_inputs: stats.distinct_inputs.min(series.distinct_inputs()),
            distinct_outputs: stats.distinct_outputs,
        })
    }
}
