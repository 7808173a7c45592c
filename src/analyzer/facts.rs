//! The facts of one series since the onset, counted from its history.

use super::feed;
use super::history::{CallFact, RowFact};
use super::seen::is_unread;
use super::series::{Series, SeriesKey};
use crate::diagnose::facts::{
    Asked, Encoding, Facts, Latency, Part, Previous, Signature, Split, Truth,
};
use crate::fingerprint::call::{InputFact, VersionAsked};
use crate::fingerprint::print_map::{PrintMap, PrintSet};
use std::collections::{BTreeMap, BTreeSet};

/// What is known beside the series itself.
#[derive(Default)]
pub(super) struct Beside<'a> {
    /// The version before.
    pub previous: Option<Previous>,
    /// What that was fed with.
    pub older: Option<&'a Series>,
    /// The truths about the version.
    pub truth: Truth,
    /// What the metadata says of the signature.
    pub signature: Option<Signature>,
}

/// Counts what the rules look at.
pub(super) fn of(key: &SeriesKey, series: &Series, beside: Beside<'_>) -> Facts {
    let onset = series.verdict.onset_row.unwrap_or(0);
    let rows: Vec<&RowFact> = series
        .history
        .rows
        .iter()
        .filter(|row| row.row >= onset)
        .collect();
    let calls: Vec<&CallFact> = series
        .history
        .calls
        .iter()
        .filter(|call| !of_call(&rows, call).is_empty())
        .collect();
    let disk = beside.truth.disk.as_ref();
    let variables = beside.previous.as_ref().zip(disk).and_then(|(p, disk)| {
        let of = |version| disk.variables.get(version).copied();
        of(&key.version).zip(of(&p.version))
    });
    let mut facts = Facts {
        model: key.model.clone(),
        version: key.version,
        signature: key.signature.clone(),
        output: key.output.clone(),
        kind: series.alert.kind().or(series.verdict.kind),
        from_first_reply: onset < 8,
        never_finite: series.never_finite(),
        calls: calls.len() as u64,
        pause_nanos: pause(&calls),
        rows: rows.len() as u64,
        previous: beside.previous,
        truth: beside.truth,
        variables,
        ..Facts::default()
    };
    facts.truth.asked = asked(&calls);
    count_rows(&mut facts, &rows);
    count_calls(&mut facts, &calls, &rows);
    facts.rows_differed_before = series.tied.is_rare(facts.rows_grouped);
    facts.rows_equal_before = series.tied.is_usual(facts.rows_grouped);
    facts.shape_mismatch = mismatch(&key.output, &calls, beside.signature.as_ref());
    feed::compare(
        &mut facts,
        series,
        onset,
        &calls,
        &rows,
        beside.older,
        beside.signature,
    );
    facts
}

/// Mean time between two calls, nanoseconds; 0 for fewer than two.
fn pause(calls: &[&CallFact]) -> f64 {
    let ends = calls.first().zip(calls.last());
    let span = ends.map_or(0, |(first, last)| {
        last.at_nanos.saturating_sub(first.at_nanos)
    });
    span as f64 / calls.len().saturating_sub(1).max(1) as f64
}

/// How the newest output differs from what the signature promises.
pub(super) fn mismatch(
    output: &str,
    calls: &[&CallFact],
    signature: Option<&Signature>,
) -> Option<String> {
    let signature = signature?;
    let (last, spec) = calls.last().zip(signature.outputs.get(output))?;
    // Who sends other shapes than were promised gets others back.
    let broken = |input: &InputFact| {
        let spec = signature.inputs.get(&input.name)?;
        spec.mismatch(&spec.dtype, &input.dims)
    };
    let kept = last.inputs.iter().all(|input| broken(input).is_none());
    let what = spec.mismatch(last.dtype, &last.dims).filter(|_| kept)?;
    Some(format!("output `{output}`: {what}"))
}

fn count_rows(facts: &mut Facts, rows: &[&RowFact]) {
    facts.distinct_raw = distinct(rows, |row| row.raw);
    facts.distinct_effective = distinct(rows, |row| row.effective);
    facts.distinct_outputs = distinct(rows, |row| row.output);
    let mut outputs: PrintMap<u64> = PrintMap::default();
    for row in rows {
        *outputs.entry(row.output).or_insert(0) += 1;
    }
    let share = |count: usize| count as f64 / rows.len().max(1) as f64;
    facts.top_output_share = share(outputs.values().copied().max().unwrap_or(0) as usize);
    facts.non_finite_share = share(rows.iter().filter(|row| !row.finite).count());
    facts.zero_share = share(
        rows.iter()
            .filter(|row| row.low == 0.0 && row.high == 0.0)
            .count(),
    );
    let entropies: Vec<f32> = rows.iter().filter_map(|row| row.entropy).collect();
    if entropies.len() == rows.len() && !rows.is_empty() {
        facts.relative_entropy = Some(f64::from(entropies.iter().sum::<f32>()) / rows.len() as f64);
    }
    facts.output_spread = spread(rows);
    facts.single = split(rows.iter().filter(|row| row.of == 1));
    facts.batched = split(rows.iter().filter(|row| row.of > 1));
    let of = |single: bool| -> Vec<&RowFact> {
        let rows = rows.iter().filter(|row| (row.of == 1) == single);
        rows.copied().collect()
    };
    facts.single_spread = spread(&of(true));
    facts.batched_spread = spread(&of(false));
    facts.latency = latency(rows);
    let mut first: PrintMap<u64> = with_room(rows.len());
    for row in rows {
        if let Some(output) = first.get(&row.effective) {
            facts.repeats += 1;
            facts.repeats_changed += u64::from(*output != row.output);
        } else {
            first.insert(row.effective, row.output);
        }
    }
}

