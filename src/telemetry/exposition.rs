//! Metrics per series, written from a report at scrape time: so they are never stale, and a
//! series that left leaves no line behind.
//!
//! Source of the format: Prometheus text exposition format 0.0.4. Lines are bounded: 64 series
//! have up to 21 lines each, the others add up under the model `other`, and of those only what
//! speaks of trouble is shown, for 12 of them: those that fire and have the most rows.

use super::names::{
    CAUSE, COLLIDING, COMPARED, EFFECTIVE_PAIRS, EXPECTED, FINDING, FIRST_SEEN, HIDDEN,
    INPUT_PAIRS, KIND, LAST_SEEN, PAIRS, READY, ROWS, ROWS_NON_FINITE, SINCE, STATE,
    WINDOW_EFFECTIVE, WINDOW_INPUTS, WINDOW_OUTPUTS, WINDOW_ROWS, WINDOW_TOP,
};
use super::table::ALL;
use super::text::{escape, label};
use crate::analyzer::{SeriesTraffic, Tally, Traffic};
use crate::report::{Report, Series, State};
use jiff::Timestamp;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

type Value = fn(&Series) -> f64;
type Count = fn(&Tally) -> f64;

/// Most causes of a series that are exported.
const CAUSES: usize = 2;
/// Most series in trouble that are shown though they have no lines of their own.
const TROUBLED: usize = 12;
/// Most findings that are exported.
const FINDINGS: usize = 32;
const OTHER: &str = "model=\"other\",version=\"\",signature=\"\",output=\"\"";

const GAUGES: [(&str, Value); 6] = [
    (WINDOW_ROWS, |series| series.window.rows as f64),
    (WINDOW_INPUTS, |series| series.window.distinct_inputs as f64),
    (WINDOW_EFFECTIVE, |series| {
        series.window.distinct_effective_inputs as f64
    }),
    (WINDOW_OUTPUTS, |series| {
        series.window.distinct_outputs as f64
    }),
    (WINDOW_TOP, |series| series.window.top_output_share),
    (READY, |series| {
        f64::from(u8::from(series.baseline.state != "learning"))
    }),
];

const COUNTERS: [(&str, Count); 8] = [
    (ROWS, |tally| tally.rows as f64),
    (ROWS_NON_FINITE, |tally| tally.non_finite_rows as f64),
    (PAIRS, |tally| tally.pairs as f64),
    (INPUT_PAIRS, |tally| tally.distinct_input_pairs as f64),
    (EFFECTIVE_PAIRS, |tally| {
        tally.distinct_effective_pairs as f64
    }),
    (COMPARED, |tally| tally.compared_pairs as f64),
    (COLLIDING, |tally| tally.colliding_pairs as f64),
    (EXPECTED, |tally| tally.expected_colliding_pairs),
];

/// The text of all metrics per series. `traffic` is of the same moment as `report`.
#[must_use]
pub fn series_metrics(report: &Report, traffic: &Traffic) -> String {
    let all: Vec<Lines<'_>> = report
        .series
        .iter()
        .zip(&traffic.series)
        .map(|(series, traffic)| Lines {
            series,
            traffic,
            labels: labels(series),
        })
        .collect();
    let own: Vec<&Lines<'_>> = all.iter().filter(|lines| lines.traffic.own).collect();
    let mut troubled: Vec<&Lines<'_>> = all
        .iter()
        .filter(|lines| !lines.traffic.own && !lines.series.idle)
        .filter(|lines| lines.series.state != State::Inactive)
        .collect();
    // What fires and has the most rows first: made-up names may be in trouble too.
    troubled.sort_by_key(|lines| {
        let fires = lines.series.state == State::Firing;
        (!fires, Reverse(lines.series.window.rows))
    });
    let judged: Vec<&Lines<'_>> = own
        .iter()
        .copied()
        .chain(troubled.into_iter().take(TROUBLED))
        .collect();
    let hidden = all.len() - own.len();
    let mut text = String::new();
    for (name, value) in GAUGES {
        head(&mut text, name);
        for Lines { series, labels, .. } in &own {
            let _ = writeln!(text, "{name}{{{labels}}} {}", value(series));
        }
    }
    for (name, count) in COUNTERS {
        head(&mut text, name);
        for Lines {
            traffic, labels, ..
        } in &own
        {
            let _ = writeln!(text, "{name}{{{labels}}} {}", count(&traffic.tally));
        }
        if traffic.other.rows > 0 {
            let _ = writeln!(text, "{name}{{{OTHER}}} {}", count(&traffic.other));
        }
    }
    verdicts(&mut text, &judged);
    versions(&mut text, &own);
    findings(&mut text, report);
    head(&mut text, HIDDEN);
    let _ = writeln!(text, "{HIDDEN} {hidden}");
    text
}

