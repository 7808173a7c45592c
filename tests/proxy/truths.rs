//! What the server is asked about its models: how often, and what becomes of a finding.

use super::captured::{answered, capturing, framed, request};
use super::parts::*;
use bytes::Bytes;
use flatline::analyzer::{Analyzer, Options};
use flatline::diagnose::facts::ModelTruth;
use flatline::proto::tensorflow::serving::{
    GetModelStatusResponse, ModelVersionStatus, StatusProto,
};
use flatline::replay::{Recorded, Records, Truths, recorded};
use flatline::truth::ask::{self, Server as Upstream};
use flatline::truth::poll::{Appeared, DEADLINE, Learn, Poll};
use flatline::truth::volume::Volume;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_secs(30);

struct Told(mpsc::UnboundedSender<ModelTruth>);

impl Learn for Told {
    fn learn(&self, model: &str, truth: ModelTruth) {
        assert_eq!(model, "m");
        let _ = self.0.send(truth);
    }
}

/// Asks a server every so often: the task, where versions are announced, and what was learned.
fn poll(
    port: u16,
    every: Duration,
) -> (
    JoinHandle<()>,
    mpsc::Sender<Appeared>,
    mpsc::UnboundedReceiver<ModelTruth>,
) {
    let address = config(port).upstream;
    let dial = ask::dialler(address.clone(), None);
    let upstream = Upstream::lazily(&address, dial, DEADLINE).expect("an address");
    let (told, looks) = mpsc::unbounded_channel();
    let (appeared, versions) = mpsc::channel(1);
    let poll = Poll::new(upstream, Volume::default(), every, Told(told));
    (tokio::spawn(poll.run(versions)), appeared, looks)
}

/// Calls of GetModelStatus and of GetModelMetadata in ten minutes in which nothing changes, beyond
/// those of the first look.
async fn calls_in_ten_minutes(metadata_is_refused: bool) -> (u64, u64) {
    // The clock would leap to the next deadline while a reply is on its way through a socket; it
    // never does while such a task runs.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let holding = tokio::task::spawn_blocking(move || held.recv());
    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let counting = Arc::clone(&counts);
    let server = Server::start(move |request, respond| {
        let counting = Arc::clone(&counting);
        async move {
            let path = request.uri().path().to_owned();
            drain(&mut request.into_body()).await;
            let metadata = path.ends_with("/GetModelMetadata");
            counting[usize::from(metadata)].fetch_add(1, Ordering::SeqCst);
            let body = match metadata && metadata_is_refused {
                true => Bytes::from_static(&[0, 0, 0, 0, 1, 0xff]),
                false => answered(&path, &[]),
            };
            answer(respond, body).await;
        }
    })
    .await;
    let (polling, appeared, mut looks) = poll(server.port, EVERY);
    // The look at the start, with nothing to look at yet, must not come after the model.
    tokio::task::yield_now().await;
    appeared.send(("m".to_owned(), 2)).await.expect("it runs");
    let first = looks.recv().await.expect("a look");
    assert_eq!(first.status.expect("an answer").len(), 2);
    let now = || [0, 1].map(|i| counts[i].load(Ordering::SeqCst));
    let before = now();
    for _ in 0..20 {
        tokio::time::advance(EVERY).await;
        looks.recv().await.expect("a look");
    }
    polling.abort();
    drop(release);
    let _ = holding.await;
    let after = now();
    (after[0] - before[0], after[1] - before[1])
}

#[tokio::test(start_paused = true)]
async fn nothing_new_costs_the_status_call_and_no_other() {
    assert_eq!(calls_in_ten_minutes(false).await, (20, 0));
}

#[tokio::test(start_paused = true)]
async fn metadata_that_is_refused_costs_under_a_call_a_minute() {
    let (status, metadata) = calls_in_ten_minutes(true).await;
    assert_eq!(status, 20);
    assert!((1..=2).contains(&metadata), "{metadata}");
}

