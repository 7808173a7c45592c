//! A few calls with inputs of our own, and one as a client sent it: do the outputs follow, do they
//! follow the batch, and do they repeat?

use super::Questions;
use crate::codec::dtype::{Class, DType};
use crate::diagnose::facts::{Signature, TensorSpec};
use crate::proto::tensorflow::serving::model_spec::VersionChoice;
use crate::proto::tensorflow::serving::{ModelSpec, PredictRequest, PredictResponse};
use crate::proto::tensorflow::tensor_shape_proto::Dim;
use crate::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use crate::report::{Category, Finding};
use crate::truth::ask::Server;
use prost::Message;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Inputs that are sent: zeros, ones, and some that vary; then the last once more, a batch, and a
/// recorded request twice. Twelve calls at the most.
const INPUTS: usize = 8;
/// Rows of the batch.
const BATCH: i64 = 3;
/// An unknown dimension is taken for this size, and no tensor is larger than `LARGEST`.
const UNKNOWN: i64 = 1;
const LARGEST: u64 = 1 << 22;

const SIGNATURE: &str = "serving_default";

/// What the calls showed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Probe {
    /// The signature that was called.
    pub signature: String,
    /// Calls that were sent.
    pub calls: u32,
    /// The version that answered.
    pub version: Option<i64>,
    /// Why no more calls were sent, if so.
    pub stopped: Option<String>,
    /// Each output.
    pub outputs: Vec<ProbedOutput>,
}

/// What the calls showed of one output.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ProbedOutput {
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
    /// Whether a batch of several rows got as many; `None` where the signature has no batch.
    pub follows_batch: Option<bool>,
    /// The input that it equals in every call.
    pub echo_of: Option<String>,
    /// Replies with NaN or infinity.
    pub non_finite: usize,
}

/// A call and its answer.
struct Asked {
    request: PredictRequest,
    reply: PredictResponse,
}

pub(super) async fn run(
    server: &Server,
    questions: &Questions,
    signatures: &BTreeMap<String, Signature>,
) -> Probe {
    let only = signatures.iter().next().filter(|_| signatures.len() == 1);
    let chosen = signatures.get_key_value(SIGNATURE).or(only);
    let Some((name, signature)) = chosen else {
        let names: Vec<_> = signatures.keys().map(String::as_str).collect();
        return Probe {
            stopped: Some(format!(
                "no signature `{SIGNATURE}` among `{}`",
                names.join("`, `")
            )),
            ..Probe::default()
        };
    };
    let mut probe = Probe {
        signature: name.clone(),
        ..Probe::default()
    };
    let single = |number| request(&questions.model, name, signature, number, 1);
    let mut asked = Vec::new();
    // The last one twice.
    for number in (0..INPUTS).chain([INPUTS - 1]) {
        match send(server, single(number), &mut probe).await {
            Some(answer) => asked.push(answer),
            None => break,
        }
    }
    let mut batch = None;
    if asked.len() > INPUTS && takes_batches(signature) {
        let request = request(&questions.model, name, signature, INPUTS - 1, BATCH);
        batch = send(server, request, &mut probe).await;
    }
    let mut again = Vec::new();
    if let Some(recorded) = &questions.recorded {
        for _ in 0..2 {
            again.extend(send(server, Ok(recorded.clone()), &mut probe).await);
        }
    }
    probe.version = asked.iter().chain(&again).find_map(|asked| {
        match asked.reply.model_spec.as_ref()?.version_choice {
            Some(VersionChoice::Version(version)) => Some(version),
            _ => None,
        }
    });
    probe.outputs = judge(&asked, batch.as_ref(), &again);
    probe
}

