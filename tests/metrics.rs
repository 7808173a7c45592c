//! The table of metrics is what is documented.

use crate::exchanges::{exchange, floats, request};
use crate::exposition::{Sample, samples};
use flatline::analyzer::{Analyzer, Options};
use flatline::app;
use flatline::config::{Config, Raw};
use flatline::demo::digits::PIXELS;
use flatline::demo::server::ModelServer;
use flatline::proto::tensorflow::serving::prediction_service_client::PredictionServiceClient;
use flatline::telemetry::{ALL, Kind, Metric, series_metrics};
use std::collections::BTreeSet;
use std::fmt::Write;

fn document() -> String {
    let mut text = String::from(
        "# Metrics\n\nWritten from the table in `src/telemetry/table.rs`; `UPDATE=1 cargo test metrics` writes it again.\nHow the pairs add up to a judgement over a fleet: [fleet.md](fleet.md).\n\nAt most 2,000 time series a pod: 64 series have lines of their own, the others add up under `model=\"other\"`; names over 100 characters are cut. A series without a row for an hour leaves. Once all lines are taken, a series with 64 rows takes that of one that was silent for ten minutes, or for one minute if it had fewer rows, one in 15 seconds at most; and a version that of another version of its output which was silent for 15 seconds.\n\n| name | type | unit | labels | what | since |\n|---|---|---|---|---|---|\n",
    );
    for metric in ALL {
        let kind = metric.kind.as_str();
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

fn metric(sample: &str) -> &'static Metric {
    let of = |metric: &&Metric| {
        let histogram = ["_bucket", "_sum", "_count"].iter().any(|suffix| {
            metric.kind == Kind::Histogram && sample == format!("{}{suffix}", metric.name)
        });
        sample == metric.name || histogram
    };
    ALL.iter()
        .find(of)
        .unwrap_or_else(|| panic!("`{sample}` is not in the table"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_process_exports_what_the_table_says() {
    let server = ModelServer::spawn().await.expect("a model server");
    let toml = format!(
        "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nupstream = \"{}\"",
        server.address()
    );
    let config = Config::check(&Raw::from_toml(&toml).expect("TOML")).expect("a configuration");
    let running = app::start(config).await.expect("a proxy");
    let mut stub = PredictionServiceClient::connect(format!("http://{}", running.listen))
        .await
        .expect("a connection");
    for i in 0..40_u8 {
        let pixels = (0..PIXELS).map(|p| f32::from(i) * p as f32 / 640.0);
        let tensor = floats(&[1, PIXELS as i64], pixels.collect());
        stub.predict(request("digits", "pixels", tensor))
            .await
            .expect("a reply");
    }
    observed(&running, 40).await;
    let (_, body) = flatline::admin::ask(&running.admin, http::Method::GET, "/metrics", None)
        .await
        .expect("a scrape");
    let text = String::from_utf8(body.to_vec()).expect("UTF-8");
    let mut seen = BTreeSet::new();
    for Sample { name, labels, .. } in samples(&text) {
        let metric = metric(name);
        let labels: BTreeSet<_> = labels.into_keys().filter(|l| *l != "le").collect();
        assert_eq!(labels, metric.labels.iter().copied().collect(), "{name}");
        let kind = format!("# TYPE {} {}\n", metric.name, metric.kind.as_str());
        assert!(text.contains(&kind), "{kind}");
        assert!(text.contains(&format!("# HELP {} ", metric.name)), "{name}");
        seen.insert(metric.name);
    }
    // Nothing of the series is left out but what speaks of trouble.
    for metric in ALL {
        let in_trouble = [
            "flatline_verdict_since_timestamp_seconds",
            "flatline_verdict_kind",
            "flatline_cause_weight",
            "flatline_verdict_transitions_total",
            "flatline_finding",
        ];
        if metric.labels.first() == Some(&"model") && !in_trouble.contains(&metric.name) {
            assert!(seen.contains(metric.name), "{} is missing", metric.name);
        }
    }
    let rows = samples(&text);
    let of = |wanted: &str| rows.iter().find(|s| s.name == wanted).map(|s| s.value);
    assert_eq!(of("flatline_rows_total"), Some(40.0));
    let pairs = (0..40_u32).map(|i| i.min(32)).sum::<u32>();
    assert_eq!(of("flatline_row_pairs_total"), Some(f64::from(pairs)));
}

#[test]
fn hostile_names_neither_break_nor_swell_a_scrape() {
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    let long = "x".repeat(500);
    let mut rows = 0;
    for round in 0..3 {
        for i in 0..300_i64 {
            let model = format!("{long}\0\"}}\n\\{i}");
            analyzer.observe(&exchange(&model, i, round, i as f32, round as f32));
            rows += 1;
        }
    }
    let now = 4_000_000_000;
    let traffic = analyzer.traffic(now);
    let text = series_metrics(&analyzer.report(now), &traffic);
    let found = samples(&text);
    assert!(found.len() < 1550, "{} time series", found.len());
    assert!(text.len() < 1 << 20);
    let distinct: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(distinct.len(), text.lines().count(), "no line twice");
    assert!(text.contains("flatline_rows_total{model=\"other\""));
    // 900 calls, 256 series at once: those that left took their own counts with them.
    let counted: f64 = found
        .iter()
        .filter(|s| s.name == "flatline_rows_total")
        .map(|s| s.value)
        .sum();
    assert!(counted > 200.0 && counted <= f64::from(rows), "{counted}");
}

#[test]
fn an_idle_series_leaves_and_comes_back_with_its_counts() {
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    for at in 0..10 {
        analyzer.observe(&exchange("m", 1, at, at as f32, at as f32));
    }
    let scrape = |analyzer: &mut Analyzer, at: i64| {
        let now = at * 1_000_000_000;
        let traffic = analyzer.traffic(now);
        series_metrics(&analyzer.report(now), &traffic)
    };
    let line =
        "flatline_rows_total{model=\"m\",version=\"1\",signature=\"serving_default\",output=\"y\"}";
    assert!(scrape(&mut analyzer, 3600).contains(&format!("{line} 10\n")));
    assert!(!scrape(&mut analyzer, 3700).contains(line));
    analyzer.observe(&exchange("m", 1, 3701, 99.0, 99.0));
    assert!(scrape(&mut analyzer, 3702).contains(&format!("{line} 11\n")));
}

#[test]
fn trouble_without_lines_is_shown_while_calls_come() {
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    let lines = flatline::analyzer::OWN_LINES as i64;
    for i in 0..lines {
        analyzer.observe(&exchange(&format!("m{i}"), 1, 0, 0.0, 0.0));
    }
    for at in 0..60 {
        analyzer.observe(&exchange("flat", 1, at, at as f32, 0.3));
    }
    let mut states = |second: i64| {
        let now = second * 1_000_000_000;
        let traffic = analyzer.traffic(now);
        let text = series_metrics(&analyzer.report(now), &traffic);
        let states = samples(&text).into_iter();
        let mut states = states.filter(|s| s.name == "flatline_verdict_state");
        states.find(|s| s.label("model") == "flat").map(|s| s.value)
    };
    assert_eq!(states(60), Some(1.0), "pending");
    assert_eq!(states(358), Some(1.0));
    assert_eq!(states(361), None, "its calls are over");
}

#[test]
fn of_many_in_trouble_those_with_the_most_rows_have_lines() {
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    for i in 0..flatline::analyzer::OWN_LINES {
        analyzer.observe(&exchange(&format!("m{i}"), 1, 0, 0.0, 0.0));
    }
    // Names that sort in front of it, made up by somebody.
    let made_up: Vec<String> = (0..20).map(|i| format!("a{i:02}")).collect();
    for at in 0..60 {
        for name in &made_up {
            analyzer.observe(&exchange(name, 1, at, at as f32, 0.3));
        }
        for more in 0..2 {
            analyzer.observe(&exchange("zoo", 1, at, (2 * at + more) as f32, 0.3));
        }
    }
    let now = 60 * 1_000_000_000;
    let traffic = analyzer.traffic(now);
    let text = series_metrics(&analyzer.report(now), &traffic);
    let states = samples(&text).into_iter();
    let shown: Vec<_> = states
        .filter(|s| s.name == "flatline_verdict_state" && s.value > 0.0)
        .collect();
    assert_eq!(shown.len(), 12);
    assert!(shown.iter().any(|s| s.label("model") == "zoo"));
}

/// Returns once so many calls were observed: a client has its reply a moment before.
async fn observed(running: &app::Running, calls: u64) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let report = running.report().await.expect("a report");
        if report.observed.calls == calls {
            return;
        }
        assert!(std::time::Instant::now() < end, "{:?}", report.observed);
    }
}

async fn start(server: &ModelServer) -> app::Running {
    let toml = format!(
        "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nupstream = \"{}\"",
        server.address()
    );
    let config = Config::check(&Raw::from_toml(&toml).expect("TOML")).expect("a configuration");
    app::start(config).await.expect("a proxy")
}

/// Lines that a pod exports at most: own series, those in trouble, and what the recorder holds.
#[test]
fn at_most_two_thousand_series() {
    use flatline::skip::Skip;
    let buckets = flatline::telemetry::LATENCY_BUCKETS.len() + 3;
    let own = ALL
        .iter()
        .filter(|m| m.labels.first() == Some(&"model") && m.labels.contains(&"output"))
        .count();
    // Two causes; and two lines of its version, which no other series shares at worst.
    let lines = flatline::analyzer::OWN_LINES * (own + 1 + 2);
    let troubled = 12 * 5;
    let findings = 32;
    let fixed: usize = ALL
        .iter()
        .filter(|m| m.labels.first() != Some(&"model") && m.name != "flatline_finding")
        .map(|m| match (m.name, m.kind) {
            // Eleven kinds and none, seven categories and none, four states.
            ("flatline_verdict_transitions_total", _) => 12 * 8 * 4,
            ("flatline_skipped_total", _) => Skip::ALL.len(),
            ("flatline_calls_total", _) => 5,
            (_, Kind::Histogram) => buckets,
            // Reasons and outcomes, all of them enums: eight at most.
            _ if !m.labels.is_empty() => 8,
            _ => 1,
        })
        .sum();
    let most = lines + troubled + findings + 8 + fixed;
    assert!(most <= 2000, "{most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_scrapers_a_slow_reader_and_a_shutdown_disturb_no_call() {
    let server = ModelServer::spawn().await.expect("a model server");
    let running = start(&server).await;
    // A reader that never reads keeps its answer waiting, and nobody else's.
    let admin = running.admin.to_string();
    let slow = tokio::net::TcpStream::connect(&admin).await.expect("admin");
    slow.writable().await.expect("writable");
    let asked = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n".repeat(50);
    slow.try_write(&asked).expect("written");
    let address = running.admin.clone();
    let scrapers: Vec<_> = (0..50)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move {
                let mut answered = 0;
                for _ in 0..10 {
                    let got = flatline::admin::ask(&address, http::Method::GET, "/metrics", None);
                    answered += usize::from(got.await.is_ok_and(|(status, _)| status.is_success()));
                }
                answered
            })
        })
        .collect();
    let mut stub = PredictionServiceClient::connect(format!("http://{}", running.listen))
        .await
        .expect("a connection");
    for i in 0..200_u16 {
        let pixels = (0..PIXELS).map(|p| f32::from(i) * p as f32 / 640.0);
        let tensor = floats(&[1, PIXELS as i64], pixels.collect());
        let reply = stub.predict(request("digits", "pixels", tensor)).await;
        reply.expect("no call notices");
    }
    for scraper in scrapers {
        assert_eq!(scraper.await.expect("no panic"), 10);
    }
    observed(&running, 200).await;
    // Scrapes that come while the proxy ends get an answer or a closed connection, no hang.
    let late = tokio::spawn(async move {
        while flatline::admin::ask(&address, http::Method::GET, "/metrics", None)
            .await
            .is_ok()
        {}
    });
    assert!(running.shutdown().await);
    late.await.expect("no panic");
    drop(slow);
}

