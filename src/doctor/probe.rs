//! A few calls with inputs of our own, and one as a client sent it: do the outputs follow, do they
//! follow the batch, and do they repeat?

use super::bound::Bound;
use super::inputs::{request, takes_batches};
use super::{Questions, asked_version};
use crate::codec::dtype::{Class, DType};
use crate::codec::predict::DEFAULT_SIGNATURE;
use crate::detect::{is_bound, rows::Numbers};
use crate::diagnose::facts::Signature;
use crate::diagnose::findings::Reason;
use crate::proto::tensorflow::serving::model_spec::VersionChoice;
use crate::proto::tensorflow::serving::{ModelSpec, PredictRequest, PredictResponse};
use crate::proto::tensorflow::{DataType, TensorProto};
use crate::truth::ask::Server;
use prost::Message;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Inputs that are sent to a signature: zeros, ones, and some that vary; then the last once more,
/// and a batch. Ten calls at the most, and a recorded request twice.
pub(super) const INPUTS: usize = 8;
/// Rows of the batch.
const BATCH: i64 = 3;
/// No more signatures are called, so that a server gets 42 calls at the most.
const SIGNATURES: usize = 4;

/// What the calls showed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Probe {
    /// The signatures that were called.
    pub signatures: Vec<String>,
    /// Those that were not.
    pub left_out: Vec<String>,
    /// Calls that were sent.
    pub calls: u32,
    /// The version that answered.
    pub version: Option<i64>,
    /// Why no more calls were sent, if so.
    pub stopped: Option<String>,
    /// Whether the server said that a variable has no value.
    #[serde(skip)]
    pub(super) unset: bool,
    /// Each output.
    pub outputs: Vec<ProbedOutput>,
}

/// What the calls showed of one output.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ProbedOutput {
    /// The signature that it is of.
    pub signature: String,
    /// Its name.
    pub output: String,
    /// Distinct inputs that were answered.
    pub inputs: usize,
    /// Distinct values it took.
    pub distinct: usize,
    /// Whether it is made of real numbers, which hardly repeat by nature.
    pub real: bool,
    /// Whether the same input got the same value; `None` if none was sent twice.
    pub repeats: Option<bool>,
    /// Whether it was asked for with text, of which a vocabulary may know no word.
    pub of_text: bool,
    /// Whether a batch of several rows got as many; `None` where the signature has no batch.
    pub follows_batch: Option<bool>,
    /// Whether the rows of that batch got different outputs.
    pub batch_varies: Option<bool>,
    /// The input that it equals in every call.
    pub echo_of: Option<String>,
    /// Replies with NaN or infinity.
    pub non_finite: usize,
    /// Whether every number of it was near 0 or 1, as where it is cut, thresholded or padded.
    pub bounds: bool,
}

/// A call and its answer.
struct Asked {
    request: PredictRequest,
    reply: PredictResponse,
}

impl Probe {
    /// Not one call could be sent.
    pub(super) fn none(why: String) -> Self {
        Probe {
            stopped: Some(why),
            ..Probe::default()
        }
    }
}

pub(super) async fn run(
    server: &Server,
    questions: &Questions,
    signatures: &BTreeMap<String, Signature>,
    bound: Bound,
) -> Probe {
    let mut calls = Calls {
        server,
        bound,
        probe: Probe::default(),
    };
    let recorded = questions.recorded.as_ref();
    let recorded_for = recorded.map(|request| match &request.model_spec {
        Some(spec) if !spec.signature_name.is_empty() => spec.signature_name.as_str(),
        _ => DEFAULT_SIGNATURE,
    });
    let chosen = chosen(questions, signatures);
    for (name, signature) in signatures {
        if !chosen.contains(&name.as_str()) || bound.is_over() {
            calls.probe.left_out.push(name.clone());
            continue;
        }
        let again = recorded.filter(|_| recorded_for == Some(name));
        calls
            .signature(questions, name, Some(signature), again)
            .await;
    }
    if let Some(name) = recorded_for.filter(|name| !chosen.contains(name)) {
        calls.probe.left_out.retain(|left_out| left_out != name);
        calls.signature(questions, name, None, recorded).await;
    }
    calls.probe
}

