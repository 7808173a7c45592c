//! The truths about the models, asked for while the proxy runs: on start, when a version first
//! answers, and every so often. On a connection of our own, with a deadline, never in a call's way.
//! What cannot be had stays unknown, and that is said once.

use super::ask::Server;
use super::volume::{Volume, entry};
use crate::diagnose::facts::{ConfigEntry, Disk, ModelTruth};
use crate::models_config::ModelsConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::Code;

/// Models that are asked about; names come from the wire.
const MODELS: usize = 64;
/// Versions of a model whose signatures are kept.
const VERSIONS: usize = 4;
/// Metadata that could not be had is asked for again after this long, or with a new version.
const AGAIN: Duration = Duration::from_secs(300);
/// How long an answer may take.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// How long the volume may take; a file system that hangs keeps one thread, not the others.
const VOLUME: Duration = Duration::from_secs(20);

/// A model whose version answered for the first time.
pub type Appeared = (String, i64);

/// What is learned goes here.
pub trait Learn: Send + Sync {
    /// Takes what is known of a model now.
    fn learn(&self, model: &str, truth: ModelTruth);
}

/// Asks and tells until dropped.
pub struct Poll<L> {
    server: Server,
    volume: Volume,
    every: Duration,
    sink: L,
    models: BTreeMap<String, Known>,
    config: Option<ModelsConfig>,
    connections: u64,
    /// What was said to be unknown, so that it is said once.
    said: BTreeSet<String>,
    reading: bool,
}

/// What is known of one model.
#[derive(Default)]
struct Known {
    truth: ModelTruth,
    /// When each version was first seen serving.
    since: BTreeMap<i64, SystemTime>,
    /// Versions whose metadata could not be had, and when that was.
    refused: BTreeMap<i64, Instant>,
    /// Whether the server was ever asked, so that what it serves by then is not news.
    asked: bool,
}

impl<L: Learn> Poll<L> {
    /// Nothing is asked before [`Poll::run`].
    pub fn new(server: Server, volume: Volume, every: Duration, sink: L) -> Self {
        Poll {
            server,
            volume,
            every,
            sink,
            models: BTreeMap::new(),
            config: None,
            connections: 0,
            said: BTreeSet::new(),
            reading: false,
        }
    }

