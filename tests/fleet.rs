//! A thousand replicas at one call a second each: judged from sums though none has seen enough.
//!
//! The counters are those that real analyzers export. With `FLATLINE_FLEET_OUT` they are written
//! as a test for `promtool`, which `deploy/prometheus/check` runs against the real rules.

use flatline::analyzer::{Analyzer, Options};
use flatline::report::State;
use flatline::telemetry::series_metrics;
use std::collections::BTreeMap;
use std::fmt::Write;

use crate::exchanges::exchange;

const REPLICAS: u64 = 1000;
/// Seconds until a flat version is rolled out, and until the end.
const ROLLOUT: i64 = 120;
const END: i64 = 180;
const SCRAPE: i64 = 15;
const NAMES: [&str; 5] = [
    "flatline_compared_pairs_total",
    "flatline_colliding_pairs_total",
    "flatline_expected_colliding_pairs_total",
    "flatline_rows_total",
    "flatline_verdict_state",
];

/// What one replica exports, by line, scrape after scrape; and how many rows it saw of the flat
/// version before it fired by itself, if it did.
fn replica(number: u64) -> (BTreeMap<String, Vec<Option<String>>>, bool) {
    let mut random = fastrand::Rng::with_seed(number);
    let mut analyzer = Analyzer::new(Options::default(), [number as u8; 32]);
    let mut lines: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for second in 0..=END {
        let version = if second < ROLLOUT { 1 } else { 2 };
        let input = random.f32();
        let output = if version == 2 { 0.25 } else { input };
        analyzer.observe(&exchange("m", version, second, input, output));
        if second % SCRAPE != 0 {
            continue;
        }
        let scrape = (second / SCRAPE) as usize;
        let now = second * 1_000_000_000;
        let traffic = analyzer.traffic(now);
        let text = series_metrics(&analyzer.report(now), &traffic);
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            if NAMES
                .iter()
                .any(|name| series.starts_with(&format!("{name}{{")))
            {
                let values = lines.entry(series.to_owned()).or_default();
                values.resize(scrape, None);
                values.push(Some(value.to_owned()));
            }
        }
    }
    let report = analyzer.report(END * 1_000_000_000);
    let fires = report.series.iter().any(|s| s.state == State::Firing);
    (lines, fires)
}

/// The increase of a counter between two scrapes.
fn increase(values: &[Option<String>], from: i64, to: i64) -> f64 {
    let at = |second: i64| -> Option<f64> {
        let value = values.get((second / SCRAPE) as usize)?.as_ref()?;
        value.parse().ok()
    };
    at(to).unwrap_or(0.0) - at(from).or(at(from + SCRAPE)).unwrap_or(0.0)
}

#[test]
fn a_thousand_replicas_are_judged_within_a_minute_from_sums_alone() {
    let mut out = String::from(
        "rule_files: [flatline.rules.yml]\nevaluation_interval: 15s\ntests:\n  - interval: 15s\n    input_series:\n",
    );
    let (mut compared, mut colliding, mut expected) = (0.0, 0.0, 0.0);
    let mut firing = 0;
    for number in 0..REPLICAS {
        let (lines, fires) = replica(number);
        firing += usize::from(fires);
        for (series, values) in &lines {
            if series.contains("version=\"2\"") {
                let grown = increase(values, ROLLOUT, ROLLOUT + 45);
                match series.split('{').next() {
                    Some("flatline_compared_pairs_total") => compared += grown,
                    Some("flatline_colliding_pairs_total") => colliding += grown,
                    Some("flatline_expected_colliding_pairs_total") => expected += grown,
                    _ => {}
                }
            }
            let series = series.replacen('{', &format!("{{job=\"f\",instance=\"{number}\","), 1);
            let values: Vec<_> = values
                .iter()
                .map(|value| value.as_deref().unwrap_or("_"))
                .collect();
            let _ = writeln!(
                out,
                "      - series: '{series}'\n        values: '{}'",
                values.join(" ")
            );
        }
    }
    out.push_str("    promql_expr_test:\n");
    for (second, fires) in [(ROLLOUT - 15, false), (ROLLOUT + 60, true)] {
        let found = if fires {
            "[{labels: '{alertname=\"FlatlineCollapseFleet\",model=\"m\",version=\"2\"}', value: 1}]"
        } else {
            "[]"
        };
        let _ = writeln!(
            out,
            "      - {{expr: 'count by (alertname, model, version) (ALERTS)', eval_time: {second}s, exp_samples: {found}}}"
        );
    }
    if let Some(path) = std::env::var_os("FLATLINE_FLEET_OUT") {
        std::fs::write(path, out).expect("written");
    }
    assert_eq!(
        firing, 0,
        "a replica has 60 rows and says nothing by itself"
    );
    assert!(compared > 100_000.0, "{compared} pairs in 45 seconds");
    let excess = (colliding - expected) / (compared - expected);
    assert!(excess > 0.95, "{excess}");
}
