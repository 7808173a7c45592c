//! What is true of the deployment now, collapse or not: facts of the newest calls of every series
//! that is in use, and the truths about its model, through the rules of `diagnose::findings`.

use super::history::{CallFact, RowFact};
use super::seen::is_unread;
use super::series::{Series, SeriesKey};
use super::{Analyzer, State, facts};
use crate::detect::is_bound;
use crate::diagnose::accounts::Accounts;
use crate::diagnose::facts::{Asked, ModelTruth};
use crate::diagnose::findings::{Answered, Recent, merge, of_model, of_series};
use crate::fingerprint::print_map::{PrintMap, fold};
use crate::report::{Finding, Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A series whose last row is older than this, by the clock of its model's newest, is out of use.
const UNUSED_NANOS: i64 = 60_000_000_000;
/// Numbers that differ by less, of the larger, are one: another batch size moves the last bits.
const SAME: f32 = 1e-3;
/// Models whose accounts are shown.
const MOST_MODELS: usize = 64;

/// What the newest calls of a series say.
#[derive(Debug, Clone, Default)]
pub(super) struct Newest {
    found: Vec<Finding>,
    asked: Asked,
}

impl Analyzer {
    /// Everything that is true of the deployment at `now_nanos`, nanoseconds since the Unix epoch,
    /// one a rule and model.
    #[must_use]
    pub fn findings(&self, now_nanos: i64) -> Vec<Finding> {
        let newest = self.newest();
        let now = newest.iter().filter(|(_, s, _)| s.is_used(now_nanos));
        let mut found: Vec<Finding> = now.flat_map(|(.., new)| new.found.clone()).collect();
        for (model, answered, truth) in self.models(&newest) {
            found.extend(of_model(model, &self.reach, truth, &answered));
        }
        found.extend(self.refused(now_nanos));
        merge(found)
    }

    /// What is said of the version of each model that answered of late or that is known.
    #[must_use]
    pub fn accounts(&self) -> Vec<Accounts> {
        let newest = self.newest();
        let models = self.models(&newest).into_iter().take(MOST_MODELS);
        models
            .map(|(model, answered, truth)| Accounts::of(model, &answered, truth))
            .collect()
    }

    /// Series that are in use, and what their newest calls say.
    fn newest(&self) -> Vec<(&SeriesKey, &Series, Newest)> {
        let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
        for (key, series) in &self.series {
            let last = newest.entry(&key.model).or_insert(i64::MIN);
            *last = series.last_nanos.max(*last);
        }
        let used = self.series.iter().filter(|(key, series)| {
            newest[key.model.as_str()].saturating_sub(series.last_nanos) <= UNUSED_NANOS
        });
        let used: Vec<_> = used.collect();
        let said = self.in_turns(
            &used,
            |series| &series.newest,
            |key, series| Newest {
                found: of_series(&self.recent(key, series)),
                asked: asked(series),
            },
        );
        let with = used.into_iter().zip(said);
        with.map(|((key, series), said)| (key, series, said))
            .collect()
    }

    /// Models in use or known: what was asked of each, which versions answered, and what is known
    /// from outside.
    fn models<'a>(
        &'a self,
        newest: &[(&'a SeriesKey, &'a Series, Newest)],
    ) -> Vec<(&'a str, Answered, &'a ModelTruth)> {
        static UNKNOWN: LazyLock<ModelTruth> = LazyLock::new(ModelTruth::default);
        let known = self.truths.keys().map(String::as_str);
        let mut models: BTreeMap<&str, Answered> =
            known.map(|model| (model, Answered::default())).collect();
        let mut before: Option<&SeriesKey> = None;
        for (key, series, said) in newest {
            // Outputs of one signature, which stand side by side, are of the same calls.
            let again = before.is_some_and(|before| {
                (&before.model, before.version, &before.signature)
                    == (&key.model, key.version, &key.signature)
            });
            before = Some(key);
            let asked = (!again).then_some(&said.asked);
            note(models.entry(&key.model).or_default(), key, series, asked);
        }
        let truth = |model: &str| self.truths.get(model).unwrap_or(&UNKNOWN);
        let models = models.into_iter();
        models
            .map(|(model, answered)| (model, answered, truth(model)))
            .collect()
    }

    /// Facts of the newest calls of a series.
    fn recent(&self, key: &SeriesKey, series: &Series) -> Recent {
        let since = series.last_nanos.saturating_sub(UNUSED_NANOS);
        let calls = series.history.calls.iter().filter(|c| c.at_nanos >= since);
        let calls: Vec<&CallFact> = calls.collect();
        let signature = self.signature(key);
        // The server may have been restarted with another model since it was last asked.
        let asked = self.truth(&key.model).map_or(0, |truth| truth.status_nanos);
        let known = calls.partition_point(|call| call.at_nanos <= asked);
        let mut recent = Recent {
            model: key.model.clone(),
            version: key.version,
            signature: key.signature.clone(),
            output: key.output.clone(),
            reach: self.reach.clone(),
            calls: calls.len() as u64,
            before_asked: known as u64,
            mismatch: facts::mismatch(&key.output, &calls[..known], signature),
            signature_def: signature.cloned(),
            ..Recent::default()
        };
        let (mut batches, mut outputs) = (BTreeSet::new(), BTreeSet::new());
        for call in &calls {
            if call.batch.is_some_and(|batch| batch > 1) {
                batches.insert(call.batch);
                outputs.insert(call.dims.first());
                recent.batches += 1;
                recent.batches_not_followed += u64::from(!call.followed);
                recent.nothing_followed += u64::from(!call.any_followed);
            }
            for input in call.inputs.iter() {
                // Each call has the same names: they are copied once.
                match recent.sent.get_mut(&input.name) {
                    Some(calls) => *calls += 1,
                    None => {
                        recent.sent.insert(input.name.clone(), 1);
                    }
                }
                if let Some(field) = input.foreign.filter(|_| is_unread(input)) {
                    let client = call.user_agent.clone();
                    let filled = (input.declared, input.given);
                    recent.note_unread(input.name.clone(), input.dtype, field, filled, client);
                }
            }
        }
        recent.batch_sizes = batches.len() as u64;
        recent.output_sizes = outputs.len() as u64;
        narrow(&mut recent, series, &calls);
        recent.echo_of = calls
            .first()
            .filter(|first| {
                calls.len() >= 8
                    && calls
                        .iter()
                        .all(|c| c.all_echo && c.echo_of == first.echo_of)
            })
            .and_then(|first| first.echo_of.clone())
            .filter(|name| facts::varies(&calls, name));
        // One and the same output, and whatever else needs the rows, is asked for only if it can matter.
        if recent.nothing_followed > 0 || recent.batches_not_followed > 0 {
            let rows: Vec<_> = series.history.rows.iter().collect();
            recent.distinct_inputs = facts::distinct(&rows, |row| row.effective);
            recent.distinct_outputs = facts::distinct(&rows, |row| row.output);
            let real = ["DT_FLOAT", "DT_DOUBLE", "DT_HALF", "DT_BFLOAT16"];
            let real = calls.last().is_some_and(|call| real.contains(&call.dtype));
            let bound =
                |row: &&RowFact| is_bound(&f64::from(row.low)) && is_bound(&f64::from(row.high));
            recent.is_telling = real && !rows.last().is_some_and(bound);
            recent.is_meant = self.is_meant(key);
        }
        let client = series.alert.kind() == Some(Kind::InputCollapse);
        if series.alert.state() == State::Inactive || client {
            // While a series is in trouble, a change of its replies is the trouble itself.
            (recent.repeats, recent.repeats_changed) = repeats(series, since);
            let ignored = &self.options.ignore_inputs;
            recent.ignores = ignored.iter().any(|name| recent.sent.contains_key(name));
        }
        recent
    }
}

