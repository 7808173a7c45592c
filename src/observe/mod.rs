//! Between the tap and the core, and the only file that knows both: a bounded queue to one
//! thread that runs the analyzer. Nothing here makes a call wait.

mod keep;
mod nap;
mod payload;
mod thin;
mod waiting;

pub use self::keep::Keep;
use self::nap::next;
use self::payload::exchange;
use self::thin::Thinning;
pub use self::waiting::Bounds;
use self::waiting::Waiting;
use crate::analyzer::{Analyzer, Chosen, Options, SeriesKey, Traffic};
use crate::diagnose::Reach;
use crate::diagnose::{accounts::Accounts, facts::ModelTruth};
use crate::fingerprint::{Key, ticket};
use crate::proto::flatline::v1::Exchange;
use crate::report::Report;
use crate::skip::Skip;
use crate::state::StateDir;
use crate::tap::{Record, Sink};
use crate::telemetry::{Observing, Told, verdict_changed};
use crate::truth::poll::{Appeared, Learn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// How long a scrape waits for the analyzer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The observing side of a running proxy; cheap to clone.
#[derive(Clone)]
pub struct Observer {
    queue: SyncSender<Message>,
    metrics: Arc<Observing>,
    /// What was last scraped, for when the analyzer is behind.
    last: Arc<Mutex<Option<Arc<Snapshot>>>>,
    waiting: Arc<Waiting>,
    thread: Thread,
}

/// Report and counts of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// What there is to say.
    pub report: Report,
    /// What was counted, in the order of the report's series.
    pub traffic: Traffic,
}

enum Message {
    Call(Box<Record>),
    Report(oneshot::Sender<Report>),
    Scrape(oneshot::Sender<Arc<Snapshot>>),
    Accounts(oneshot::Sender<Vec<Accounts>>),
    Reset(Chosen, oneshot::Sender<Vec<SeriesKey>>),
    Learn(String, Box<ModelTruth>),
    Announce(tokio::sync::mpsc::Sender<Appeared>),
    Flush(oneshot::Sender<()>),
}

impl Observer {
    /// Starts the analyzer's thread. It ends when the last observer is gone.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        options: Options,
        key: [u8; 32],
        bounds: Bounds,
        keep: Option<Box<dyn Keep>>,
        server: Reach,
        state: Option<StateDir>,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(bounds.queue);
        let metrics = Arc::new(Observing::new());
        let waiting = Arc::new(Waiting::default());
        let (ignore, ticket_key) = (options.ignore_inputs.clone(), Key::new(key));
        let mut analyzer = Analyzer::new(options, key);
        analyzer.answered_by(server.clone());
        for (series, saved) in state.iter().flat_map(StateDir::load) {
            analyzer.restore(series, saved);
        }
        let worker = Worker {
            appeared: None,
            told: Told::default(),
            bounds,
            waiting: Arc::clone(&waiting),
            thinning: Thinning::default(),
            started: Instant::now(),
            ignore,
            key: ticket_key,
            analyzer,
            state,
            metrics: Arc::clone(&metrics),
            keep,
            server,
            scraped: None,
        };
        let running = thread::Builder::new()
            .name("analyzer".to_owned())
            .spawn(move || worker.run(&receiver))?;
        Ok(Observer {
            queue: sender,
            metrics,
            last: Arc::default(),
            waiting,
            thread: running.thread().clone(),
        })
    }

    /// Tells `to` of every version that answers for the first time from now on.
    pub fn announce(&self, to: tokio::sync::mpsc::Sender<Appeared>) {
        let _ = self.queue.try_send(Message::Announce(to));
    }

    /// The report as of now, behind all calls that are queued; `None` once the thread has ended
    /// or while the queue is full.
    pub async fn report(&self) -> Option<Report> {
        let (answer, report) = oneshot::channel();
        self.queue.try_send(Message::Report(answer)).ok()?;
        report.await.ok()
    }

    /// The report and the counts of every series; those of the last time while the analyzer is
    /// behind, so that no series vanishes from the metrics just when there is much to do. `None`
    /// if there was no last time.
    pub async fn scrape(&self) -> Option<Arc<Snapshot>> {
        let (answer, found) = oneshot::channel();
        let asked = self.queue.try_send(Message::Scrape(answer));
        let fresh = match asked {
            Ok(()) => tokio::time::timeout(PATIENCE, found).await.ok(),
            Err(_) => None,
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Ok(fresh)) = fresh {
            *last = Some(fresh);
        }
        last.clone()
    }

    /// What is said of each model's version; `None` as for a report.
    pub async fn accounts(&self) -> Option<Vec<Accounts>> {
        let (answer, accounts) = oneshot::channel();
        self.queue.try_send(Message::Accounts(answer)).ok()?;
        accounts.await.ok()
    }

    /// Forgets all that was learned of the chosen series, and says which they were; `None` once
    /// the thread has ended or while the queue is full.
    pub async fn reset(&self, chosen: Chosen) -> Option<Vec<SeriesKey>> {
        let (answer, found) = oneshot::channel();
        self.queue.try_send(Message::Reset(chosen, answer)).ok()?;
        found.await.ok()
    }

    /// Returns when all calls that are queued were observed and every baseline is on disk.
    pub async fn flush(&self) {
        let (answer, done) = oneshot::channel();
        if self.queue.try_send(Message::Flush(answer)).is_ok() {
            let _ = done.await;
        }
    }
}

