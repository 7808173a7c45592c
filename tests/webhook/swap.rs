//! Reviews in flight while the certificate changes, and many of them.

use super::caller::{Caller, names, renew, review, serve};
use flatline::inject::Settings;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Connections that the reviews go over.
const CALLERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_certificate_drops_no_call() {
    let served = serve(Settings::default()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let mut calling = Vec::new();
    for _ in 0..CALLERS {
        let mut caller = Caller::connect(served.port, &served.trusted).await.unwrap();
        let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
        calling.push(tokio::spawn(async move {
            let review = review("named-ports-probes-gpu");
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(caller.ask(&review).await["response"]["allowed"], true);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for _ in 0..3 {
        let before = answered.load(Ordering::Relaxed);
        let trusted = renew(served.folder.path());
        // Who trusts only the new one gets in as soon as it is shown.
        let patience = Duration::from_secs(60);
        let shown = async {
            while Caller::connect(served.port, &trusted).await.is_err() {
                tokio::task::yield_now().await;
            }
            while answered.load(Ordering::Relaxed) == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(patience, shown).await.unwrap();
        assert!(Caller::connect(served.port, &served.trusted).await.is_err());
    }
    stop.store(true, Ordering::Relaxed);
    for caller in calling {
        caller.await.unwrap();
    }
    served.running.shutdown().await;
}

/// A thousand reviews a second, for `FLATLINE_REVIEW_SECONDS`, 10 unless set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reviews_a_second_without_an_error() {
    let seconds = std::env::var("FLATLINE_REVIEW_SECONDS").ok();
    let seconds: u64 = seconds.and_then(|s| s.parse().ok()).unwrap_or(10);
    let served = serve(Settings::default()).await;
    let bodies: Vec<String> = names()
        .iter()
        .map(|name| review(name).to_string())
        .collect();
    let bodies = Arc::new(bodies);
    let begun = tokio::time::Instant::now();
    let mut calling = Vec::new();
    for nth in 0..CALLERS as u64 {
        let mut caller = Caller::connect(served.port, &served.trusted).await.unwrap();
        let bodies = Arc::clone(&bodies);
        calling.push(tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            for i in (nth..1_000 * seconds).step_by(CALLERS) {
                tokio::time::sleep_until(begun + Duration::from_millis(i)).await;
                let body = bodies[i as usize % bodies.len()].clone();
                let sent = tokio::time::Instant::now();
                let (status, text) = caller.post("application/json", body).await;
                assert_eq!(status, 200, "{text}");
                slowest = slowest.max(sent.elapsed());
            }
            slowest
        }));
    }
    let mut slowest = Duration::ZERO;
    for caller in calling {
        slowest = slowest.max(caller.await.unwrap());
    }
    let rate = 1_000.0 * seconds as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{} reviews, {rate:.0} a second, the slowest took {slowest:?}",
        1_000 * seconds
    );
    served.running.shutdown().await;
}

/// What a line of the metrics says.
async fn metric(caller: &mut Caller, name: &str) -> f64 {
    let (_, metrics) = caller.fetch("/metrics").await;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    let value = value.and_then(|value| value.trim().parse().ok());
    value.expect("a line of the metrics")
}

#[tokio::test]
async fn files_that_make_no_pair_are_counted_and_the_end_of_those_that_do_is_told() {
    const FAILURES: &str = "flatline_webhook_certificate_failures_total ";
    const END: &str = "flatline_webhook_certificate_expiry_timestamp_seconds ";
    let served = serve(Settings::default()).await;
    let mut caller = Caller::connect(served.port, &served.trusted).await.unwrap();
    let patience = Duration::from_secs(60);
    let told = async { while metric(&mut caller, END).await < 1e9 {} };
    tokio::time::timeout(patience, told).await.unwrap();
    let before = metric(&mut caller, FAILURES).await;
    std::fs::write(served.folder.path().join("tls.key"), "no key").unwrap();
    let counted = async { while metric(&mut caller, FAILURES).await <= before {} };
    tokio::time::timeout(patience, counted).await.unwrap();
    // The one before is shown on.
    assert!(Caller::connect(served.port, &served.trusted).await.is_ok());
    served.running.shutdown().await;
}
