//! The observing side at its limits and beyond: every call passes, and what was lost is counted.

use super::peer::*;
use super::process::*;

const PATH: &str = "/tensorflow.serving.PredictionService/Predict";

/// Makes calls of `size` bytes on several streams at once, and expects each to come back whole.
async fn calls(proxy: &Proxy, rounds: usize, size: usize) {
    let mut client = proxy.client().await;
    let mut message = vec![0];
    message.extend((size as u32).to_be_bytes());
    message.extend(vec![0xa5; size]);
    for _ in 0..rounds {
        let mut streams = Vec::new();
        for _ in 0..10 {
            let stream = client.open(&request(PATH, &[]), false).await;
            client.body(stream, &message, true).await;
            streams.push(stream);
        }
        for stream in streams {
            let reply = client.reply(stream).await;
            assert_eq!(reply.status().as_deref(), Some("0"));
            assert!(reply.body == message, "untouched");
        }
    }
}

/// The sum of a metric's lines that contain `what`.
async fn metric(proxy: &Proxy, what: &str) -> f64 {
    let text = proxy.admin("/metrics").await;
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains(what));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[tokio::test]
async fn a_full_queue_loses_observations_and_no_call() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start_with(upstream.port, &["--queue", "1"]);
    calls(&proxy, 100, 10).await;
    assert!(metric(&proxy, "reason=\"queue_full\"").await > 0.0);
}

#[tokio::test]
async fn no_memory_for_the_tap_loses_observations_and_no_call() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start_with(
        upstream.port,
        &["--tap-bytes-total", "16KiB", "--tap-bytes-per-call", "8KiB"],
    );
    calls(&proxy, 5, 7_000).await;
    calls(&proxy, 1, 9_000).await;
    assert!(metric(&proxy, "reason=\"memory_full\"").await > 0.0);
    assert!(metric(&proxy, "reason=\"too_large\"").await >= 10.0);
}

#[tokio::test]
async fn a_capture_folder_that_goes_away_loses_captures_and_no_call() {
    let upstream = Upstream::echo().await;
    let dir = tempfile::tempdir().expect("a folder");
    let captures = dir.path().join("captures");
    std::fs::create_dir(&captures).expect("a folder");
    let at = captures.display().to_string();
    let proxy = Proxy::start_with(
        upstream.port,
        &["--capture", &at, "--capture-max-bytes", "64KiB"],
    );
    calls(&proxy, 2, 4_000).await;
    assert_eq!(metric(&proxy, "flatline_capture_dropped_total").await, 0.0);
    std::fs::remove_dir_all(&captures).expect("it goes");
    calls(&proxy, 5, 4_000).await;
    // The report comes behind every call that is queued.
    proxy.admin("/api/v1/verdicts").await;
    assert!(metric(&proxy, "flatline_capture_dropped_total").await > 0.0);
}
