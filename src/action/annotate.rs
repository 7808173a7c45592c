//! Which replies carry a verdict, and in which words.

use crate::observe::Snapshot;
use crate::report::{Series, State};
use crate::tap::Note;
use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::collections::HashMap;

/// What cannot stand in a value as it is.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b';').add(b',').add(b'"');

/// Longest name of an output in a value, bytes as they are sent.
const NAME: usize = 100;
/// Values that one reply may carry: with the longest names they stay far below the 8 KiB of
/// metadata that clients of gRPC take.
const MOST: usize = 8;

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
        let of_model = notes.entry(series.model.clone()).or_default();
        let same =
            |note: &&Note| note.version == series.version && note.signature == series.signature;
        if of_model.iter().filter(same).count() >= MOST {
            continue;
        }
        of_model.push(Note {
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
        cut(utf8_percent_encode(&series.output, ESCAPED).to_string()),
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

/// Escaped text is ASCII, and may be cut anywhere.
fn cut(mut name: String) -> String {
    if name.len() > NAME {
        name.truncate(NAME - 3);
        name.push_str("...");
    }
    name
}

/// The name that an enum has in JSON.
fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    let word = value.as_ref().and_then(|value| value.as_str());
    word.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::tests::snapshot;

    #[test]
    fn many_outputs_with_long_names_stay_within_what_clients_take() {
        let names: Vec<String> = (0..150)
            .map(|n| format!("head_{n}{}", "é".repeat(5000)))
            .collect();
        let series: Vec<_> = names
            .iter()
            .map(|name| ("firing", true, 100, name.as_str()))
            .collect();
        let notes = notes(&snapshot(&series));
        assert_eq!(notes["m"].len(), MOST);
        let bytes: usize = notes["m"].iter().map(|note| 50 + note.value.len()).sum();
        assert!(bytes < 4096, "{bytes}");
        let first = notes["m"][0].value.to_str().unwrap();
        assert!(
            first.contains("output=head_0%C3%A9") && first.contains("...; "),
            "{first}"
        );
        assert!(first.ends_with("cause=D2; category=signature"), "{first}");
    }
}
