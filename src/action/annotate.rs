//! Which replies carry a verdict, and in which words.

use crate::observe::Snapshot;
use crate::report::{Series, State};
use crate::tap::Note;
use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::collections::HashMap;

/// What cannot stand in a value as it is.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b';').add(b',').add(b'"');

/// The notes of all series that fire.
pub(super) fn notes(snapshot: &Snapshot) -> HashMap<String, Vec<Note>> {
    let all = || snapshot.report.series.iter().zip(&snapshot.traffic.series);
    let mut notes: HashMap<String, Vec<Note>> = HashMap::new();
    for (series, traffic) in all().filter(|(series, _)| series.state == State::Firing) {
        let Ok(value) = HeaderValue::from_str(&value(series)) else {
            continue;
        };
        let newer = all().any(|(other, seen)| {
            other.model == series.model
                && other.signature == series.signature
                && other.version != series.version
                && seen.last_nanos > traffic.last_nanos
        });
        notes.entry(series.model.clone()).or_default().push(Note {
            version: series.version,
            newest: !newer,
            signature: series.signature.clone(),
            value,
        });
    }
    notes
}

/// `state=firing; kind=constant; version=3; output=scores; confidence=0.999; cause=D20; category=training`
fn value(series: &Series) -> String {
    let kind = series.kind.map_or_else(String::new, word);
    let mut text = format!(
        "state=firing; kind={kind}; version={}; output={}; confidence={:.3}",
        series.version,
        utf8_percent_encode(&series.output, ESCAPED),
        series.confidence
    );
    if let Some(cause) = series.causes.first() {
        text.push_str("; cause=");
        text.push_str(&cause.rule);
        text.push_str("; category=");
        text.push_str(&word(cause.category));
    }
    text
}

/// The name that an enum has in JSON.
fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    let word = value.as_ref().and_then(|value| value.as_str());
    word.unwrap_or_default().to_owned()
}
