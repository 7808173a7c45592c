//! Views of `PredictRequest` and `PredictResponse`: borrowed, tensors not yet decoded.

use super::tensor::TensorView;
use super::wire::{Fields, Malformed};
use crate::skip::Skip;

/// The signature of requests that name none, as TensorFlow Serving reads them.
pub const DEFAULT_SIGNATURE: &str = "serving_default";

/// What a request names as the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Neither version nor label: the newest.
    Latest,
    /// A number.
    Version(i64),
    /// A label.
    Label(&'a str),
}

/// A `ModelSpec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelSpec<'a> {
    /// Name; empty when not given.
    pub name: &'a str,
    /// Version or label.
    pub version: Asked<'a>,
    /// [`DEFAULT_SIGNATURE`] when not given.
    pub signature: &'a str,
}

/// A request or a reply: its `model_spec` and its tensors by name.
#[derive(Debug, Clone)]
pub struct PredictView<'a> {
    /// Model, version, signature.
    pub spec: ModelSpec<'a>,
    /// Inputs or outputs, ordered by name: maps have no order on the wire.
    pub tensors: Vec<(&'a str, TensorView<'a>)>,
}

/// Reads a `PredictRequest`.
///
/// # Errors
/// [`Skip::Protobuf`] for malformed bytes, [`Skip::DuplicateKey`] for a map key twice,
/// [`Skip::NoModel`] where no model is named.
pub fn request(message: &[u8]) -> Result<PredictView<'_>, Skip> {
    let view = read(message, 1, 2)?;
    if view.spec.name.is_empty() {
        Err(Skip::NoModel)
    } else {
        Ok(view)
    }
}

/// Reads a `PredictResponse`.
///
/// # Errors
/// [`Skip::Protobuf`] for malformed bytes, [`Skip::DuplicateKey`] for a map key twice.
pub fn response(message: &[u8]) -> Result<PredictView<'_>, Skip> {
    read(message, 2, 1)
}

/// Reads the `model_spec` of a `PredictRequest` and nothing else.
///
/// # Errors
/// [`Skip::Protobuf`] for malformed bytes.
pub fn spec(message: &[u8]) -> Result<ModelSpec<'_>, Skip> {
    let mut spec = ModelSpec {
        name: "",
        version: Asked::Latest,
        signature: "",
    };
    for field in Fields::new(message) {
        if let (1, Some(bytes)) = field.map(|(n, v)| (n, v.bytes())).map_err(malformed)? {
            read_spec(bytes, &mut spec)?;
        }
    }
    if spec.signature.is_empty() {
        spec.signature = DEFAULT_SIGNATURE;
    }
    Ok(spec)
}

fn read(message: &[u8], spec_field: u32, tensors_field: u32) -> Result<PredictView<'_>, Skip> {
    let spec = ModelSpec {
        name: "",
        version: Asked::Latest,
        signature: "",
    };
    let mut view = PredictView {
        spec,
        tensors: Vec::new(),
    };
    for field in Fields::new(message) {
        let (number, value) = field.map_err(malformed)?;
        let Some(bytes) = value.bytes() else { continue };
        if number == spec_field {
            read_spec(bytes, &mut view.spec)?;
        } else if number == tensors_field {
            view.tensors.push(read_entry(bytes)?);
        }
    }
    if view.spec.signature.is_empty() {
        view.spec.signature = DEFAULT_SIGNATURE;
    }
    view.tensors.sort_by_key(|(name, _)| *name);
    if view.tensors.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Skip::DuplicateKey);
    }
    Ok(view)
}

/// Adds the fields of one `ModelSpec`; a second one is merged into the first.
fn read_spec<'a>(message: &'a [u8], spec: &mut ModelSpec<'a>) -> Result<(), Skip> {
    for field in Fields::new(message) {
        let (number, value) = field.map_err(malformed)?;
        let Some(bytes) = value.bytes() else { continue };
        match number {
            1 => spec.name = text(bytes)?,
            2 => spec.version = Asked::Version(int64_value(bytes)?),
            3 => spec.signature = text(bytes)?,
            4 => spec.version = Asked::Label(text(bytes)?),
            _ => {}
        }
    }
    Ok(())
}

