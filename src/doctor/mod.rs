//! `flatline doctor`: asks a running server what it knows of a model, and with a probe whether
//! its outputs follow its inputs. Works before Flatline is deployed at all.

mod accounts;
mod bound;
mod inputs;
mod judged;
mod probe;
mod recorded;
mod refused;
mod text;

pub use accounts::Account;
pub use probe::{Probe, ProbedOutput};
pub use recorded::recorded;
pub use text::text;

use self::bound::Bound;
use self::refused::{all_are_inputs, available, no_signature, no_version, unknown_model};
use crate::config::{Address, UpstreamTls};
use crate::diagnose::Reach;
use crate::diagnose::facts::{Asked, ModelTruth, Signature};
use crate::diagnose::findings::{Answered, Replies, merge, of_model};
use crate::error::Error;
use crate::proto::tensorflow::serving::PredictRequest;
use crate::proto::tensorflow::serving::model_spec::VersionChoice;
use crate::report::Finding;
use crate::tls;
use crate::truth::ask::{self, Server};
use crate::truth::volume::{Volume, entry};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::{Code, Status};

/// How long each question may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// What to look at.
#[derive(Debug, Clone)]
pub struct Questions {
    /// Where the server listens.
    pub upstream: Address,
    /// How it is spoken to, if by TLS.
    pub tls: Option<UpstreamTls>,
    /// The model's name.
    pub model: String,
    /// What is mounted.
    pub volume: Volume,
    /// Send a few calls.
    pub probe: bool,
    /// One of them, as a client sent it.
    pub recorded: Option<PredictRequest>,
    /// The version that is asked, by its number; the newest without.
    pub version: Option<i64>,
    /// The only signature that the probe calls.
    pub signature: Option<String>,
    /// What inputs of these names are in all calls of the probe.
    pub set: BTreeMap<String, String>,
    /// How long the whole may take.
    pub timeout: Duration,
}

impl Questions {
    /// About the newest version of a model, without a probe, for half a minute at the most.
    #[must_use]
    pub fn about(upstream: Address, model: &str) -> Self {
        Questions {
            upstream,
            tls: None,
            model: model.to_owned(),
            volume: Volume::default(),
            probe: false,
            recorded: None,
            version: None,
            signature: None,
            set: BTreeMap::new(),
            timeout: Duration::from_secs(30),
        }
    }

    /// How the same server is asked again.
    fn reach(&self) -> Reach {
        ask::reach(&self.upstream, self.tls.as_ref(), &self.volume)
    }
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Examination {
    /// Version of this shape: 1.
    pub schema: u32,
    /// Where the server listens.
    pub upstream: String,
    /// The model's name.
    pub model: String,
    /// What each of the five has to say about the version.
    pub accounts: Vec<Account>,
    /// The version whose signatures these are.
    pub version: Option<i64>,
    /// By name, as the server describes them.
    #[serde(serialize_with = "accounts::signatures")]
    pub signatures: BTreeMap<String, Signature>,
    /// What the probe saw, if there was one.
    pub probe: Option<Probe>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Asks, and writes down what the answers say.
///
/// # Errors
/// When the server is not there or is no model server, has not what is asked for, or what is mounted
/// cannot be read.
pub async fn examine(questions: &Questions) -> Result<Examination, Error> {
    let mut truth = ModelTruth::default();
    read(questions, &mut truth)?;
    let bound = Bound::starting(questions.timeout);
    let late = |late| Error::Unavailable(format!("upstream {}: {late}", questions.upstream));
    let server = bound.wait(connect(questions)).await.map_err(late)??;
    let both = async {
        tokio::join!(
            server.status(&questions.model),
            server.signatures(&questions.model, questions.version)
        )
    };
    let (status, signatures) = bound.wait(both).await.map_err(late)?;
    available(questions, status.as_ref().err(), signatures.as_ref().err())?;
    let mut found = Vec::new();
    if let Err(refused) = &status
        && refused.code() == Code::NotFound
    {
        found.push(unknown_model(questions, refused));
    }
    if let (Some(version), Ok(all), Err(refused)) = (questions.version, &status, &signatures)
        && refused.code() == Code::NotFound
    {
        return Err(no_version(questions, version, all));
    }
    if let (Some(name), Ok(found)) = (&questions.signature, &signatures)
        && !found.by_name.contains_key(name)
    {
        return Err(no_signature(name, found.version, found.by_name.keys()));
    }
    if let Ok(found) = &signatures {
        all_are_inputs(questions, &found.promised())?;
    }
    let why = |status: &Status| status.message().to_owned();
    truth.status = status.as_ref().ok().cloned();
    truth.status_nanos = now();
    let version = signatures.as_ref().ok().map(|s| s.version);
    let promised = signatures.as_ref().ok().map(|s| s.promised());
    let probe = match &signatures {
        _ if !questions.probe => None,
        Ok(known) => Some(probe::run(&server, questions, &known.promised(), bound).await),
        Err(refused) => Some(Probe::none(format!(
            "the signatures are not known: {}",
            refused.message()
        ))),
    };
    found.extend(probe.iter().flat_map(|probe| probe.findings(questions)));
    let accounts = accounts::all(
        questions,
        status.as_ref().err().map(why),
        signatures.as_ref().map(|s| s.version).map_err(why),
        probe.as_ref(),
        &truth,
    );
    let mut answered = Answered::default();
    if let Some(version) = version {
        answered.versions.insert(version, replies());
    }
    found.extend(of_model(
        &questions.model,
        &questions.reach(),
        &truth,
        &answered,
    ));
    Ok(Examination {
        schema: 1,
        upstream: questions.upstream.to_string(),
        model: questions.model.clone(),
        accounts,
        version,
        signatures: promised.unwrap_or_default(),
        probe,
        findings: merge(found),
    })
}

/// Reads what is mounted: wrong files are the user's, and are said before anybody is asked.
fn read(questions: &Questions, truth: &mut ModelTruth) -> Result<(), Error> {
    let volume = &questions.volume;
    if let Some(config) = volume.config() {
        let config = config.map_err(|why| Error::Config(format!("models-config: {why}")))?;
        truth.config = config.model(&questions.model).map(entry);
    }
    let disk = volume.disk(&questions.model, truth.config.as_ref(), true, |_| None);
    truth.disk = disk.transpose().map_err(|why| {
        Error::Config(format!(
            "model-dir: {why} (example: --model-dir /models/digits)"
        ))
    })?;
    Ok(())
}

async fn connect(questions: &Questions) -> Result<Server, Error> {
    let opened = questions.tls.as_ref().map(tls::Client::open).transpose();
    let opened = opened.map_err(|refused| Error::Config(format!("upstream-tls: {refused}")))?;
    let client = opened.map(|(client, _)| client);
    let server = Server::connect(&questions.upstream, client, DEADLINE).await;
    server.map_err(|error| {
        let reason = std::error::Error::source(&error)
            .map_or_else(|| error.to_string(), ToString::to_string);
        Error::Unavailable(format!("upstream {}: {reason}", questions.upstream))
    })
}

/// The version that calls of our own ask for.
fn asked_version(questions: &Questions) -> Option<VersionChoice> {
    questions.version.map(VersionChoice::Version)
}

fn replies() -> Replies {
    Replies {
        steady_nanos: now(),
        last_nanos: now(),
        asked: Asked::default(),
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
}
