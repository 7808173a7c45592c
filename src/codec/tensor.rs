//! Tensors: a view of `TensorProto`, and the *effective tensor* that the model gets to see.
//!
//! Source: `Tensor::FromProto` and `TensorShapeBase::IsValid` of TensorFlow's core framework.
//! A missing value is the last one given, repeated; without any value it is zero. Nothing warns
//! the client, so the effective tensor may be something else than what the client meant.

use super::dtype::{Class, DType, Field};
use super::wire::{Fields, Malformed, Value};
use super::{strict, values};
use crate::skip::Skip;
use std::borrow::Cow;

/// TensorFlow refuses shapes of more dimensions.
const MAX_DIMENSIONS: usize = 254;

/// A tensor as it stands on the wire. Nothing is decoded yet.
#[derive(Debug, Clone)]
pub struct TensorView<'a> {
    message: &'a [u8],
    /// `dtype`; may be a number that TensorFlow does not know.
    pub dtype: i32,
    /// Sizes of the dimensions, unchecked.
    pub dims: Vec<i64>,
    /// `tensor_content`.
    pub content: &'a [u8],
}

/// The elements as TensorFlow decodes them, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective<'a> {
    /// Element type.
    pub dtype: DType,
    /// Sizes of the dimensions; empty for a scalar.
    pub dims: Vec<u64>,
    /// The values given; the rest up to `count` repeats the last one, or is zero.
    pub elements: Elements<'a>,
    /// Number of elements: the product of `dims`.
    pub count: u64,
    /// A field with values that TensorFlow does not read for this type.
    pub foreign: Option<Field>,
}

/// Values given, never more than `count` of the tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements<'a> {
    /// Little-endian elements of `dtype.size` bytes each.
    Fixed(Cow<'a, [u8]>),
    /// Strings.
    Strings(Vec<&'a [u8]>),
}

impl<'a> TensorView<'a> {
    /// Reads a `TensorProto` without decoding its values.
    ///
    /// # Errors
    /// When the bytes are no protobuf message.
    pub fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        TensorView::parse_at(message, 0)
    }

    /// At a depth of tensors within variants.
    pub(super) fn parse_at(message: &'a [u8], depth: u32) -> Result<Self, Malformed> {
        let mut view = TensorView {
            message,
            dtype: 0,
            dims: Vec::new(),
            content: &[],
        };
        for field in Fields::new(message) {
            let (number, value) = field?;
            match number {
                1 => view.dtype = value.varint().map_or(view.dtype, |v| v as i32),
                2 => {
                    if let Some(shape) = value.bytes() {
                        read_dims(shape, &mut view.dims)?;
                    }
                }
                4 => view.content = value.bytes().unwrap_or(view.content),
                14 => strict::resource(value)?,
                15 => strict::variant(value, depth)?,
                _ => {}
            }
        }
        Ok(view)
    }

    /// The bytes of the whole `TensorProto`.
    #[must_use]
    pub fn message(&self) -> &'a [u8] {
        self.message
    }

    /// Decodes as TensorFlow does.
    ///
    /// # Errors
    /// [`Skip::Tensor`] where TensorFlow refuses the tensor, [`Skip::DataType`] for types without
    /// comparable values, [`Skip::TooLarge`] for more strings than are worth keeping.
    pub fn effective(&self) -> Result<Effective<'a>, Skip> {
        let count = element_count(&self.dims).ok_or(Skip::Tensor)?;
        let Some(dtype) = DType::from_number(self.dtype) else {
            // 20 and 21 are resources and variants, which are legal tensors.
            return Err(if matches!(self.dtype, 20 | 21) {
                Skip::DataType
            } else {
                Skip::Tensor
            });
        };
        let found = values::collect(self.message, dtype, self.content.is_empty(), count)?;
        let elements = if count == 0 {
            if dtype.size == 0 {
                Elements::Strings(Vec::new())
            } else {
                Elements::Fixed(Cow::Borrowed(&[]))
            }
        } else if self.content.is_empty() {
            found.elements
        } else if dtype.size == 0 {
            Elements::Strings(values::string_list(self.content, count)?)
        } else if Some(self.content.len() as u64) == count.checked_mul(dtype.size as u64) {
            // A bool is a zero or a one, not any byte.
            if dtype.class == Class::Bool && self.content.iter().any(|byte| *byte > 1) {
                return Err(Skip::Tensor);
            }
            Elements::Fixed(Cow::Borrowed(self.content))
        } else {
            return Err(Skip::Tensor);
        };
        let dims = self.dims.iter().map(|d| d.unsigned_abs()).collect();
        Ok(Effective {
            dtype,
            dims,
            elements,
            count,
            foreign: found.foreign,
        })
    }
}

