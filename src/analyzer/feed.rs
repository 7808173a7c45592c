//! What changed in what the clients send, against what the series was fed with before the
//! trouble began, or the version before it.

use super::apart::{By, ENOUGH, differs};
use super::facts::{distinct, of_call, split};
use super::history::{CallFact, RowFact};
use super::scaled::scaled;
use super::seen::{Seen, Shape, is_narrow, is_unread};
use super::series::Series;
use crate::diagnose::facts::{EncodedAlike, Facts, LeftOut, Part, Signature};
use crate::fingerprint::call::InputFact;
use crate::report::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// Features that a command names.
const NAMED: usize = 8;
/// The onset is an estimate: rows this near to it may belong to either side.
const BLUR: u64 = 8;

/// Adds to the facts what the calls since the onset tell against those before.
pub(super) fn compare(
    facts: &mut Facts,
    series: &Series,
    onset: u64,
    calls: &[&CallFact],
    rows: &[&RowFact],
    older: Option<&Series>,
    signature: Option<Signature>,
) {
    let before = Before {
        series: &series.seen,
        onset: onset.saturating_sub(BLUR),
        older: older.map(|older| &older.seen),
    };
    let rows_of = |keep: &dyn Fn(&CallFact) -> bool| -> Vec<&RowFact> {
        let calls = calls.iter().filter(|call| keep(call));
        calls
            .flat_map(|call| of_call(rows, call))
            .copied()
            .collect()
    };
    let earlier: Vec<&CallFact> = match &series.calls_before[..] {
        _ if before.onset == 0 || facts.never_finite => {
            older.map_or_else(Vec::new, |older| older.history.newest())
        }
        [] => series.history.before(before.onset).collect(),
        kept => kept.iter().collect(),
    };
    let moved = |keep: &dyn Fn(&CallFact) -> bool, by: By<'_>| {
        let part: Vec<&CallFact> = calls.iter().copied().filter(|call| keep(call)).collect();
        let rest = calls.iter().chain(&earlier).copied();
        let rest: Vec<&CallFact> = rest.filter(|call| !keep(call)).collect();
        let inputs: Vec<&[InputFact]> = part.iter().map(|call| call.inputs.as_slice()).collect();
        let known = |input: &InputFact| input.control.is_some() || input.range.is_some();
        !inputs.iter().copied().flatten().all(known)
            || series.seen.shift(inputs.into_iter()).is_some()
            || rest.len() < ENOUGH
            || differs(&part, &rest, by).is_some()
    };
    // Asked for by one rule alone, and no small matter.
    if facts.kind == Some(Kind::NonFinite) {
        facts.request_changed = differs(calls, &earlier, By::Time);
    }
    // What began while the alert fired already did not bring it about.
    let late = |shape: &dyn Fn(&Shape) -> bool| {
        let first = series.seen.first(shape);
        first
            .zip(series.fired_row)
            .is_some_and(|(first, fired)| first > fired)
    };
    let alike = |keep: &dyn Fn(&CallFact) -> bool, shape: &dyn Fn(&Shape) -> bool| EncodedAlike {
        late: late(shape),
        ..alike(calls, keep, &rows_of(keep), before.rows(shape))
    };
    facts.unread = alike(&has_unread, &|shape| !shape.unread.is_empty());
    facts.narrow = alike(&|call| is_narrow(&call.inputs), &|shape| shape.narrow);
    facts.wide_before = before.rows(&|shape| !shape.narrow && shape.unread.is_empty());
    // What the version before took is no input of one whose signature does not list it.
    let wanted: BTreeSet<String> = match &signature {
        Some(signature) => signature.inputs.keys().cloned().collect(),
        None => {
            let shapes = series.seen.before(Some(before.onset));
            shapes.flat_map(|(shape, _)| shape.inputs.clone()).collect()
        }
    };
    let top = commonest(rows);
    for name in wanted {
        let lacks = |call: &CallFact| call.inputs.iter().all(|input| input.name != name);
        let count = calls.iter().filter(|call| lacks(call)).count() as u64;
        if count > 0 {
            let left_out = LeftOut {
                calls: count,
                without: split(rows_of(&lacks).iter()),
                with: split(rows_of(&|call| !lacks(call)).iter()),
                moved: moved(&lacks, By::Input(&name)),
                rows_before: before.rows(&|shape| !shape.inputs.contains(&name)),
                sent_before: before.rows(&|shape| shape.inputs.contains(&name)),
                sent_here: {
                    let here = series.seen.before(Some(before.onset));
                    let had = here.filter(|(shape, _)| shape.inputs.contains(&name));
                    had.map(|(_, rows)| rows).sum()
                },
                late: late(&|shape| !shape.inputs.contains(&name)),
                flat_with: {
                    let run = series.seen.run(&|shape| shape.inputs.contains(&name));
                    run.filter(|(output, _)| Some(*output) == top)
                        .map_or(0, |(_, rows)| rows)
                },
            };
            facts.left_out.insert(name, left_out);
        }
    }
    features(facts, calls, &rows_of, &moved, &before);
    for (name, values) in &mut facts.controls {
        for (value, part) in values {
            part.rows_before = before.control(name, value);
            let has = |call: &CallFact| {
                let mut inputs = call.inputs.iter();
                inputs.any(|i| i.name == *name && i.control.as_ref() == Some(value))
            };
            part.moved = moved(&has, By::Control(name));
        }
    }
    let inputs = || calls.iter().map(|call| call.inputs.as_slice());
    facts.control_changed = series
        .seen
        .control_changed(onset, &inputs().collect::<Vec<_>>());
    facts.input_shift = series.seen.shift(inputs());
    facts.inputs_known = series.seen.knows();
    if !facts.inputs_known
        && let Some(older) = older
    {
        facts.input_shift = older.seen.shift(inputs());
        facts.inputs_known = older.seen.knows();
    }
    // What decodes to nothing stands still, too, and is another matter.
    let client = facts.unread.calls > 0 || facts.kind == Some(Kind::InputCollapse);
    if facts.input_shift.is_none() && !client {
        let shift = series.columns.at_rest();
        facts.input_shift = shift.or_else(|| scaled(calls, &earlier));
    }
    facts.signature_def = signature;
}