async fn send(
    server: &Server,
    request: Result<PredictRequest, String>,
    probe: &mut Probe,
) -> Option<Asked> {
    let request = match request {
        Ok(request) => request,
        Err(why) => {
            probe.stopped = Some(why);
            return None;
        }
    };
    probe.calls += 1;
    match server.predict(request.clone()).await {
        Ok(reply) => Some(Asked { request, reply }),
        Err(status) => {
            probe.stopped = Some(format!(
                "the server refused call {}: {}",
                probe.calls,
                status.message()
            ));
            None
        }
    }
}

fn judge(asked: &[Asked], batch: Option<&Asked>, again: &[Asked]) -> Vec<ProbedOutput> {
    let all = || asked.iter().chain(again);
    let names: BTreeSet<&String> = all().flat_map(|asked| asked.reply.outputs.keys()).collect();
    let bytes = |asked: &Asked, name: &String| {
        // As bytes: NaN differs from itself.
        asked.reply.outputs.get(name).map(Message::encode_to_vec)
    };
    names
        .into_iter()
        .map(|name| {
            let first = &asked[..asked.len().min(INPUTS)];
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
                output: name.clone(),
                inputs: first.len(),
                distinct: distinct.len(),
                real: all()
                    .filter_map(|asked| asked.reply.outputs.get(name))
                    .filter_map(|tensor| DType::from_number(tensor.dtype))
                    .any(|dtype| dtype.class == Class::Float),
                repeats: (!pairs.is_empty()).then(|| pairs.iter().all(|same| *same)),
                follows_batch: batch.and_then(|batch| {
                    let shape = batch.reply.outputs.get(name)?.tensor_shape.as_ref()?;
                    Some(shape.dim.first().is_some_and(|dim| dim.size == BATCH))
                }),
                echo_of: inputs.into_iter().find(|input| echo(input)).cloned(),
                non_finite: all()
                    .filter_map(|asked| asked.reply.outputs.get(name))
                    .filter(|tensor| is_odd(tensor))
                    .count(),
            }
        })
        .collect()
}

fn is_odd(tensor: &TensorProto) -> bool {
    let DType { class, size, .. } = match DType::from_number(tensor.dtype) {
        Some(dtype) => dtype,
        None => return false,
    };
    let content = tensor.tensor_content.chunks_exact(size.max(1));
    let in_content = match (class, size) {
        (Class::Float, 4) => content
            .into_iter()
            .any(|b| !f32::from_le_bytes([b[0], b[1], b[2], b[3]]).is_finite()),
        _ => false,
    };
    in_content
        || tensor.float_val.iter().any(|v| !v.is_finite())
        || tensor.double_val.iter().any(|v| !v.is_finite())
}

impl Probe {
    /// What is wrong with the outputs.
    pub(super) fn findings(&self, questions: &Questions) -> Vec<Finding> {
        let again = format!(
            "flatline doctor --upstream {} --model '{}' --probe",
            questions.upstream,
            questions.model.replace('\'', r"'\''")
        );
        let finding = |rule: &str, category, certain, line: String| Finding {
            rule: rule.to_owned(),
            model: questions.model.clone(),
            version: self.version,
            category,
            certain,
            evidence: vec![line],
            confirm: again.clone(),
        };
        let mut found = Vec::new();
        for output in &self.outputs {
            let name = &output.output;
            // A class id may well be one for eight inputs out of nowhere.
            let flat = output.real && output.distinct == 1 && output.inputs == INPUTS;
            if output.non_finite > 0 {
                let line = format!("output `{name}` holds NaN or infinity");
                found.push(finding("D21", Category::Runtime, true, line));
            } else if flat && output.follows_batch == Some(false) {
                let line = format!(
                    "output `{name}` is the same for {INPUTS} distinct inputs, zeros and ones among them, and does not follow a batch: the graph does not read its input"
                );
                found.push(finding("D5", Category::Signature, false, line));
            } else if flat {
                let line = format!(
                    "output `{name}` is the same for {INPUTS} distinct inputs, zeros and ones among them"
                );
                found.push(finding("D20", Category::Training, false, line));
            }
            if let Some(input) = output.echo_of.as_ref().filter(|_| self.outputs.len() == 1) {
                let line = format!("output `{name}` equals input `{input}` in every call");
                found.push(finding("D6", Category::Signature, true, line));
            }
            if output.repeats == Some(false) {
                let line = format!("output `{name}` differs for the same input");
                found.push(finding("D25", Category::Runtime, true, line));
            }
        }
        found
    }
}