/// The signature that is asked for, that of calls that name none, or else the first ones.
fn chosen<'a>(
    questions: &'a Questions,
    signatures: &'a BTreeMap<String, Signature>,
) -> Vec<&'a str> {
    match &questions.signature {
        Some(name) => vec![name],
        None if signatures.contains_key(DEFAULT_SIGNATURE) => vec![DEFAULT_SIGNATURE],
        None => signatures
            .keys()
            .map(String::as_str)
            .take(SIGNATURES)
            .collect(),
    }
}

/// Calls that are sent, and what they showed so far.
struct Calls<'a> {
    server: &'a Server,
    bound: Bound,
    probe: Probe,
}

impl Calls<'_> {
    /// Calls one signature with inputs of our own, if it is known, and with a recorded request.
    async fn signature(
        &mut self,
        questions: &Questions,
        name: &str,
        signature: Option<&Signature>,
        recorded: Option<&PredictRequest>,
    ) {
        self.probe.signatures.push(name.to_owned());
        let to = ModelSpec {
            name: questions.model.clone(),
            signature_name: name.to_owned(),
            version_choice: asked_version(questions),
        };
        let mut asked = Vec::new();
        let mut batch = None;
        if let Some(signature) = signature {
            // The last one twice.
            for number in (0..INPUTS).chain([INPUTS - 1]) {
                match self
                    .send(name, request(&to, signature, number, 1, &questions.set))
                    .await
                {
                    Some(answer) => asked.push(answer),
                    None => break,
                }
            }
            if asked.len() > INPUTS && takes_batches(signature) {
                let request = request(&to, signature, INPUTS - 1, BATCH, &questions.set);
                batch = self.send(name, request).await;
            }
        }
        let mut again = Vec::new();
        for request in recorded.into_iter().flat_map(|request| [request, request]) {
            again.extend(self.send(name, Ok(request.clone())).await);
        }
        let version = asked.iter().chain(&again).find_map(|asked| {
            match asked.reply.model_spec.as_ref()?.version_choice {
                Some(VersionChoice::Version(version)) => Some(version),
                _ => None,
            }
        });
        self.probe.version = self.probe.version.or(version);
        let outputs = judge(name, &asked, batch.as_ref(), &again);
        self.probe.outputs.extend(outputs);
    }

    async fn send(
        &mut self,
        signature: &str,
        request: Result<PredictRequest, String>,
    ) -> Option<Asked> {
        let why = match self.answer(request).await {
            Ok(asked) => return Some(asked),
            Err(why) => format!("signature `{signature}`: {why}"),
        };
        let stopped = &mut self.probe.stopped;
        *stopped = Some(match stopped.take() {
            Some(before) => format!("{before}; {why}"),
            None => why,
        });
        None
    }

    async fn answer(&mut self, request: Result<PredictRequest, String>) -> Result<Asked, String> {
        let request = request?;
        self.probe.calls += 1;
        let number = self.probe.calls;
        let reply = self.bound.wait(self.server.predict(request.clone())).await;
        let reply = reply.map_err(|late| format!("call {number} had {late}"))?;
        let reply = reply.map_err(|status| {
            let reason = Reason::read(status.code() as i32, status.message());
            self.probe.unset |= reason == Some(Reason::Unset);
            format!("the server refused call {number}: {}", status.message())
        })?;
        Ok(Asked { request, reply })
    }
}