#[test]
fn names_that_come_and_go_bring_no_new_lines_within_the_hour() {
    let mut analyzer = Analyzer::new(
        Options {
            max_series: 4,
            ..Options::default()
        },
        [7; 32],
    );
    let mut names = BTreeSet::new();
    for i in 0..2000_i64 {
        analyzer.observe(&exchange(&format!("m{i}"), 1, i, i as f32, i as f32));
        let now = i * 1_000_000_000;
        let traffic = analyzer.traffic(now);
        let text = series_metrics(&analyzer.report(now), &traffic);
        names.extend(
            samples(&text)
                .into_iter()
                .filter(|sample| sample.name == "flatline_rows_total")
                .map(|sample| sample.label("model").to_owned()),
        );
    }
    assert_eq!(
        names.len(),
        flatline::analyzer::OWN_LINES + 1,
        "64 and `other`"
    );
    // A name that had a line gets it back.
    analyzer.observe(&exchange("m0", 1, 2001, 1.0, 1.0));
    let traffic = analyzer.traffic(2_001_000_000_000);
    assert!(traffic.series.iter().any(|series| series.own));
}

/// A scrape with as many series as there may be, 64 rows each. Its time is printed, not judged: a
/// test machine may be busy. What it costs with full windows: `docs/performance.md`.
#[test]
fn a_scrape_of_256_series() {
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    for i in 0..256_i64 {
        for at in 0..64 {
            let value = (i * 64 + at) as f32;
            analyzer.observe(&exchange(&format!("m{i}"), 1, at, value, value));
        }
    }
    let now = 64_000_000_000;
    let began = std::time::Instant::now();
    let traffic = analyzer.traffic(now);
    let report = analyzer.report(now);
    let analyzing = began.elapsed();
    let text = series_metrics(&report, &traffic);
    println!(
        "256 series: {analyzing:?} of the analyzer, {:?} in all, {} bytes",
        began.elapsed(),
        text.len()
    );
    assert_eq!(report.series.len(), 256);
    assert!(samples(&text).len() < 2000);
}