fn int64_value(message: &[u8]) -> Result<i64, Skip> {
    let mut number = 0;
    for field in Fields::new(message) {
        if let (1, Some(value)) = field.map(|(n, v)| (n, v.varint())).map_err(malformed)? {
            number = value as i64;
        }
    }
    Ok(number)
}

fn read_entry(message: &[u8]) -> Result<(&str, TensorView<'_>), Skip> {
    let mut name = "";
    let mut tensor: Option<&[u8]> = None;
    for field in Fields::new(message) {
        let (number, value) = field.map_err(malformed)?;
        let Some(bytes) = value.bytes() else { continue };
        match number {
            1 => name = text(bytes)?,
            // A value in two parts is legal and nobody writes it: the parts do not lie together.
            2 if tensor.is_some() => return Err(Skip::Protobuf),
            2 => tensor = Some(bytes),
            _ => {}
        }
    }
    let view = TensorView::parse(tensor.unwrap_or(&[])).map_err(malformed)?;
    Ok((name, view))
}

fn text(bytes: &[u8]) -> Result<&str, Skip> {
    std::str::from_utf8(bytes).map_err(|_| Skip::Protobuf)
}

fn malformed(_: Malformed) -> Skip {
    Skip::Protobuf
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::tensorflow::TensorProto;
    use crate::proto::tensorflow::serving::{ModelSpec as Spec, PredictRequest, model_spec};
    use prost::Message;

    fn sample() -> PredictRequest {
        let tensor = |dtype| TensorProto {
            dtype,
            ..TensorProto::default()
        };
        PredictRequest {
            model_spec: Some(Spec {
                name: "digits".to_owned(),
                signature_name: String::new(),
                version_choice: Some(model_spec::VersionChoice::Version(3)),
            }),
            inputs: [("b".to_owned(), tensor(1)), ("a".to_owned(), tensor(9))].into(),
            output_filter: vec!["scores".to_owned()],
        }
    }

    #[test]
    fn reads_the_spec_and_sorts_the_tensors() {
        let bytes = sample().encode_to_vec();
        let view = request(&bytes).unwrap();
        assert_eq!(view.spec.name, "digits");
        assert_eq!(view.spec.version, Asked::Version(3));
        assert_eq!(view.spec.signature, "serving_default");
        let names: Vec<_> = view.tensors.iter().map(|(n, t)| (*n, t.dtype)).collect();
        assert_eq!(names, [("a", 9), ("b", 1)]);
    }

    #[test]
    fn a_key_twice_a_cut_message_and_a_missing_model_are_told_apart() {
        let mut bytes = sample().encode_to_vec();
        let again = PredictRequest {
            model_spec: None,
            output_filter: vec![],
            ..sample()
        };
        bytes.extend(again.encode_to_vec());
        assert_eq!(request(&bytes).unwrap_err(), Skip::DuplicateKey);
        bytes.truncate(bytes.len() - 1);
        assert_eq!(request(&bytes).unwrap_err(), Skip::Protobuf);
        assert_eq!(request(&[]).unwrap_err(), Skip::NoModel);
    }

    #[test]
    fn no_bytes_panic() {
        proptest::proptest!(|(bytes: Vec<u8>)| {
            let _ = request(&bytes);
            let _ = super::super::tensor::decode(&bytes);
        });
        let bytes = sample().encode_to_vec();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut odd = bytes.clone();
                odd[at] ^= 1 << bit;
                if let Ok(view) = request(&odd) {
                    for (_, tensor) in view.tensors {
                        let _ = tensor.effective();
                    }
                }
            }
        }
    }
}
