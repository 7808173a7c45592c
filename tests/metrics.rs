//! The table of metrics is what is documented.

use flatline::telemetry::{ALL, Kind};
use std::fmt::Write;

fn document() -> String {
    let mut text = String::from(
        "# Metrics\n\nWritten from the table in `src/telemetry/table.rs`; `UPDATE=1 cargo test metrics` writes it again.\n\n| name | type | unit | labels | what | since |\n|---|---|---|---|---|---|\n",
    );
    for metric in ALL {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect::<Vec<_>>()
            .join(" ");
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {} | {labels} | {} | {} |",
            metric.name, metric.unit, metric.help, metric.since
        );
    }
    text
}

#[test]
fn metrics_are_documented_as_they_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, document()).expect("docs/metrics.md is written");
    }
    let written = std::fs::read_to_string(path).expect("docs/metrics.md");
    assert!(
        written == document(),
        "docs/metrics.md is not what the table says: run `UPDATE=1 cargo test metrics`"
    );
}

#[test]
fn names_follow_prometheus() {
    for metric in ALL {
        assert!(metric.name.starts_with("flatline_"), "{}", metric.name);
        assert_eq!(
            metric.name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "{}",
            metric.name
        );
        assert!(metric.help.ends_with('.'), "{}", metric.name);
    }
}