/// Calls whose inputs hold one value each, and what came before them.
fn narrow(recent: &mut Recent, series: &Series, calls: &[&CallFact]) {
    let is_narrow = |call: &&CallFact| super::seen::is_narrow(&call.inputs);
    let Some(first) = calls.iter().position(is_narrow) else {
        return;
    };
    let narrow = calls.iter().copied().filter(is_narrow);
    let numbers: std::collections::HashSet<u64> = narrow.map(|call| call.call).collect();
    recent.narrow = numbers.len() as u64;
    recent.since_narrow = (calls.len() - first) as u64;
    let rows = series.history.rows.iter();
    let rows: Vec<&RowFact> = rows.filter(|row| numbers.contains(&row.call)).collect();
    recent.narrow_inputs = facts::distinct(&rows, |row| row.effective);
    recent.wide_before = series.seen.before_narrow();
}

/// Rows of requests that came before as a whole, and those that got clearly another output: a row's
/// output may depend on the rows beside it.
fn repeats(series: &Series, since: i64) -> (u64, u64) {
    let calls = series.history.calls.iter();
    let oldest = calls.filter(|c| c.at_nanos >= since).map(|c| c.call).min();
    let Some(oldest) = oldest else { return (0, 0) };
    // Every scrape does this for every series: a map that grows costs more than what it is asked.
    let most = series.history.rows.len();
    let mut last: PrintMap<&RowFact> = PrintMap::with_capacity_and_hasher(most, Default::default());
    let (mut repeats, mut changed) = (0, 0);
    let rows = series.history.rows.iter().filter(|row| row.call >= oldest);
    let rows: Vec<&RowFact> = rows.collect();
    for call in rows.chunk_by(|a, b| a.call == b.call) {
        let request = call.iter().map(|row| row.effective).fold(0, fold);
        for (row, i) in call.iter().zip(0..) {
            // Against the reply before, not the first: one change of all replies is a collapse.
            let Some(before) = last.insert(fold(request, i), row) else {
                continue;
            };
            repeats += 1;
            let far = |a: f32, b: f32| (a - b).abs() > SAME * a.abs().max(b.abs());
            let other = before.output != row.output
                && (far(before.low, row.low)
                    || far(before.high, row.high)
                    || far(before.first, row.first));
            changed += u64::from(other);
        }
    }
    (repeats, changed)
}

/// What clients asked of a model, where that is not counted yet, and which versions answered.
fn note(answered: &mut Answered, key: &SeriesKey, series: &Series, asked: Option<&Asked>) {
    let version = answered.versions.entry(key.version).or_default();
    version.steady_nanos = match version.steady_nanos {
        0 => series.steady_nanos,
        since => since.min(series.steady_nanos),
    };
    version.last_nanos = version.last_nanos.max(series.last_nanos);
    if let Some(asked) = asked {
        version.asked.add(asked);
    }
}

/// What the newest calls of a series asked for.
fn asked(series: &Series) -> Asked {
    let since = series.last_nanos.saturating_sub(UNUSED_NANOS);
    let mut asked = Asked::default();
    for call in series.history.calls.iter().filter(|c| c.at_nanos >= since) {
        facts::count_asked(&mut asked, call);
    }
    asked
}