/// Whether some input takes any number of rows.
fn takes_batches(signature: &Signature) -> bool {
    let mut inputs = signature.inputs.values();
    inputs.any(|input| {
        input
            .dims
            .as_ref()
            .is_some_and(|dims| dims.first() == Some(&-1))
    })
}

fn request(
    model: &str,
    name: &str,
    signature: &Signature,
    number: usize,
    rows: i64,
) -> Result<PredictRequest, String> {
    let mut inputs = Vec::new();
    for (input, spec) in &signature.inputs {
        inputs.push((input.clone(), tensor(input, spec, number, rows)?));
    }
    Ok(PredictRequest {
        model_spec: Some(ModelSpec {
            name: model.to_owned(),
            signature_name: name.to_owned(),
            ..ModelSpec::default()
        }),
        inputs: inputs.into_iter().collect(),
        output_filter: Vec::new(),
    })
}

/// Input `number`: 0 is all zeros, 1 all ones, the others vary from element to element.
fn tensor(name: &str, spec: &TensorSpec, number: usize, rows: i64) -> Result<TensorProto, String> {
    let number_of = DataType::from_str_name(&spec.dtype).unwrap_or_default() as i32;
    let dtype = DType::from_number(number_of)
        .ok_or_else(|| format!("input `{name}` has a type without values"))?;
    let dims = spec.dims.clone().unwrap_or_default();
    let sizes: Vec<i64> = dims
        .iter()
        .enumerate()
        .map(|(at, size)| match (at, *size) {
            (0, ..0) => rows,
            (_, ..0) => UNKNOWN,
            (_, size) => size,
        })
        .collect();
    let count = sizes
        .iter()
        .try_fold(1_u64, |count, size| count.checked_mul(size.unsigned_abs()));
    let count = count
        .filter(|count| *count <= LARGEST)
        .ok_or_else(|| format!("input `{name}` is too large to probe"))?;
    let mut tensor = TensorProto {
        dtype: number_of,
        tensor_shape: Some(TensorShapeProto {
            dim: sizes
                .into_iter()
                .map(|size| Dim {
                    size,
                    name: String::new(),
                })
                .collect(),
            unknown_rank: false,
        }),
        ..TensorProto::default()
    };
    let values = (0..count).map(|i| value(number, i));
    match (dtype.class, dtype.size) {
        (Class::Float, 4) => tensor.float_val = values.map(|v| v as f32).collect(),
        (Class::Float, 8) => tensor.double_val = values.collect(),
        (Class::Integer, 8) if number_of == 9 => {
            tensor.int64_val = values.map(|v| (v * 8.0) as i64).collect();
        }
        (Class::Integer, 1 | 2 | 4) => tensor.int_val = values.map(|v| (v * 8.0) as i32).collect(),
        (Class::Bool, _) => tensor.bool_val = values.map(|v| v > 0.5).collect(),
        (Class::String, _) => {
            tensor.string_val = values.map(|v| format!("{v:.3}").into_bytes()).collect();
        }
        _ => {
            return Err(format!(
                "input `{name}` is {}, which the probe cannot make",
                dtype.name()
            ));
        }
    }
    Ok(tensor)
}

/// A number from 0 to 1 that is another in every input from the third on.
fn value(number: usize, i: u64) -> f64 {
    match number {
        0 => 0.0,
        1 => 1.0,
        n => ((n as f64 * 0.754_877_666 + i as f64 * 0.569_840_291).fract()).abs(),
    }
}
