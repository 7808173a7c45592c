//! The observing side fails in every way it can, and no call notices.

use super::observation::{floats, framed, request, response};
use super::parts::*;
use bytes::Bytes;
use flatline::analyzer::{Analyzer, Options};
use flatline::config::Address;
use flatline::diagnose::facts::ModelTruth;
use flatline::listen::{self, Settings};
use flatline::net::{Listener, Own};
use flatline::observe::{Bounds, Keep, Observer};
use flatline::proto::flatline::v1::Exchange;
use flatline::tap::{Record, Sink, Tap};
use flatline::telemetry::{self, Forwarding};
use flatline::upstream::Dial;
use flatline::{codec, drain};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Calls through a proxy whose tap gives to `sink`: all of them come back whole.
async fn calls(sink: Arc<dyn Sink>, count: usize) {
    let server = Server::start(|request, respond| async move {
        drain(&mut request.into_body()).await;
        answer(respond, response()).await;
    })
    .await;
    let any = Address::Tcp("127.0.0.1".to_owned(), 0);
    let listener = Listener::bind(&any).await.expect("a port");
    let address = listener.local_address().expect("an address").to_string();
    let own = Own::new();
    let upstream = Address::Tcp("127.0.0.1".to_owned(), server.port);
    let settings = Settings {
        dial: Arc::new(Dial::new(upstream, None, own.clone())),
        original_dst: false,
        tls: None,
        own,
        tap: Tap::new(sink, 1 << 20, 1 << 24),
        metrics: Arc::new(Forwarding::new()),
        handshake_timeout: Duration::from_secs(10),
    };
    let (_signal, watch) = drain::channel();
    let serving = tokio::spawn(listen::serve(listener, settings, watch));
    let client = connect_to(&address).await;
    let body = framed(0, &request(floats(&[1, 1])));
    for _ in 0..count {
        let (_, reply, trailers) = call(&client, PREDICT, body.clone()).await;
        assert_eq!(reply, response());
        assert_eq!(trailers["grpc-status"], "0");
    }
    serving.abort();
}

fn observer(keep: Box<dyn Keep>, queue: usize) -> Observer {
    telemetry::install().expect("a recorder");
    let bounds = Bounds {
        queue,
        message: 1 << 20,
        total: 64 << 20,
    };
    let options = Options::default();
    Observer::start(
        options,
        [7; 32],
        bounds,
        Some(keep),
        flatline::diagnose::Reach::default(),
        None,
    )
    .expect("a thread")
}

/// A metric of this process, which other tests add to.
fn metric(line: &str) -> u64 {
    let text = telemetry::install().expect("a recorder").render();
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.map_or(0, |value| value.trim().parse().expect("a number"))
}

struct Panics;

impl Keep for Panics {
    fn keep(&mut self, _: &Exchange) -> u64 {
        panic!("as a test wants it")
    }

    fn learned(&mut self, _model: &str, _truth: &ModelTruth) -> u64 {
        0
    }
}

impl Sink for Panics {
    fn record(&self, _: Record) {
        panic!("as a test wants it")
    }
}

#[tokio::test]
async fn panics_while_capturing_cost_observations_alone() {
    let before = metric("flatline_analyzer_panics_total");
    let observer = observer(Box::new(Panics), 4096);
    calls(Arc::new(observer.clone()), 200).await;
    let report = observer.report().await.expect("the thread lives");
    assert_eq!(report.observed.skipped["panic"], 200);
    assert!(metric("flatline_analyzer_panics_total") >= before + 200);
}

#[tokio::test]
async fn panics_in_the_tap_end_there() {
    calls(Arc::new(Panics), 50).await;
}

/// Stands still until its other end is dropped.
struct Sleeps(Receiver<()>);

impl Keep for Sleeps {
    fn keep(&mut self, _: &Exchange) -> u64 {
        let _ = self.0.recv();
        0
    }

    fn learned(&mut self, _model: &str, _truth: &ModelTruth) -> u64 {
        0
    }
}

#[tokio::test]
async fn an_analyzer_that_stands_still_holds_up_nobody() {
    let line = "flatline_skipped_total{reason=\"queue_full\"}";
    let before = metric(line);
    let (wake, asleep) = channel();
    let observer = observer(Box::new(Sleeps(asleep)), 16);
    calls(Arc::new(observer.clone()), 500).await;
    assert!(
        metric(line) >= before + 400,
        "each that was lost is counted"
    );
    drop(wake);
    observer.flush().await;
}

#[test]
fn a_clock_that_jumps_is_survived_with_every_row_counted() {
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    let payload = |body: Bytes| codec::frame::message(&[body], None, 1 << 20).expect("framed");
    let now = 1_700_000_000_000_000_000;
    let jumps = [
        now,
        now - 3_600_000_000_000,
        0,
        now,
        -now,
        i64::MAX,
        i64::MIN,
        now,
    ];
    for (n, at) in jumps.into_iter().cycle().take(400).enumerate() {
        let mut tensor = floats(&[1, 1]);
        tensor.float_val = vec![n as f32];
        let outcome = analyzer.observe(&Exchange {
            start_unix_nanos: at,
            duration_nanos: if n % 3 == 0 { i64::MAX } else { -1 },
            method: "/tensorflow.serving.PredictionService/Predict".to_owned(),
            request: payload(framed(0, &request(tensor))),
            response: payload(response()),
            ..Exchange::default()
        });
        assert_eq!((outcome.skipped, outcome.rows), (None, 1));
        let _ = analyzer.report(at);
        let _ = analyzer.traffic(at);
    }
    assert_eq!(analyzer.report(now).observed.rows, 400);
}