fn count_calls(facts: &mut Facts, calls: &[&CallFact], rows: &[&RowFact]) {
    let (mut replies, mut grouped) = (BTreeSet::new(), 0);
    let mut clients: BTreeMap<&str, Vec<&RowFact>> = BTreeMap::new();
    let mut controls: BTreeMap<&str, BTreeMap<&str, Vec<&RowFact>>> = BTreeMap::new();
    for call in calls {
        let rows = of_call(rows, call);
        clients.entry(&call.user_agent).or_default().extend(rows);
        if call.batch.is_some_and(|batch| batch > 1) {
            facts.batches += 1;
            facts.batches_not_followed += u64::from(!call.any_followed);
        }
        if rows.iter().any(|row| !row.finite) {
            facts.non_finite_calls += 1;
            let fed = call.inputs.iter().any(|input| input.non_finite);
            facts.non_finite_fed += u64::from(fed);
        }
        if rows.len() > 1 && distinct(rows, |row| row.effective) > 1 {
            facts.replies_of_many += 1;
            facts.replies_rows_equal += u64::from(distinct(rows, |row| row.output) == 1);
            grouped += u64::from(call.grouped);
            replies.extend(rows.first().map(|row| row.output));
        }
        for input in call.inputs.iter() {
            // Found without a name of its own, which only the first call has to make.
            if !facts.inputs.contains_key(&input.name) {
                facts.inputs.insert(input.name.clone(), Encoding::default());
            }
            if let Some(encoding) = facts.inputs.get_mut(&input.name) {
                add_encoding(encoding, input);
            }
            if let Some(value) = &input.control {
                let by_value = controls.entry(&input.name).or_default();
                by_value.entry(value).or_default().extend(rows);
            }
        }
    }
    facts.distinct_replies = replies.len() as u64;
    facts.rows_grouped = grouped * 2 > facts.replies_of_many;
    facts.clients = clients
        .into_iter()
        .map(|(agent, rows)| (agent.to_owned(), split(rows.iter())))
        .collect();
    facts.controls = controls
        .into_iter()
        .map(|(name, values)| {
            (
                name.to_owned(),
                values
                    .into_iter()
                    .map(|(value, rows)| {
                        let part = Part {
                            now: split(rows.iter()),
                            ..Part::default()
                        };
                        (value.to_owned(), part)
                    })
                    .collect(),
            )
        })
        .collect();
    facts.echo_of = echo(calls, facts.distinct_effective);
    facts.echo_varies = facts
        .echo_of
        .as_ref()
        .is_some_and(|name| varies(calls, name));
    let inputs = || calls.iter().flat_map(|call| call.inputs.iter());
    facts.unread_strings =
        inputs().any(|input| input.dtype == "DT_STRING" && input.features.is_none());
    let beside = inputs().filter(|input| !input.is_text);
    let beside: BTreeSet<&str> = beside.map(|input| input.name.as_str()).collect();
    facts.only_text_varies = inputs().any(|input| input.is_text)
        && inputs().all(|input| input.is_text || input.range.is_some())
        && !beside.iter().any(|name| varies(calls, name));
}

fn add_encoding(encoding: &mut Encoding, input: &crate::fingerprint::call::InputFact) {
    if encoding.dtype != input.dtype {
        encoding.dtype = input.dtype.to_owned();
    }
    encoding.calls += 1;
    if input.given < input.declared {
        encoding.calls_filled += 1;
        encoding.calls_unread += u64::from(is_unread(input));
        encoding.example = (input.declared, input.given);
        if input.given == 1 {
            encoding.one_value = encoding.one_value.max(input.declared);
        }
    }
    if let Some(field) = input.foreign {
        encoding.calls_foreign += 1;
        encoding.foreign_field = Some(field.to_owned());
    }
}

/// The input that equals the output in every call; one varied input at least must have been seen.
fn echo(calls: &[&CallFact], distinct_inputs: u64) -> Option<String> {
    let first = calls.first()?.echo_of.as_ref()?;
    let always = calls
        .iter()
        .all(|call| call.echo_of.as_ref() == Some(first));
    (always && calls.len() >= 8 && distinct_inputs >= 8).then(|| first.clone())
}