struct Lines<'a> {
    series: &'a Series,
    traffic: &'a SeriesTraffic,
    labels: String,
}

fn verdicts(text: &mut String, judged: &[&Lines<'_>]) {
    head(text, STATE);
    for Lines { series, labels, .. } in judged {
        let _ = writeln!(text, "{STATE}{{{labels}}} {}", number(series.state));
    }
    head(text, KIND);
    for Lines { series, labels, .. } in judged {
        if let Some(kind) = series.kind {
            let _ = writeln!(text, "{KIND}{{{labels},kind=\"{}\"}} 1", name(kind));
        }
    }
    head(text, SINCE);
    for Lines { series, labels, .. } in judged {
        let since = series
            .since
            .as_ref()
            .filter(|_| series.state != State::Inactive);
        if let Some(since) = since.and_then(|at| at.parse::<Timestamp>().ok()) {
            let seconds = since.as_nanosecond() as f64 / 1e9;
            let _ = writeln!(text, "{SINCE}{{{labels}}} {seconds}");
        }
    }
    head(text, CAUSE);
    for Lines { series, labels, .. } in judged {
        let mut named = BTreeSet::new();
        for cause in &series.causes {
            if named.len() < CAUSES && named.insert((&cause.rule, cause.category)) {
                let (rule, category) = (escape(&cause.rule), name(cause.category));
                let _ = writeln!(
                    text,
                    "{CAUSE}{{{labels},rule=\"{rule}\",category=\"{category}\"}} {}",
                    cause.weight
                );
            }
        }
    }
}

fn versions(text: &mut String, own: &[&Lines<'_>]) {
    let mut seen: BTreeMap<(&str, i64), (i64, i64)> = BTreeMap::new();
    for Lines {
        series, traffic, ..
    } in own
    {
        let (first, last) = (traffic.first_nanos, traffic.last_nanos);
        let entry = seen
            .entry((&series.model, series.version))
            .or_insert((first, last));
        *entry = (entry.0.min(first), entry.1.max(last));
    }
    for (metric, of) in [(FIRST_SEEN, 0), (LAST_SEEN, 1)] {
        head(text, metric);
        for ((model, version), times) in &seen {
            let nanos = if of == 0 { times.0 } else { times.1 };
            let _ = writeln!(
                text,
                "{metric}{{{},version=\"{version}\"}} {}",
                label("model", model),
                nanos as f64 / 1e9
            );
        }
    }
}

fn findings(text: &mut String, report: &Report) {
    head(text, FINDING);
    let mut named = BTreeSet::new();
    for finding in &report.findings {
        if named.len() < FINDINGS && named.insert((&finding.rule, &finding.model)) {
            let version = finding.version.map_or(String::new(), |v| v.to_string());
            let _ = writeln!(
                text,
                "{FINDING}{{rule=\"{}\",{},version=\"{version}\",category=\"{}\"}} 1",
                escape(&finding.rule),
                label("model", &finding.model),
                name(finding.category)
            );
        }
    }
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

pub(super) fn head(text: &mut String, name: &str) {
    if let Some(metric) = ALL.iter().find(|metric| metric.name == name) {
        let _ = writeln!(
            text,
            "# HELP {name} {}\n# TYPE {name} {}",
            metric.help,
            metric.kind.as_str()
        );
    }
}

fn labels(series: &Series) -> String {
    format!(
        "{},version=\"{}\",{},{}",
        label("model", &series.model),
        series.version,
        label("signature", &series.signature),
        label("output", &series.output)
    )
}
