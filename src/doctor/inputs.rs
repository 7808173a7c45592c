//! Inputs of our own for a signature.

use crate::codec::dtype::{Class, DType};
use crate::diagnose::facts::{Signature, TensorSpec};
use crate::proto::tensorflow::serving::{ModelSpec, PredictRequest};
use crate::proto::tensorflow::tensor_shape_proto::Dim;
use crate::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use std::collections::BTreeMap;

/// An unknown dimension is taken for this size, and no tensor is larger than `LARGEST`.
const UNKNOWN: i64 = 1;
const LARGEST: u64 = 1 << 22;

/// Whether some input takes any number of rows.
pub(super) fn takes_batches(signature: &Signature) -> bool {
    let mut inputs = signature.inputs.values();
    inputs.any(|input| {
        input
            .dims
            .as_ref()
            .is_some_and(|dims| dims.first() == Some(&-1))
    })
}

/// Input `number` of `rows` rows, to whichever model `to` names; inputs in `set` have that value.
pub(super) fn request(
    to: &ModelSpec,
    signature: &Signature,
    number: usize,
    rows: i64,
    set: &BTreeMap<String, String>,
) -> Result<PredictRequest, String> {
    let mut inputs = Vec::new();
    for (input, spec) in &signature.inputs {
        let set = set.get(input).map(String::as_str);
        inputs.push((input.clone(), tensor(input, spec, number, rows, set)?));
    }
    Ok(PredictRequest {
        model_spec: Some(to.clone()),
        inputs: inputs.into_iter().collect(),
        output_filter: Vec::new(),
    })
}

/// Input `number`: 0 is all zeros, 1 all ones, the others vary from element to element.
fn tensor(
    name: &str,
    spec: &TensorSpec,
    number: usize,
    rows: i64,
    set: Option<&str>,
) -> Result<TensorProto, String> {
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
    let constant = set.filter(|_| dtype.class != Class::String);
    let constant = constant.map(|text| constant_of(name, dtype, text));
    let constant = constant.transpose()?;
    // Scores may be cut off where small inputs lie.
    let size = match (dtype.class, number) {
        (Class::Float, 4) => 10.0,
        (Class::Float, 5) => 255.0,
        _ => 1.0,
    };
    let values = (0..count).map(|i| constant.unwrap_or_else(|| size * value(number, i)));
    // Whole numbers of our own are 0 to 8.
    let whole = if constant.is_some() { 1.0 } else { 8.0 };
    match (dtype.class, dtype.size) {
        (Class::Float, 4) => tensor.float_val = values.map(|v| v as f32).collect(),
        (Class::Float, 8) => tensor.double_val = values.collect(),
        (Class::Integer, 8) if number_of == 9 => {
            tensor.int64_val = values.map(|v| (v * whole) as i64).collect();
        }
        (Class::Integer, 4) if dtype.number == DataType::DtUint32 => {
            tensor.uint32_val = values.map(|v| (v * whole) as u32).collect();
        }
        (Class::Integer, 8) if dtype.number == DataType::DtUint64 => {
            tensor.uint64_val = values.map(|v| (v * whole) as u64).collect();
        }
        (Class::Integer, 1 | 2 | 4) => {
            tensor.int_val = values.map(|v| (v * whole) as i32).collect();
        }
        (Class::Bool, _) => tensor.bool_val = values.map(|v| v > 0.5).collect(),
        (Class::String, _) => {
            let text = |v: f64| set.map_or_else(|| format!("{v:.3}"), str::to_owned);
            tensor.string_val = values.map(|v| text(v).into_bytes()).collect();
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

/// The number that `text` stands for.
fn constant_of(name: &str, dtype: DType, text: &str) -> Result<f64, String> {
    let number = match text {
        "true" if dtype.class == Class::Bool => Some(1.0),
        "false" if dtype.class == Class::Bool => Some(0.0),
        _ => text.parse().ok(),
    };
    let bits = 8 * dtype.size as i32;
    let is_one = |number: &f64| match dtype.class {
        Class::Bool => [0.0, 1.0].contains(number),
        Class::Integer if dtype.name().starts_with("DT_U") => {
            (0.0..2_f64.powi(bits)).contains(number)
        }
        Class::Integer => (-2_f64.powi(bits - 1)..2_f64.powi(bits - 1)).contains(number),
        _ => number.is_finite(),
    };
    let whole = |number: &f64| dtype.class != Class::Integer || number.fract() == 0.0;
    number.filter(is_one).filter(whole).ok_or_else(|| {
        let example = match dtype.class {
            Class::Bool => "false",
            Class::Integer => "2",
            _ => "0.5",
        };
        format!(
            "--set: input `{name}` is {}, and `{text}` is no value of it (example: --set {name}={example})",
            dtype.name()
        )
    })
}

/// A number from 0 to 1 that is another in every input from the third on.
fn value(number: usize, i: u64) -> f64 {
    match number {
        0 => 0.0,
        1 => 1.0,
        n => ((n as f64 * 0.754_877_666 + i as f64 * 0.569_840_291).fract()).abs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(dtype: &str, set: Option<&str>) -> Result<TensorProto, String> {
        let spec = TensorSpec {
            dtype: dtype.to_owned(),
            dims: Some(vec![-1, 2]),
        };
        tensor("x", &spec, 3, 1, set)
    }

    #[test]
    fn values_stand_where_tensorflow_reads_them() {
        use crate::codec::predict;
        use prost::Message;
        for dtype in [
            "DT_FLOAT",
            "DT_DOUBLE",
            "DT_INT8",
            "DT_UINT16",
            "DT_INT32",
            "DT_UINT32",
            "DT_INT64",
            "DT_UINT64",
            "DT_BOOL",
        ] {
            let request = PredictRequest {
                inputs: [("x".to_owned(), made(dtype, Some("1")).unwrap())].into(),
                model_spec: Some(ModelSpec {
                    name: "m".to_owned(),
                    ..ModelSpec::default()
                }),
                ..PredictRequest::default()
            };
            let bytes = request.encode_to_vec();
            let view = predict::request(&bytes).unwrap();
            let tensor = view.tensors[0].1.effective().unwrap();
            assert_eq!((tensor.foreign, tensor.given()), (None, 2), "{dtype}");
        }
    }

    #[test]
    fn what_is_set_is_a_value_of_the_type() {
        for (dtype, value) in [
            ("DT_UINT8", "255"),
            ("DT_INT8", "-128"),
            ("DT_BOOL", "true"),
            ("DT_FLOAT", "-1e3"),
            ("DT_STRING", "nan"),
        ] {
            assert!(made(dtype, Some(value)).is_ok(), "{dtype} {value}");
        }
        for (dtype, value) in [
            ("DT_UINT8", "256"),
            ("DT_UINT8", "-1"),
            ("DT_INT64", "1.5"),
            ("DT_BOOL", "2"),
            ("DT_FLOAT", "nan"),
            ("DT_FLOAT", "1e999"),
            ("DT_FLOAT", "x"),
        ] {
            let why = made(dtype, Some(value)).unwrap_err();
            assert!(
                why.contains(&format!("`{value}` is no value of it")),
                "{why}"
            );
        }
    }
}
