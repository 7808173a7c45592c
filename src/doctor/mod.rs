//! `flatline doctor`: asks a running server what it knows of a model, and with a probe whether
//! its outputs follow its inputs. Works before Flatline is deployed at all.

mod accounts;
mod probe;
mod recorded;
mod text;

pub use accounts::Account;
pub use probe::{Probe, ProbedOutput};
pub use recorded::recorded;
pub use text::text;

use crate::config::{Address, UpstreamTls};
use crate::diagnose::Reach;
use crate::diagnose::facts::{Asked, ModelTruth, Signature};
use crate::diagnose::findings::{Answered, Replies, merge, of_model};
use crate::error::Error;
use crate::proto::tensorflow::serving::PredictRequest;
use crate::report::{Category, Finding};
use crate::tls;
use crate::truth::ask::Server;
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
/// When the server is not there or is no model server, or what is mounted cannot be read.
pub async fn examine(questions: &Questions) -> Result<Examination, Error> {
    let mut truth = ModelTruth::default();
    read(questions, &mut truth)?;
    let server = connect(questions).await?;
    let status = server.status(&questions.model).await;
    let signatures = server.signatures(&questions.model, None).await;
    available(questions, status.as_ref().err(), signatures.as_ref().err())?;
    let mut found = Vec::new();
    if let Err(refused) = &status
        && refused.code() == Code::NotFound
    {
        found.push(unknown_model(questions, refused));
    }
    let why = |status: &Status| status.message().to_owned();
    truth.status = status.as_ref().ok().cloned();
    truth.status_nanos = now();
    let version = signatures.as_ref().ok().map(|s| s.version);
    let promised = signatures.as_ref().ok().map(|s| s.promised());
    let mut probe = None;
    if let (true, Some(promised)) = (questions.probe, &promised) {
        let seen = probe::run(&server, questions, promised).await;
        found.extend(seen.findings(questions));
        probe = Some(seen);
    }
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
    let reach = Reach {
        upstream: questions.upstream.to_string(),
        options: Vec::new(),
    };
    found.extend(of_model(&questions.model, &reach, &truth, &answered));
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

/// A server that is away, or that answers neither question, is none to examine.
fn available(
    questions: &Questions,
    status: Option<&Status>,
    signatures: Option<&Status>,
) -> Result<(), Error> {
    let away = |answer: &&Status| {
        matches!(
            answer.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled
        )
    };
    let both = status.zip(signatures);
    let no_server =
        both.filter(|(a, b)| a.code() == Code::Unimplemented && b.code() == Code::Unimplemented);
    let reason = match (status.into_iter().chain(signatures).find(away), no_server) {
        (Some(answer), _) => answer.message().to_owned(),
        (None, Some(_)) => {
            "it is no TensorFlow Serving: it knows neither GetModelStatus nor GetModelMetadata"
                .to_owned()
        }
        (None, None) => return Ok(()),
    };
    Err(Error::Unavailable(format!(
        "upstream {}: {reason}",
        questions.upstream
    )))
}

fn unknown_model(questions: &Questions, refused: &Status) -> Finding {
    Finding {
        rule: "D14".to_owned(),
        model: questions.model.clone(),
        version: None,
        category: Category::Loading,
        certain: true,
        evidence: vec![
            format!("the server does not know this model: {}", refused.message()),
            "its name, its base path or the folder below is another".to_owned(),
        ],
        confirm: "compare --model with model_name or models.config of the server".to_owned(),
    }
}

fn replies() -> Replies {
    Replies {
        first_nanos: now(),
        last_nanos: now(),
        asked: Asked::default(),
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
}
