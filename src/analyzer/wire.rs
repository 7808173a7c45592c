//! What the wire proves without any test of the outputs: inputs that differ as sent and are one
//! as decoded, a client that sends one request again and again, an output that is an input. Never
//! an alarm about the model.

use super::facts::{distinct, varies};
use super::history::{CallFact, History, RowFact};
use super::seen::is_unread;
use crate::alert::Level;
use crate::detect::Verdict;
use crate::report::Kind;

/// Rows and calls looked back on.
const ROWS: usize = 64;
const CALLS: usize = 32;
/// So many inputs on one prove that they fall together.
const TOGETHER: u64 = 16;

/// What the newest call is part of; `None` if nothing strikes. `before` is what was said of the
/// call before it.
pub(super) fn verdict(history: &History, rows: u64, before: &Verdict) -> Option<Verdict> {
    let newest = history.calls.back()?;
    if newest.inputs.iter().any(is_unread) {
        return decoded_as_one(history);
    }
    if newest.all_echo {
        return echo(history, rows);
    }
    // Every eight rows, or whenever a call has gone past them.
    if rows % 8 < u64::from(history.rows.back()?.of).max(1) {
        return repeated(history);
    }
    // Not looked at: what was said stands until it is.
    let stands = before.kind == Some(Kind::InputCollapse) && before.level == Level::Suspicious;
    stands.then(|| before.clone())
}

fn last(history: &History, rows: usize) -> Vec<&RowFact> {
    history.rows.iter().rev().take(rows).collect()
}

fn suspicious(kind: Kind, onset: u64, line: String) -> Option<Verdict> {
    Some(Verdict {
        level: Level::Suspicious,
        kind: Some(kind),
        confidence: 0.99,
        onset_row: Some(onset),
        evidence: vec![line],
        ..Verdict::quiet()
    })
}

fn decoded_as_one(history: &History) -> Option<Verdict> {
    // Only the rows of calls that are encoded like the newest: other clients may do well.
    let calls = history
        .calls
        .iter()
        .filter(|c| c.inputs.iter().any(is_unread));
    let calls: std::collections::HashSet<u64> = calls.map(|call| call.call).collect();
    let rows = history
        .rows
        .iter()
        .rev()
        .filter(|row| calls.contains(&row.call));
    let rows: Vec<&RowFact> = rows.take(ROWS).collect();
    let (raw, effective) = (distinct(&rows, |r| r.raw), distinct(&rows, |r| r.effective));
    if raw < TOGETHER || effective * TOGETHER > raw {
        return None;
    }
    suspicious(
        Kind::InputCollapse,
        rows.last()?.row,
        format!(
            "{raw} distinct inputs as sent decode to {effective}: their values are in a field that TensorFlow does not read"
        ),
    )
}

/// One request again and again; single rows are counted by the detector.
fn repeated(history: &History) -> Option<Verdict> {
    let rows = last(history, CALLS * ROWS);
    // From the newest call back.
    let mut calls = rows.chunk_by(|a, b| a.call == b.call).take(CALLS);
    let newest = calls.next()?;
    let raw = |call: &[&RowFact]| call.iter().map(|row| row.raw).collect::<Vec<u64>>();
    let first = raw(newest);
    let alike = |call: &&[&RowFact]| first == raw(call);
    let alike: Vec<&[&RowFact]> = calls.take_while(alike).collect();
    if alike.len() + 1 < CALLS {
        return None;
    }
    let onset = alike.last()?.last()?;
    suspicious(
        Kind::InputCollapse,
        onset.row,
        format!("{CALLS} calls in a row were one and the same: the client repeats itself"),
    )
}

fn echo(history: &History, rows: u64) -> Option<Verdict> {
    let calls: Vec<&CallFact> = history.calls.iter().rev().take(CALLS).collect();
    let input = calls.first()?.echo_of.as_ref()?;
    let always = calls
        .iter()
        .all(|call| call.echo_of.as_ref() == Some(input) && call.all_echo);
    if calls.len() < CALLS || !always || !varies(&calls, input) {
        return None;
    }
    let onset = history
        .rows
        .iter()
        .find(|row| row.call == calls[CALLS - 1].call);
    suspicious(
        Kind::Echo,
        onset.map_or(rows, |row| row.row),
        format!("the output equals input `{input}` in each of the last {CALLS} calls"),
    )
}