impl Learn for Observer {
    fn learn(&self, model: &str, truth: ModelTruth) {
        // While the queue is full the truth of a moment ago has to do.
        let _ = self
            .queue
            .try_send(Message::Learn(model.to_owned(), Box::new(truth)));
    }
}

impl Sink for Observer {
    fn record(&self, record: Record) {
        let size = record.bytes();
        // Before it is sent, so that the analyzer never takes away what was not added yet.
        let enough = self.waiting.add(size);
        match self.queue.try_send(Message::Call(Box::new(record))) {
            Ok(()) => {
                self.metrics.queue.increment(1.0);
                if enough {
                    self.thread.unpark();
                }
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.waiting.took(size);
                self.metrics.skip(Skip::QueueFull);
            }
        }
    }
}

struct Worker {
    analyzer: Analyzer,
    metrics: Arc<Observing>,
    keep: Option<Box<dyn Keep>>,
    bounds: Bounds,
    waiting: Arc<Waiting>,
    thinning: Thinning,
    started: Instant,
    /// Inputs that do not count, and the key: what the thinning goes by.
    ignore: Vec<String>,
    key: Key,
    server: Reach,
    state: Option<StateDir>,
    /// Versions that answered for the first time are told here.
    appeared: Option<tokio::sync::mpsc::Sender<Appeared>>,
    told: Told,
    scraped: Option<Scraped>,
}

