//! How one input of a call was sent, and what its values look like: facts, no payload.

use super::sketch::for_each_number;
use crate::codec::dtype::Class;
use crate::codec::tensor::{Effective, Elements, Given, Row};
use crate::codec::wire::Fields;

/// Elements of an input that are looked at for its range.
const LOOKED_AT: usize = 128;
/// Features of a tf.Example that are remembered by name, and bytes of a name.
const FEATURES: usize = 256;
const NAME: usize = 128;

/// How one input was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct InputFact {
    /// Key in the request's `inputs`.
    pub name: String,
    /// TensorFlow's name of the type.
    pub dtype: &'static str,
    /// Sizes of its dimensions.
    pub dims: Vec<u64>,
    /// Values in the field that TensorFlow reads; fewer than `declared` are filled in.
    pub given: u64,
    /// Elements that the shape declares.
    pub declared: u64,
    /// A field with values that TensorFlow does not read for this type.
    pub foreign: Option<&'static str>,
    /// The value of a scalar bool or float, as a control input has.
    pub control: Option<String>,
    /// Of the values given, where they are numbers; NaN and infinity are left out.
    pub range: Option<Range>,
    /// Whether NaN or infinity is among the numbers that were looked at.
    pub non_finite: bool,
    /// Feature names of the first string, where it is a tf.Example; ordered.
    pub features: Option<Vec<String>>,
    /// Strings that hold text, as far as the first one tells: no picture, no tf.Example.
    pub is_text: bool,
}

/// What the numbers of one tensor look like, at up to 128 places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The smallest.
    pub low: f32,
    /// The largest.
    pub high: f32,
    /// Mean of the absolute values.
    pub size: f32,
}

pub(super) fn fact(name: &str, tensor: &Effective<'_>) -> InputFact {
    let scalar = tensor.count == 1 && matches!(tensor.dtype.class, Class::Bool | Class::Float);
    let control = match &tensor.elements {
        Elements::Fixed(bytes) if scalar && tensor.dims.is_empty() => {
            Some(tensor.dtype.value(bytes).to_string())
        }
        _ => None,
    };
    let first = match &tensor.elements {
        Elements::Strings(strings) => strings.first().copied(),
        Elements::Fixed(_) => None,
    };
    let features = first.and_then(features);
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
    let (range, non_finite) = range(tensor);
    InputFact {
        name: name.to_owned(),
        dtype: tensor.dtype.name(),
        dims: tensor.dims.clone(),
        given: tensor.given(),
        declared: tensor.count,
        foreign: tensor.foreign.map(|field| field.name()),
        control,
        range,
        non_finite,
        is_text: features.is_none() && first.is_some_and(text),
        features,
    }
}

/// The range of the finite numbers, and whether there are others.
fn range(tensor: &Effective<'_>) -> (Option<Range>, bool) {
    let Elements::Fixed(bytes) = &tensor.elements else {
        return (None, false);
    };
    let size = tensor.dtype.size.max(1);
    let given = bytes.len() / size;
    let step = given.div_ceil(LOOKED_AT).max(1);
    let row = Row {
        given: Given::Fixed(bytes),
        count: given as u64,
        last: &[],
    };
    let (mut low, mut high, mut sum, mut count) = (f32::INFINITY, f32::NEG_INFINITY, 0.0, 0_u32);
    let mut non_finite = false;
    for_each_number(&row, tensor.dtype, step as u64, |value| {
        let value = value as f32;
        if value.is_finite() {
            low = low.min(value);
            high = high.max(value);
            sum += value.abs();
            count += 1;
        } else {
            non_finite = true;
        }
    });
    let range = (count > 0).then(|| Range {
        low,
        high,
        size: sum / count as f32,
    });
    (range, non_finite)
}

/// The feature names of a serialised `tf.Example`, ordered; `None` if it is none.
/// `Example { Features features = 1; }`, `Features { map<string, Feature> feature = 1; }`.
fn features(bytes: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for field in Fields::new(bytes) {
        let (1, value) = field.ok()? else { return None };
        for entry in Fields::new(value.bytes()?) {
            let (1, entry) = entry.ok()? else { return None };
            let mut name = "";
            for part in Fields::new(entry.bytes()?) {
                match part.ok()? {
                    (1, value) => name = std::str::from_utf8(value.bytes()?).ok()?,
                    (2, value) => {
                        value.bytes()?;
                    }
                    _ => return None,
                }
            }
            if names.len() < FEATURES {
                names.push(name.chars().take(NAME).collect());
            }
        }
    }
    names.sort_unstable();
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::features;

    /// A field of bytes with a number below 16 and a length below 128.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, bytes.len() as u8];
        out.extend(bytes);
        out
    }

    #[test]
    fn an_example_tells_its_features_and_nothing_else_does() {
        let entry = |name: &str| {
            let value = field(2, &field(1, &[0, 0, 128, 63]));
            field(1, &[field(1, name.as_bytes()), field(2, &value)].concat())
        };
        let example = field(1, &[entry("height"), entry("age")].concat());
        let names = features(&example);
        assert_eq!(names, Some(vec!["age".to_owned(), "height".to_owned()]));
        for odd in [
            &b""[..],
            b"a cat on a mat",
            b"\x0a\x05hello",
            b"\xff\xd8\xff\xe0",
        ] {
            assert_eq!(features(odd), None, "{odd:?}");
        }
        assert_eq!(features(&example[..example.len() - 1]), None);
    }
}