/// Whether an input had other values in other calls, as far as its range tells.
pub(super) fn varies(calls: &[&CallFact], name: &str) -> bool {
    let ranges = calls.iter().flat_map(|call| call.inputs.iter());
    let ranges: BTreeSet<_> = ranges
        .filter(|input| input.name == name)
        .filter_map(|input| input.range)
        .map(|r| (r.low.to_bits(), r.high.to_bits(), r.size.to_bits()))
        .collect();
    ranges.len() >= 3
}

/// The rows of a call: they stand together, and calls come in the order of their numbers.
pub(super) fn of_call<'r, 'a>(rows: &'r [&'a RowFact], call: &CallFact) -> &'r [&'a RowFact] {
    let from = rows.partition_point(|row| row.call < call.call);
    let len = rows[from..].partition_point(|row| row.call == call.call);
    &rows[from..from + len]
}

fn with_room<V>(rows: usize) -> PrintMap<V> {
    PrintMap::with_capacity_and_hasher(rows, Default::default())
}

/// How many fingerprints there are in `rows`.
pub(super) fn distinct(rows: &[&RowFact], print: impl Fn(&RowFact) -> u64) -> u64 {
    rows.iter()
        .map(|row| print(row))
        .collect::<PrintSet>()
        .len() as u64
}

pub(super) fn split<'a>(rows: impl Iterator<Item = &'a &'a RowFact>) -> Split {
    let rows: Vec<&RowFact> = rows.copied().collect();
    Split {
        rows: rows.len() as u64,
        distinct_inputs: distinct(&rows, |row| row.effective),
        distinct_outputs: distinct(&rows, |row| row.output),
    }
}

/// How far apart the rows' numbers are; `None` without rows.
fn spread(rows: &[&RowFact]) -> Option<f64> {
    let range = |of: fn(&RowFact) -> f32| {
        rows.iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), row| {
                (low.min(of(row)), high.max(of(row)))
            })
    };
    if rows.is_empty() {
        return None;
    }
    let spreads = [
        range(|row| row.low),
        range(|row| row.high),
        range(|row| row.first),
    ];
    Some(
        spreads
            .iter()
            .map(|(low, high)| f64::from(high - low))
            .fold(0.0, f64::max),
    )
}

/// Rows whose output another input got before, against the others; among calls of as many rows,
/// since a batch takes longer. Of those, the size that knows most of both.
fn latency(rows: &[&RowFact]) -> Option<Latency> {
    let mut first: PrintMap<u64> = with_room(rows.len());
    let mut by_size: BTreeMap<u32, (Vec<i64>, Vec<i64>)> = BTreeMap::new();
    for row in rows {
        let (repeats, others) = by_size.entry(row.of).or_default();
        match first.get(&row.output) {
            Some(input) if *input != row.effective => repeats.push(row.latency_nanos),
            Some(_) => {}
            None => {
                first.insert(row.output, row.effective);
                others.push(row.latency_nanos);
            }
        }
    }
    let known = by_size.into_values();
    let (mut repeats, mut others) = known.max_by_key(|(r, o)| r.len().min(o.len()))?;
    if repeats.is_empty() || others.is_empty() {
        return None;
    }
    let counts = (repeats.len() as u64, others.len() as u64);
    let median = |of: &mut Vec<i64>| {
        of.sort_unstable();
        of[of.len() / 2] as f64 / 1e6
    };
    Some(Latency {
        repeats_ms: median(&mut repeats),
        others_ms: median(&mut others),
        repeats: counts.0,
        others: counts.1,
    })
}

fn asked(calls: &[&CallFact]) -> Asked {
    let mut asked = Asked::default();
    for call in calls {
        count_asked(&mut asked, call);
    }
    asked
}

pub(super) fn count_asked(asked: &mut Asked, call: &CallFact) {
    match &call.asked {
        VersionAsked::Latest => asked.latest += 1,
        VersionAsked::Version(version) => *asked.versions.entry(*version).or_insert(0) += 1,
        VersionAsked::Label(label) => *asked.labels.entry(label.clone()).or_insert(0) += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_compares_calls_of_one_size() {
        // First outputs came in batches, repeats of them in single rows: that says nothing.
        let row = |n: u64, of: u32| RowFact {
            row: n,
            call: n,
            of,
            raw: n,
            effective: n,
            output: n % 10,
            finite: true,
            latency_nanos: i64::from(of) * 1_000_000,
            entropy: None,
            low: 0.0,
            high: 0.0,
            first: 0.0,
        };
        let rows: Vec<RowFact> = (0..100)
            .map(|n| row(n, if n < 10 { 16 } else { 1 }))
            .collect();
        assert_eq!(latency(&rows.iter().collect::<Vec<_>>()), None);
        let cached = |n: u64| RowFact {
            latency_nanos: if n < 10 { 4_000_000 } else { 1_000_000 },
            ..row(n, 1)
        };
        let rows: Vec<RowFact> = (0..100).map(cached).collect();
        let found = latency(&rows.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!((found.repeats, found.others), (90, 10));
        assert!(found.is_quick());
    }
}
