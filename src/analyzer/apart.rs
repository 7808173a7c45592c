//! In what a part of the calls differs from the rest, beside that by which it was told apart: what
//! differs in two things proves neither.

use super::history::CallFact;
use super::rest::rests;
use super::scaled::scaled;
use crate::fingerprint::call::InputFact;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer calls do not tell what is usual.
pub(super) const ENOUGH: usize = 4;
/// A number that is larger by this factor than all others is on another scale.
const FACTOR: f32 = 10.0;
/// Characters of a value that are shown: a list of features may be long.
const SHOWN: usize = 100;

/// What a part is told apart by: that does not count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By<'a> {
    /// An input that it lacks.
    Input(&'a str),
    /// The value of a control input.
    Control(&'a str),
    /// The features of its tf.Examples.
    Features(&'a str),
    /// When it came.
    Time,
}

/// In what `part` differs from `rest`, in words; `None` where it does not, or where too few of the
/// rest are known.
pub(super) fn differs(part: &[&CallFact], rest: &[&CallFact], by: By<'_>) -> Option<String> {
    if rest.len() < ENOUGH {
        return None;
    }
    let (now, before) = (traits(part, by), traits(rest, by));
    let trait_of = |(what, values): (&(String, &'static str), &BTreeSet<String>)| {
        let others = before.get(what)?;
        let listed = |values: &BTreeSet<String>| -> String {
            let short = |value: &String| value.chars().take(SHOWN).collect::<String>();
            let few: Vec<String> = values.iter().take(3).map(short).collect();
            few.join(", ")
        };
        let (of, kind) = what;
        values.is_disjoint(others).then(|| {
            let (now, others) = (listed(values), listed(others));
            format!("{kind}{of}: {now}, in the other calls {others}")
        })
    };
    now.iter()
        .find_map(trait_of)
        .or_else(|| {
            let names: BTreeSet<&str> = part.iter().flat_map(|call| names(call)).collect();
            let mut counted = names.into_iter().filter(|name| by != By::Input(name));
            counted.find_map(|name| sizes(part, rest, name).or_else(|| beyond(part, rest, name)))
        })
        .or_else(|| scaled(part, rest))
        .or_else(|| rests(part, rest).then(|| "a column stands still in these calls alone".into()))
}

fn names(call: &CallFact) -> impl Iterator<Item = &str> {
    call.inputs.iter().map(|input| input.name.as_str())
}

/// How each input is sent, and the values of control inputs.
fn traits(calls: &[&CallFact], by: By<'_>) -> BTreeMap<(String, &'static str), BTreeSet<String>> {
    let mut traits: BTreeMap<(String, &'static str), BTreeSet<String>> = BTreeMap::new();
    let mut sent: BTreeSet<String> = BTreeSet::new();
    for call in calls {
        let these = names(call).filter(|name| by != By::Input(name));
        sent.insert(these.collect::<Vec<_>>().join(" and "));
        for input in call.inputs.iter().filter(|i| by != By::Input(&i.name)) {
            let mut note = |kind: &'static str, value: String| {
                let of = format!(" of `{}`", input.name);
                let values = traits.entry((of, kind)).or_default();
                values.insert(value);
            };
            note("type", input.dtype.to_owned());
            note("values given", given(input).to_owned());
            if let Some(value) = &input.control
                && by != By::Control(&input.name)
            {
                note("value", value.clone());
            }
            if let Some(features) = &input.features
                && by != By::Features(&input.name)
            {
                note("features", features.join(", "));
            }
        }
    }
    traits.insert((String::new(), "inputs"), sent);
    traits
}

fn given(input: &InputFact) -> &'static str {
    match input.given {
        given if given >= input.declared => "all",
        0 => "none",
        1 => "one for all",
        _ => "some",
    }
}

/// Numbers in each call of the part beyond all of the rest: one column may be enough to overflow.
/// The values of control inputs are told one by one.
fn beyond(part: &[&CallFact], rest: &[&CallFact], name: &str) -> Option<String> {
    let largest = |calls: &[&CallFact]| {
        let inputs = calls.iter().flat_map(|call| call.inputs.iter());
        let named = inputs.filter(|input| input.name == name && input.control.is_none());
        named.map(|input| input.largest).collect::<Vec<f32>>()
    };
    let now = largest(part).into_iter().reduce(f32::min)?;
    let others = largest(rest).into_iter().reduce(f32::max)?;
    (now > FACTOR * others).then(|| {
        format!("numbers of `{name}` reach {now:.3e}, in the other calls {others:.3e} at the most")
    })
}

/// The dimensions of an input that lie apart.
fn sizes(part: &[&CallFact], rest: &[&CallFact], name: &str) -> Option<String> {
    let range = |calls: &[&CallFact], at: usize| {
        let inputs = calls.iter().flat_map(|call| call.inputs.iter());
        let sizes = inputs
            .filter(|input| input.name == name)
            .map(|input| input.dims.get(at).copied().unwrap_or(0));
        sizes.fold(None, |range: Option<(u64, u64)>, size| {
            let (low, high) = range.unwrap_or((size, size));
            Some((low.min(size), high.max(size)))
        })
    };
    let inputs = part.iter().flat_map(|call| call.inputs.iter());
    let named = inputs.filter(|input| input.name == name);
    let rank = named.map(|input| input.dims.len()).max().unwrap_or(0);
    (0..rank).find_map(|at| {
        let (now, other) = (range(part, at)?, range(rest, at)?);
        (now.0 > other.1 || now.1 < other.0).then(|| {
            format!(
                "dimension {at} of `{name}` is {} to {}, in the other calls {} to {}",
                now.0, now.1, other.0, other.1
            )
        })
    })
}