/// A snapshot that was made.
struct Scraped {
    at: Instant,
    cost: Duration,
    snapshot: Arc<Snapshot>,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Message>) {
        while let Some(next) = next(queue) {
            let size = match &next {
                Message::Call(record) => Some(record.bytes()),
                _ => None,
            };
            // A panic costs the series its memory, and nobody a call. An answer that was to be
            // given is dropped, which whoever waits for it sees.
            if catch_unwind(AssertUnwindSafe(|| self.take(next))).is_err() {
                self.metrics.panics.increment(1);
                if size.is_some() {
                    self.skip(Skip::Panic);
                    self.analyzer.forget_last();
                }
            }
            if let Some(size) = size {
                self.waiting.took(size);
            }
        }
    }

    fn take(&mut self, next: Message) {
        match next {
            Message::Call(record) => {
                self.metrics.queue.decrement(1.0);
                let filled = self.waiting.filled(&self.bounds);
                self.thinning.feel(self.started.elapsed(), filled);
                self.metrics.rate.set(self.thinning.rate());
                self.observe(*record);
                self.metrics.series.set(self.analyzer.series_count() as f64);
            }
            Message::Report(answer) => {
                let _ = answer.send(self.report(now_nanos()));
            }
            Message::Scrape(answer) => {
                let _ = answer.send(self.snapshot());
            }
            Message::Accounts(answer) => {
                let _ = answer.send(self.analyzer.accounts());
            }
            Message::Announce(to) => self.appeared = Some(to),
            Message::Learn(model, truth) => {
                self.kept(|keep| keep.learned(&model, &truth));
                // Findings cost as much as there are series, and models are asked about one by one.
                let news = self.analyzer.learn(&model, *truth);
                self.told.tell(|| self.analyzer.findings(now_nanos()), news);
            }
            Message::Reset(chosen, answer) => {
                let _ = answer.send(self.reset(&chosen));
            }
            Message::Flush(answer) => {
                let keys: Vec<SeriesKey> = self.analyzer.keys().cloned().collect();
                self.save(&keys);
                let _ = answer.send(());
            }
        }
    }

    fn report(&self, now_nanos: i64) -> Report {
        let mut report = self.analyzer.report(now_nanos);
        report.observed.rate = self.thinning.rate();
        report
    }

    fn observe(&mut self, record: Record) {
        let exchange = match exchange(record, self.bounds.message) {
            Ok(exchange) => Exchange {
                upstream: self.server.upstream.clone(),
                doctor_options: self.server.options.clone(),
                ..exchange
            },
            Err(reason) => return self.skip(reason),
        };
        let ticket = || ticket::draw(&exchange.request, &self.ignore, &self.key);
        if !self.thinning.reads(ticket) {
            return self.skip(Skip::Thinned);
        }
        self.kept(|keep| keep.keep(&exchange));
        let outcome = self.analyzer.observe(&exchange);
        let findings = || self.analyzer.findings(now_nanos());
        self.told.tell(findings, false);
        if let Some(reason) = outcome.skipped {
            if matches!(reason, Skip::Probe | Skip::WarmUp) {
                self.metrics.calls.increment(1);
            }
            return self.metrics.skip(reason);
        }
        self.metrics.calls.increment(1);
        self.metrics.rows.increment(outcome.rows);
        self.metrics.non_finite.increment(outcome.non_finite_rows);
        self.metrics.evicted.increment(outcome.evicted);
        for transition in &outcome.transitions {
            let key = SeriesKey {
                model: transition.model.clone(),
                version: transition.version,
                signature: transition.signature.clone(),
                output: transition.output.clone(),
            };
            verdict_changed(transition, self.analyzer.category(&key));
        }
        self.save(&outcome.learned);
        for appeared in outcome.appeared {
            // Full: more models than are asked about.
            let _ = self.appeared.as_ref().map(|to| to.try_send(appeared));
        }
    }

    /// A snapshot of now, or of a moment ago: however many scrape, a fifth of the time is spent on
    /// them at most.
    fn snapshot(&mut self) -> Arc<Snapshot> {
        if let Some(scraped) = &self.scraped
            && scraped.at.elapsed() < 4 * scraped.cost
        {
            return Arc::clone(&scraped.snapshot);
        }
        let (began, now) = (Instant::now(), now_nanos());
        // Before the report, so that both have the same series.
        let traffic = self.analyzer.traffic(now);
        let report = self.report(now);
        let snapshot = Arc::new(Snapshot { report, traffic });
        self.scraped = Some(Scraped {
            at: Instant::now(),
            cost: began.elapsed(),
            snapshot: Arc::clone(&snapshot),
        });
        snapshot
    }

    fn reset(&mut self, chosen: &Chosen) -> Vec<SeriesKey> {
        let found = self.analyzer.reset(chosen);
        for key in &found {
            tracing::info!(
                model = key.model,
                version = key.version,
                output = key.output,
                "a series was reset"
            );
            if let Some(Err(error)) = self.state.as_ref().map(|state| state.forget(key)) {
                tracing::warn!(%error, "state: a baseline could not be removed");
            }
        }
        found
    }

    /// Writes the baselines of those that have one.
    fn save(&self, keys: &[SeriesKey]) {
        let Some(state) = &self.state else { return };
        for key in keys {
            let Some(saved) = self.analyzer.save(key) else {
                continue;
            };
            if let Err(error) = state.save(key, &saved) {
                tracing::warn!(model = key.model, %error, "state: a baseline could not be saved");
                self.metrics.state_failures.increment(1);
            }
        }
    }

    fn skip(&mut self, reason: Skip) {
        self.metrics.skip(reason);
        self.analyzer.skip(reason);
    }
}

fn now_nanos() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}
