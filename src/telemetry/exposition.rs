//! Gauges per series, written from a report at scrape time: so they are never stale, and a
//! series that left leaves no line behind.
//!
//! Source of the format: Prometheus text exposition format 0.0.4.

use super::table::{ALL, CAUSE, STATE, WINDOW_INPUTS, WINDOW_OUTPUTS, WINDOW_ROWS, WINDOW_TOP};
use crate::report::{Report, Series, State};
use serde::Serialize;
use std::fmt::Write;

type Value = fn(&Series) -> f64;

/// Most causes of a series that are exported.
const CAUSES: usize = 2;

/// The text of all gauges per series.
#[must_use]
pub fn series_metrics(report: &Report) -> String {
    let mut text = String::new();
    let gauges: [(&str, Value); 5] = [
        (STATE, |series| f64::from(number(series.state))),
        (WINDOW_ROWS, |series| series.window.rows as f64),
        (WINDOW_INPUTS, |series| series.window.distinct_inputs as f64),
        (WINDOW_OUTPUTS, |series| {
            series.window.distinct_outputs as f64
        }),
        (WINDOW_TOP, |series| series.window.top_output_share),
    ];
    for (name, value) in gauges {
        head(&mut text, name);
        for series in &report.series {
            let _ = writeln!(text, "{name}{{{}}} {}", labels(series), value(series));
        }
    }
    head(&mut text, CAUSE);
    for series in &report.series {
        for cause in series.causes.iter().take(CAUSES) {
            let category = escape(&name(cause.category));
            let _ = writeln!(
                text,
                "{CAUSE}{{{},rule=\"{}\",category=\"{category}\"}} {}",
                labels(series),
                escape(&cause.rule),
                cause.weight
            );
        }
    }
    text
}

/// The name that an enum has in JSON.
pub(super) fn name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn number(state: State) -> u8 {
    match state {
        State::Inactive => 0,
        State::Pending => 1,
        State::Firing => 2,
        State::Resolved => 3,
    }
}

fn head(text: &mut String, name: &str) {
    let help = ALL
        .iter()
        .find(|metric| metric.name == name)
        .map_or("", |metric| metric.help);
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

fn labels(series: &Series) -> String {
    format!(
        "model=\"{}\",version=\"{}\",signature=\"{}\",output=\"{}\"",
        escape(&series.model),
        series.version,
        escape(&series.signature),
        escape(&series.output)
    )
}

/// Names come from the wire: backslash, quote and line feed are escaped, and nobody's name is
/// longer than 128 characters.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars().take(128) {
        match c {
            '\\' => escaped.push_str(r"\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str(r"\n"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_inside_their_quotes() {
        assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
        assert_eq!(escape(&"x".repeat(1000)).len(), 128);
    }
}