/// Decodes the bytes of one `TensorProto`, as [`TensorView::effective`].
///
/// # Errors
/// [`Skip::Protobuf`] when the bytes are no protobuf message, else as above.
pub fn decode(message: &[u8]) -> Result<Effective<'_>, Skip> {
    TensorView::parse(message)
        .map_err(|_| Skip::Protobuf)?
        .effective()
}

impl Effective<'_> {
    /// Number of values that were given: elements beyond it are filled in.
    #[must_use]
    pub fn given(&self) -> u64 {
        match &self.elements {
            Elements::Fixed(bytes) => (bytes.len() / self.dtype.size.max(1)) as u64,
            Elements::Strings(strings) => strings.len() as u64,
        }
    }

    /// Size of the first dimension; 1 for a scalar.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.dims.first().copied().unwrap_or(1)
    }

    /// The given elements of row `row` out of `rows` equal parts, and how many elements a part
    /// has: those beyond the given ones repeat [`Effective::last`].
    #[must_use]
    pub fn row(&self, row: u64, rows: u64) -> Row<'_> {
        let per_row = self.count.checked_div(rows).unwrap_or(0);
        let given = self.given();
        let start = (row.saturating_mul(per_row)).min(given) as usize;
        let end = (row.saturating_add(1).saturating_mul(per_row)).min(given) as usize;
        let given = match &self.elements {
            Elements::Fixed(bytes) => {
                let size = self.dtype.size;
                Given::Fixed(&bytes[start * size..end * size])
            }
            Elements::Strings(strings) => Given::Strings(&strings[start..end]),
        };
        Row {
            given,
            count: per_row,
            last: self.last(),
        }
    }

    /// The value that fills the elements beyond the given ones. Empty means zero.
    fn last(&self) -> &[u8] {
        match &self.elements {
            Elements::Fixed(bytes) => &bytes[bytes.len().saturating_sub(self.dtype.size)..],
            Elements::Strings(strings) => strings.last().copied().unwrap_or(&[]),
        }
    }
}

/// One row of a tensor.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The values given.
    pub given: Given<'a>,
    /// Elements of the row.
    pub count: u64,
    /// What the elements beyond the given ones are; empty means zero, or an empty string.
    pub last: &'a [u8],
}

/// Given values of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given<'a> {
    /// Little-endian elements.
    Fixed(&'a [u8]),
    /// Strings.
    Strings(&'a [&'a [u8]]),
}

pub(super) fn read_dims(shape: &[u8], dims: &mut Vec<i64>) -> Result<(), Malformed> {
    for field in Fields::new(shape) {
        if let (2, Some(dim)) = field.map(|(number, value)| (number, value.bytes()))? {
            let mut size = 0;
            for field in Fields::new(dim) {
                match field? {
                    (1, Value::Varint(value)) => size = value as i64,
                    (2, value) => strict::text(value)?,
                    _ => {}
                }
            }
            // One more than TensorFlow accepts is enough to refuse it.
            if dims.len() <= MAX_DIMENSIONS {
                dims.push(size);
            }
        }
    }
    Ok(())
}