fn judge(
    signature: &str,
    asked: &[Asked],
    batch: Option<&Asked>,
    again: &[Asked],
) -> Vec<ProbedOutput> {
    let all = || asked.iter().chain(again);
    let first = &asked[..asked.len().min(INPUTS)];
    let sent = |asked: &Asked| {
        let inputs = asked.request.inputs.iter();
        inputs
            .map(|(name, tensor)| (name.clone(), tensor.encode_to_vec()))
            .collect::<BTreeMap<_, _>>()
    };
    let distinct_inputs = first.iter().map(sent).collect::<BTreeSet<_>>().len();
    let names: BTreeSet<&String> = all().flat_map(|asked| asked.reply.outputs.keys()).collect();
    let bytes = |asked: &Asked, name: &String| {
        // As bytes: NaN differs from itself.
        asked.reply.outputs.get(name).map(Message::encode_to_vec)
    };
    names
        .into_iter()
        .map(|name| {
            let distinct: BTreeSet<_> = first.iter().map(|asked| bytes(asked, name)).collect();
            let same = |a: &Asked, b: &Asked| bytes(a, name) == bytes(b, name);
            let mut pairs = Vec::new();
            if asked.len() > INPUTS {
                pairs.push(same(&asked[INPUTS - 1], &asked[INPUTS]));
            }
            if let [one, two] = again {
                pairs.push(same(one, two));
            }
            let echo = |input: &String| {
                let equal = |asked: &Asked| {
                    asked.request.inputs.get(input) == asked.reply.outputs.get(name)
                };
                first.len() == INPUTS && first.iter().all(equal)
            };
            let inputs = first
                .first()
                .into_iter()
                .flat_map(|a| a.request.inputs.keys());
            ProbedOutput {
                signature: signature.to_owned(),
                output: name.clone(),
                inputs: distinct_inputs,
                distinct: distinct.len(),
                real: all()
                    .filter_map(|asked| asked.reply.outputs.get(name))
                    .filter_map(|tensor| DType::from_number(tensor.dtype))
                    .any(|dtype| dtype.class == Class::Float),
                repeats: (!pairs.is_empty()).then(|| pairs.iter().all(|same| *same)),
                of_text: first.first().is_some_and(|asked| {
                    let mut inputs = asked.request.inputs.values();
                    inputs.any(|input| input.dtype == DataType::DtString as i32)
                }),
                batch_varies: batch.and_then(|batch| {
                    let tensor = batch.reply.outputs.get(name)?;
                    Some(rows_differ(&tensor.tensor_content) || rows_differ(&tensor.float_val))
                }),
                follows_batch: batch.and_then(|batch| {
                    let shape = batch.reply.outputs.get(name)?.tensor_shape.as_ref()?;
                    Some(shape.dim.first().is_some_and(|dim| dim.size == BATCH))
                }),
                echo_of: inputs.into_iter().find(|input| echo(input)).cloned(),
                non_finite: all()
                    .filter_map(|asked| asked.reply.outputs.get(name))
                    .map(|tensor| Numbers::of(&values(tensor)))
                    .filter(|found| matches!(found, Numbers::Broken | Numbers::Infinite))
                    .count(),
                bounds: all()
                    .filter_map(|asked| asked.reply.outputs.get(name))
                    .all(|tensor| {
                        let values = values(tensor);
                        !values.is_empty() && values.iter().all(is_bound)
                    }),
            }
        })
        .collect()
}

/// Whether `values`, of as many rows as the batch, are not the same in each.
fn rows_differ<T: PartialEq>(values: &[T]) -> bool {
    let width = values.len() / BATCH as usize;
    width > 0
        && values
            .chunks_exact(width)
            .any(|row| row != &values[..width])
}

/// Its real numbers, where they are of single or double precision.
fn values(tensor: &TensorProto) -> Vec<f64> {
    let Some(DType { class, size, .. }) = DType::from_number(tensor.dtype) else {
        return Vec::new();
    };
    let mut values = tensor.double_val.clone();
    values.extend(tensor.float_val.iter().map(|v| f64::from(*v)));
    if (class, size) == (Class::Float, 4) {
        let (content, _) = tensor.tensor_content.as_chunks();
        values.extend(content.iter().map(|b| f64::from(f32::from_le_bytes(*b))));
    }
    if (class, size) == (Class::Float, 8) {
        let (content, _) = tensor.tensor_content.as_chunks();
        values.extend(content.iter().map(|b| f64::from_le_bytes(*b)));
    }
    values
}