/// What was in use before the trouble began.
struct Before<'a> {
    series: &'a Seen,
    onset: u64,
    older: Option<&'a Seen>,
}

impl<'a> Before<'a> {
    fn shapes(&self) -> impl Iterator<Item = (&'a Shape, u64)> {
        let older = self.older.into_iter().flat_map(|older| older.before(None));
        self.series.before(Some(self.onset)).chain(older)
    }

    fn rows(&self, keep: &dyn Fn(&Shape) -> bool) -> u64 {
        let kept = self.shapes().filter(|(shape, _)| keep(shape));
        kept.map(|(_, rows)| rows).sum()
    }

    /// Rows since a control input first had this value.
    fn control(&self, name: &str, value: &str) -> u64 {
        let older = self
            .older
            .map_or(0, |older| older.control_rows(name, value, None));
        older + self.series.control_rows(name, value, Some(self.onset))
    }
}

/// The commonest output.
fn commonest(rows: &[&RowFact]) -> Option<u64> {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.output).or_insert(0) += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, rows)| *rows)
        .map(|(output, _)| output)
}

fn has_unread(call: &CallFact) -> bool {
    call.inputs.iter().any(is_unread)
}

fn alike(
    calls: &[&CallFact],
    keep: &dyn Fn(&CallFact) -> bool,
    rows: &[&RowFact],
    rows_before: u64,
) -> EncodedAlike {
    EncodedAlike {
        calls: calls.iter().filter(|call| keep(call)).count() as u64,
        rows: rows.len() as u64,
        distinct_raw: distinct(rows, |row| row.raw),
        distinct_effective: distinct(rows, |row| row.effective),
        distinct_outputs: distinct(rows, |row| row.output),
        rows_before,
        late: false,
    }
}

/// See [`Part::moved`], of the calls that are kept.
type Moved<'f> = &'f dyn Fn(&dyn Fn(&CallFact) -> bool, By<'_>) -> bool;
/// The rows of the calls that are kept.
type RowsOf<'f, 'a> = &'f dyn Fn(&dyn Fn(&CallFact) -> bool) -> Vec<&'a RowFact>;

/// Compares the feature names inside tf.Examples: since the onset against before, and among
/// themselves.
fn features<'a>(
    facts: &mut Facts,
    calls: &[&CallFact],
    rows_of: RowsOf<'_, 'a>,
    moved: Moved<'_>,
    before: &Before<'_>,
) {
    let mut now: BTreeMap<(&str, &Vec<String>), u64> = BTreeMap::new();
    for input in calls.iter().flat_map(|call| call.inputs.iter()) {
        if let Some(names) = &input.features {
            *now.entry((&input.name, names)).or_insert(0) += 1;
        }
    }
    let Some(((input, names), _)) = now.iter().max_by_key(|(_, calls)| **calls) else {
        return;
    };
    let earlier: Vec<&Vec<String>> = before
        .shapes()
        .filter_map(|(shape, _)| shape.features.get(*input))
        .collect();
    if let Some(earlier) = earlier.last().filter(|_| !earlier.contains(names)) {
        facts.example_keys_changed = Some(change(earlier, names));
    }
    let of_input = now.keys().filter(|(name, _)| name == input);
    let sets: Vec<&Vec<String>> = of_input.map(|(_, names)| *names).chain(earlier).collect();
    let all: BTreeSet<&String> = sets.iter().copied().flatten().collect();
    let differ = |name: &&&String| sets.iter().any(|names| !names.contains(name));
    let mut differing: Vec<&String> = all.iter().filter(differ).copied().collect();
    if differing.is_empty() {
        differing = all.into_iter().collect();
    }
    let named = differing.into_iter().take(NAMED).cloned();
    facts.example_features = named.collect();
    if now.len() > 1 {
        let parts: Vec<(String, Part)> = now
            .keys()
            .map(|(input, names)| {
                let has = |call: &CallFact| {
                    let features = call.inputs.iter().filter(|i| i.name == *input);
                    features
                        .into_iter()
                        .any(|i| i.features.as_ref() == Some(names))
                };
                let part = Part {
                    now: split(rows_of(&has).iter()),
                    moved: moved(&has, By::Features(input)),
                    rows_before: before.rows(&|shape| shape.features.get(*input) == Some(*names)),
                };
                (listed(names), part)
            })
            .collect();
        facts.example_keys = parts.into_iter().collect();
    }
}

fn change(before: &[String], now: &[String]) -> String {
    let gone: Vec<_> = before
        .iter()
        .filter(|n| !now.contains(n))
        .cloned()
        .collect();
    let new: Vec<_> = now
        .iter()
        .filter(|n| !before.contains(n))
        .cloned()
        .collect();
    match (gone.is_empty(), new.is_empty()) {
        (false, false) => format!("{} became {}", listed(&gone), listed(&new)),
        (false, true) => format!("{} went", listed(&gone)),
        _ => format!("{} came", listed(&new)),
    }
}

fn listed(names: &[String]) -> String {
    let mut text = format!(
        "`{}`",
        names
            .iter()
            .take(6)
            .cloned()
            .collect::<Vec<_>>()
            .join("`, `")
    );
    if names.len() > 6 {
        text.push_str(&format!(" and {} more", names.len() - 6));
    }
    text
}