/// The number of elements; `None` where TensorFlow refuses the shape. A zero dimension does not
/// excuse an overflow before it.
fn element_count(dims: &[i64]) -> Option<u64> {
    if dims.len() > MAX_DIMENSIONS {
        return None;
    }
    let count = dims.iter().try_fold(1_i64, |count, &size| {
        if size < 0 {
            None
        } else {
            count.checked_mul(size)
        }
    })?;
    u64::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::tensorflow::tensor_shape_proto::Dim;
    use crate::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
    use prost::Message;

    fn tensor(dtype: DataType, dims: &[i64]) -> TensorProto {
        let dim = dims
            .iter()
            .map(|&size| Dim {
                size,
                name: String::new(),
            })
            .collect();
        TensorProto {
            dtype: dtype as i32,
            tensor_shape: Some(TensorShapeProto {
                dim,
                unknown_rank: false,
            }),
            ..TensorProto::default()
        }
    }

    fn fixed(proto: &TensorProto) -> (Vec<u8>, u64, Option<Field>) {
        let bytes = proto.encode_to_vec();
        let effective = decode(&bytes).unwrap();
        match effective.elements {
            Elements::Fixed(data) => (data.into_owned(), effective.count, effective.foreign),
            Elements::Strings(_) => panic!("strings"),
        }
    }

    #[test]
    fn content_and_typed_fields_give_the_same_elements() {
        let values = [1.5_f32, -2.0, 0.25];
        let content: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut typed = tensor(DataType::DtFloat, &[3]);
        typed.float_val = values.to_vec();
        let mut packed = tensor(DataType::DtFloat, &[3]);
        packed.tensor_content = content.clone().into();
        assert_eq!(fixed(&typed), (content.clone(), 3, None));
        assert_eq!(fixed(&packed), (content, 3, None));
    }

    #[test]
    fn packed_floats_are_borrowed() {
        let mut typed = tensor(DataType::DtFloat, &[100]);
        typed.float_val = vec![1.0; 100];
        let bytes = typed.encode_to_vec();
        let elements = decode(&bytes).unwrap().elements;
        assert!(matches!(elements, Elements::Fixed(Cow::Borrowed(_))));
    }

    #[test]
    fn too_few_values_repeat_and_none_are_zero_without_taking_memory() {
        let mut one = tensor(DataType::DtFloat, &[1 << 20, 1 << 20]);
        one.float_val = vec![7.0];
        let bytes = one.encode_to_vec();
        let effective = decode(&bytes).unwrap();
        assert_eq!((effective.given(), effective.count), (1, 1 << 40));
        let row = effective.row(5, 1 << 20);
        assert_eq!(
            (row.count, row.last),
            (1 << 20, 7.0_f32.to_le_bytes().as_slice())
        );
        let none = tensor(DataType::DtFloat, &[4]);
        assert_eq!(fixed(&none).0, Vec::<u8>::new());
    }

    #[test]
    fn values_in_another_field_are_foreign() {
        let mut wrong = tensor(DataType::DtFloat, &[2]);
        wrong.double_val = vec![1.0, 2.0];
        assert_eq!(fixed(&wrong), (vec![], 2, Some(Field::Double)));
    }

    #[test]
    fn more_values_than_elements_are_cut() {
        let mut many = tensor(DataType::DtInt64, &[2]);
        many.int64_val = vec![1, 2, 3];
        assert_eq!(fixed(&many).0.len(), 16);
    }

    #[test]
    fn small_integers_come_from_int_val_truncated() {
        let mut small = tensor(DataType::DtUint8, &[3]);
        small.int_val = vec![1, 256, -1];
        assert_eq!(fixed(&small).0, [1, 0, 255]);
    }

    #[test]
    fn shapes_that_tensorflow_refuses() {
        for dims in [
            vec![-1],
            vec![1 << 32, 1 << 32],
            vec![1 << 62, 4, 0],
            vec![1; 255],
        ] {
            let bytes = tensor(DataType::DtFloat, &dims).encode_to_vec();
            assert_eq!(decode(&bytes), Err(Skip::Tensor), "{dims:?}");
        }
        for dims in [vec![], vec![0], vec![1 << 40, 0, 3], vec![1; 254]] {
            assert!(
                decode(&tensor(DataType::DtFloat, &dims).encode_to_vec()).is_ok(),
                "{dims:?}"
            );
        }
    }

    #[test]
    fn content_of_the_wrong_length_is_refused() {
        for length in [3, 5, 11, 13] {
            let mut proto = tensor(DataType::DtFloat, &[3]);
            proto.tensor_content = vec![0; length].into();
            assert_eq!(
                decode(&proto.encode_to_vec()),
                Err(Skip::Tensor),
                "{length}"
            );
        }
    }

    #[test]
    fn strings_in_both_encodings() {
        let mut typed = tensor(DataType::DtString, &[2]);
        typed.string_val = vec![b"ab".to_vec(), b"".to_vec()];
        let mut packed = tensor(DataType::DtString, &[2]);
        packed.tensor_content = vec![2, 0, b'a', b'b'].into();
        for proto in [typed, packed] {
            let bytes = proto.encode_to_vec();
            let elements = decode(&bytes).unwrap().elements;
            assert_eq!(elements, Elements::Strings(vec![b"ab", b""]));
        }
        let mut cut = tensor(DataType::DtString, &[2]);
        cut.tensor_content = vec![2, 0, b'a'].into();
        assert_eq!(decode(&cut.encode_to_vec()), Err(Skip::Tensor));
    }

    #[test]
    fn resources_have_no_values_and_unknown_types_no_meaning() {
        let mut proto = tensor(DataType::DtResource, &[1]);
        assert_eq!(decode(&proto.encode_to_vec()), Err(Skip::DataType));
        proto.dtype = 77;
        assert_eq!(decode(&proto.encode_to_vec()), Err(Skip::Tensor));
    }
}