#[tokio::test]
async fn a_finding_goes_away_when_it_is_mended() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let server = Server::start(move |request, respond| {
        let mended = is_mended.load(Ordering::SeqCst);
        async move {
            let path = request.uri().path().to_owned();
            let got = drain(&mut request.into_body()).await;
            let body = match mended && path.ends_with("/GetModelStatus") {
                true => all_well(),
                false => answered(&path, &got),
            };
            answer(respond, body).await;
        }
    })
    .await;
    let mut config = config(server.port);
    config.truth_interval = Some(Duration::from_millis(10));
    let running = flatline::app::start(config).await.expect("it starts");
    let client = connect(&running).await;
    let found = async |rules: &[&str]| loop {
        // A look comes every ten milliseconds, and each call brings the next report about.
        call(&client, PREDICT, super::captured::request(0, 7)).await;
        let report = running.report().await.expect("a report");
        let now: Vec<_> = report.findings.iter().map(|f| f.rule.as_str()).collect();
        if now == rules {
            break;
        }
    };
    let patience = Duration::from_secs(60);
    let told = tokio::time::timeout(patience, found(&["D3", "D13"])).await;
    told.expect("version 3 failed, and an input is left out");
    mended.store(true, Ordering::SeqCst);
    let gone = tokio::time::timeout(patience, found(&["D3"])).await;
    gone.expect("version 3 is not spoken of any more");
}

#[tokio::test]
async fn metadata_of_a_version_that_was_gone_is_asked_for_anew() {
    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let counting = Arc::clone(&counts);
    let server = Server::start(move |request, respond| {
        let counting = Arc::clone(&counting);
        async move {
            let path = request.uri().path().to_owned();
            drain(&mut request.into_body()).await;
            let metadata = path.ends_with("/GetModelMetadata");
            let asked = counting[usize::from(metadata)].fetch_add(1, Ordering::SeqCst);
            let body = match (metadata, asked) {
                (true, _) => answered(&path, &[]),
                // AVAILABLE, and END for one look.
                (false, 1) => status_of(50),
                (false, _) => status_of(30),
            };
            answer(respond, body).await;
        }
    })
    .await;
    let (polling, appeared, mut looks) = poll(server.port, Duration::from_millis(10));
    appeared.send(("m".to_owned(), 2)).await.expect("it runs");
    let mut known = Vec::new();
    for _ in 0..3 {
        let truth = looks.recv().await.expect("a look");
        known.push(truth.signatures.contains_key(&2));
    }
    polling.abort();
    assert_eq!(known, [true, false, true]);
    assert_eq!(counts[1].load(Ordering::SeqCst), 2);
}

/// Version 2 alone.
fn all_well() -> Bytes {
    status_of(30)
}

fn status_of(state: i32) -> Bytes {
    framed(&GetModelStatusResponse {
        model_version_status: vec![ModelVersionStatus {
            version: 2,
            state,
            status: Some(StatusProto::default()),
        }],
    })
}

/// What the server says of its own words is read where calls are refused, live and from a capture.
#[tokio::test]
async fn a_refusal_that_names_its_cause_is_a_finding_live_and_offline() {
    let server = Server::start(|request, mut respond| async move {
        let path = request.uri().path().to_owned();
        drain(&mut request.into_body()).await;
        if !path.ends_with("/Predict") {
            return answer(respond, answered(&path, &[])).await;
        }
        let mut head = http::Response::new(());
        let said = "Attempting to use uninitialized value dense/kernel%0A%5B%5Bnode %C3%A9%5D%5D";
        for (name, value) in [("grpc-status", "9"), ("grpc-message", said)] {
            head.headers_mut()
                .insert(name, value.parse().expect("a value"));
        }
        let _ = respond.send_response(head, true);
    })
    .await;
    let dir = tempfile::tempdir().expect("a folder");
    let running = capturing(server.port, dir.path()).await;
    let client = connect(&running).await;
    for n in 0..5 {
        let (head, ..) = call(&client, PREDICT, request(0, n)).await;
        assert_eq!(head.headers()["grpc-status"], "9");
    }
    let live = running.report().await.expect("a report");
    assert_eq!(live.observed.skipped, [("not_ok".to_owned(), 5)].into());
    let rules: Vec<_> = live.findings.iter().map(|f| f.rule.as_str()).collect();
    assert_eq!(rules, ["D12"]);
    let said = &live.findings[0].evidence[0];
    assert!(said.contains("dense/kernel\n[[node é]]"), "{said}");
    let mut offline = Analyzer::new(Options::default(), [9; 32]);
    let file = std::fs::read_dir(dir.path()).expect("the folder").next();
    let file = File::open(file.expect("a file").expect("a file").path());
    let mut last = 0;
    for record in Records::new(file.expect("a file")) {
        let record = record.expect("an undamaged record");
        if let Some(Recorded::Exchange(exchange)) = recorded(&record, 0, &mut Truths::default()) {
            last = exchange.start_unix_nanos;
            offline.observe(&exchange);
        }
    }
    assert_eq!(offline.findings(last), live.findings);
}