    /// Runs until `appeared` is closed.
    pub async fn run(mut self, mut appeared: Receiver<Appeared>) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.all().await,
                next = appeared.recv() => {
                    let Some((model, version)) = next else { return };
                    self.appeared(model, version).await;
                }
            }
        }
    }

    async fn all(&mut self) {
        self.reread().await;
        let listed = self.config.iter().flat_map(|config| &config.models);
        let mut names: BTreeSet<String> = listed.map(|model| model.name.clone()).collect();
        names.extend(self.models.keys().cloned());
        for name in names {
            if self.models.len() < MODELS || self.models.contains_key(&name) {
                self.models.entry(name.clone()).or_default();
                self.look(&name).await;
            }
        }
    }

    async fn appeared(&mut self, model: String, version: i64) {
        if self.models.len() >= MODELS && !self.models.contains_key(&model) {
            return self.say(&model, "there are too many models to ask about all of them");
        }
        let known = self.models.entry(model.clone()).or_default();
        known.since.entry(version).or_insert_with(SystemTime::now);
        self.look(&model).await;
    }

    /// Asks about one model and tells what is known.
    async fn look(&mut self, model: &str) {
        self.status(model).await;
        self.signatures(model).await;
        let config = self.config.as_ref().and_then(|c| c.model(model)).map(entry);
        let disk = self.disk(model, config.clone()).await;
        let Some(known) = self.models.get_mut(model) else {
            return;
        };
        known.truth.config = config;
        known.truth.disk = disk;
        self.sink.learn(model, known.truth.clone());
    }

    async fn status(&mut self, model: &str) {
        let answer = self.server.status(model).await;
        let connections = self.server.connections();
        let before = std::mem::replace(&mut self.connections, connections);
        if before > 0 && before < connections {
            // The server may have been restarted, and have loaded what lies on disk now.
            for known in self.models.values_mut() {
                known.since.clear();
                known.truth.signatures.clear();
                known.refused.clear();
            }
        }
        match answer {
            Ok(versions) => {
                self.forget(model, "GetModelStatus");
                let now = SystemTime::now();
                let Some(known) = self.models.get_mut(model) else {
                    return;
                };
                let nanos = nanos(now);
                let before = known.truth.status.take().unwrap_or_default();
                for version in versions.iter().filter(|v| v.is_available()) {
                    known.since.entry(version.version).or_insert(now);
                    let was = before
                        .iter()
                        .any(|v| v.version == version.version && v.is_available());
                    if known.asked && !was {
                        known.truth.loaded.push((version.version, nanos));
                    }
                }
                // What comes again under its number may be another model.
                let gone = |version: &i64| {
                    let mut now = versions.iter();
                    !now.any(|v| v.version == *version && v.is_available())
                };
                known.truth.signatures.retain(|version, _| !gone(version));
                known.since.retain(|version, _| {
                    versions
                        .iter()
                        .all(|v| v.version != *version || v.is_available())
                });
                known
                    .truth
                    .loaded
                    .retain(|(_, at)| nanos - at < 3_600_000_000_000);
                known.asked = true;
                known.truth.status = Some(versions);
                known.truth.status_nanos = nanos;
            }
            Err(status) => {
                if let Some(known) = self.models.get_mut(model) {
                    known.truth.status = None;
                    if status.code() == Code::NotFound {
                        known.truth.signatures.clear();
                        known.since.clear();
                    }
                    if answers(&status) {
                        known.truth.status_nanos = nanos(SystemTime::now());
                    }
                }
                self.refused(model, "GetModelStatus", &status);
            }
        }
    }

    /// Asks for the signatures of versions that are new, and of no others.
    async fn signatures(&mut self, model: &str) {
        let Some(known) = self.models.get(model) else {
            return;
        };
        let available = known.truth.status.iter().flatten();
        let available = available.filter(|v| v.is_available()).map(|v| v.version);
        let mut wanted: Vec<i64> = available.chain(known.since.keys().copied()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let keep: Vec<i64> = wanted.into_iter().rev().take(VERSIONS).collect();
        let fresh = |at: &Instant| at.elapsed() < AGAIN;
        let missing: Vec<i64> = keep
            .iter()
            .filter(|v| !known.truth.signatures.contains_key(v))
            .filter(|v| !known.refused.get(v).is_some_and(fresh))
            .copied()
            .collect();
        for version in missing {
            let answer = self.server.signatures(model, Some(version)).await;
            let Some(known) = self.models.get_mut(model) else {
                return;
            };
            match answer {
                Ok(signatures) => {
                    known
                        .truth
                        .signatures
                        .insert(version, signatures.promised());
                    known.refused.remove(&version);
                    self.forget(model, "GetModelMetadata");
                }
                Err(status) => {
                    known.refused.insert(version, Instant::now());
                    self.refused(model, "GetModelMetadata", &status);
                }
            }
        }
        if let Some(known) = self.models.get_mut(model) {
            known
                .truth
                .signatures
                .retain(|version, _| keep.contains(version));
            known.refused.retain(|version, _| keep.contains(version));
        }
    }

    async fn disk(&mut self, model: &str, config: Option<ConfigEntry>) -> Option<Disk> {
        let since = self.models.get(model)?.since.clone();
        let (volume, name) = (self.volume.clone(), model.to_owned());
        let alone = self.models.len() == 1;
        let read = self.blocking(move || {
            volume.disk(&name, config.as_ref(), alone, |version| {
                since.get(&version).copied()
            })
        });
        match read.await? {
            None => None,
            Some(Ok(disk)) => {
                self.forget(model, "model-dir");
                Some(disk)
            }
            Some(Err(reason)) => {
                self.say_as(
                    model,
                    "model-dir",
                    &format!("the model volume is unknown: {reason}"),
                );
                None
            }
        }
    }

    async fn reread(&mut self) {
        let volume = self.volume.clone();
        let Some(Some(read)) = self.blocking(move || volume.config()).await else {
            return;
        };
        match read {
            Ok(config) => {
                self.forget("", "models-config");
                self.config = Some(config);
            }
            Err(reason) => {
                self.config = None;
                self.say_as(
                    "",
                    "models-config",
                    &format!("models.config is unknown: {reason}"),
                );
            }
        }
    }

    /// Runs `read` apart from the runtime's workers; `None` if it takes too long, and until it is
    /// done after all nothing else is read.
    async fn blocking<T: Send + 'static>(
        &mut self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if self.reading {
            return None;
        }
        let task = tokio::task::spawn_blocking(read);
        match tokio::time::timeout(VOLUME, task).await {
            Ok(done) => done.ok(),
            Err(_) => {
                self.reading = true;
                self.say_as(
                    "",
                    "hangs",
                    "the model volume does not answer and is not read any more",
                );
                None
            }
        }
    }

    fn refused(&mut self, model: &str, what: &str, status: &tonic::Status) {
        let reason = match status.code() {
            Code::Unimplemented => "the server does not offer it".to_owned(),
            Code::DeadlineExceeded | Code::Cancelled => "no answer in time".to_owned(),
            code => format!(
                "{code:?}: {}",
                status.message().chars().take(200).collect::<String>()
            ),
        };
        self.say_as(model, what, &format!("{what} is unknown: {reason}"));
    }

    fn say(&mut self, model: &str, words: &str) {
        self.say_as(model, words, words);
    }

    /// Says it unless it was said before and has not been well since.
    fn say_as(&mut self, model: &str, what: &str, words: &str) {
        if self.said.len() < 4 * MODELS && self.said.insert(format!("{model}\n{what}")) {
            tracing::warn!(model, "{words}");
        }
    }

    fn forget(&mut self, model: &str, what: &str) {
        if self.said.remove(&format!("{model}\n{what}")) {
            tracing::info!(model, "{what} is known again");
        }
    }
}

/// Whether the server itself refused: then it is there, and what its connection was asked before holds.
fn answers(status: &tonic::Status) -> bool {
    !matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
    )
}

fn nanos(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
