//! A few calls with inputs of our own: do the outputs follow, and do they repeat?

use super::Examination;
use crate::codec::dtype::{Class, DType};
use crate::proto::tensorflow::serving::{ModelSpec, PredictRequest, PredictResponse};
use crate::proto::tensorflow::tensor_shape_proto::Dim;
use crate::proto::tensorflow::{SignatureDef, TensorInfo, TensorProto, TensorShapeProto};
use crate::truth::ask::{Server, Signatures};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Inputs that are sent: zeros, ones, and some that vary.
const INPUTS: usize = 8;
/// An unknown dimension is taken for this size, and no tensor is larger than `LARGEST`.
const UNKNOWN: i64 = 1;
const LARGEST: u64 = 1 << 22;

const SIGNATURE: &str = "serving_default";

/// Sends nine calls at the most and writes down what came back.
pub(super) async fn run(
    server: &Server,
    model: &str,
    signatures: &Signatures,
    found: &mut Examination,
) {
    let Some(signature) = signatures.by_name.get(SIGNATURE) else {
        let _ = writeln!(found.text, "\nprobe: no signature `{SIGNATURE}`");
        return;
    };
    let mut replies = Vec::new();
    for number in (0..INPUTS).chain([INPUTS - 1]) {
        let request = match request(model, signature, number) {
            Ok(request) => request,
            Err(why) => {
                let _ = writeln!(found.text, "\nprobe: {why}");
                return;
            }
        };
        match server.predict(request).await {
            Ok(reply) => replies.push(reply),
            Err(status) => {
                let _ = writeln!(
                    found.text,
                    "\nprobe: the server refused input {number}: {}",
                    status.message()
                );
                return;
            }
        }
    }
    judge(&replies, found);
}

fn judge(replies: &[PredictResponse], found: &mut Examination) {
    let _ = writeln!(
        found.text,
        "\nprobe: {INPUTS} distinct inputs, the last of them twice"
    );
    let (Some(last), Some((again, distinct))) = (replies.get(INPUTS - 1), replies.split_last())
    else {
        return;
    };
    let names: BTreeMap<_, _> = last.outputs.iter().collect();
    for (name, tensor) in names {
        let mut seen: Vec<&TensorProto> = Vec::new();
        for reply in distinct {
            if let Some(value) = reply.outputs.get(name)
                && !seen.contains(&value)
            {
                seen.push(value);
            }
        }
        // NaN differs from itself: such a tensor is compared by its text.
        let repeats = again
            .outputs
            .get(name)
            .is_some_and(|other| format!("{other:?}") == format!("{tensor:?}"));
        let _ = writeln!(
            found.text,
            "  output {name}: {} distinct, {}",
            seen.len(),
            if repeats {
                "repeats for the same input"
            } else {
                "differs for the same input"
            }
        );
        if seen.len() == 1 {
            found.findings.push(format!("output `{name}` is the same for {INPUTS} distinct inputs, zeros and ones among them"));
        }
        if !repeats {
            found
                .findings
                .push(format!("D25 output `{name}` differs for the same input"));
        }
        if tensor.float_val.iter().any(|v| !v.is_finite())
            || tensor.double_val.iter().any(|v| !v.is_finite())
        {
            found
                .findings
                .push(format!("D21 output `{name}` holds NaN or infinity"));
        }
    }
}

fn request(model: &str, signature: &SignatureDef, number: usize) -> Result<PredictRequest, String> {
    let mut inputs = Vec::new();
    for (name, info) in &signature.inputs {
        inputs.push((name.clone(), tensor(name, info, number)?));
    }
    Ok(PredictRequest {
        model_spec: Some(ModelSpec {
            name: model.to_owned(),
            ..ModelSpec::default()
        }),
        inputs: inputs.into_iter().collect(),
        output_filter: Vec::new(),
    })
}

/// Input `number`: 0 is all zeros, 1 all ones, the others vary from element to element.
fn tensor(name: &str, info: &TensorInfo, number: usize) -> Result<TensorProto, String> {
    let dtype = DType::from_number(info.dtype)
        .ok_or_else(|| format!("input `{name}` has a type without values"))?;
    let shape = info.tensor_shape.clone().unwrap_or_default();
    let sizes: Vec<i64> = shape
        .dim
        .iter()
        .map(|dim| if dim.size < 0 { UNKNOWN } else { dim.size })
        .collect();
    let count = sizes
        .iter()
        .try_fold(1_u64, |count, size| count.checked_mul(size.unsigned_abs()));
    let count = count
        .filter(|count| *count <= LARGEST)
        .ok_or_else(|| format!("input `{name}` is too large to probe"))?;
    let mut tensor = TensorProto {
        dtype: info.dtype,
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
        (Class::Integer, 8) if info.dtype == 9 => {
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
