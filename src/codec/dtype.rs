//! TensorFlow's element types: their numbers, sizes, and the typed field that holds each.

use crate::proto::tensorflow::DataType;

/// The typed value fields of `TensorProto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Field {
    Float,
    Double,
    Int,
    String,
    SComplex,
    Int64,
    Bool,
    DComplex,
    Half,
    UInt32,
    UInt64,
    Float8,
}

impl Field {
    /// The field's number in `TensorProto`.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Field> {
        Some(match number {
            5 => Field::Float,
            6 => Field::Double,
            7 => Field::Int,
            8 => Field::String,
            9 => Field::SComplex,
            10 => Field::Int64,
            11 => Field::Bool,
            12 => Field::DComplex,
            13 => Field::Half,
            16 => Field::UInt32,
            17 => Field::UInt64,
            18 => Field::Float8,
            _ => return None,
        })
    }

    /// The field's name in `TensorProto`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Field::Float => "float_val",
            Field::Double => "double_val",
            Field::Int => "int_val",
            Field::String => "string_val",
            Field::SComplex => "scomplex_val",
            Field::Int64 => "int64_val",
            Field::Bool => "bool_val",
            Field::DComplex => "dcomplex_val",
            Field::Half => "half_val",
            Field::UInt32 => "uint32_val",
            Field::UInt64 => "uint64_val",
            Field::Float8 => "float8_val",
        }
    }
}

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Real floating point.
    Float,
    /// Two floats.
    Complex,
    /// Whole numbers, signed or not, quantised ones too.
    Integer,
    /// True or false, one byte.
    Bool,
    /// Bytes of any length.
    String,
}

/// An element type with values to compare; resources and variants are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DType {
    /// TensorFlow's number for it.
    pub number: DataType,
    /// Bytes of one element in `tensor_content`; 0 for strings.
    pub size: usize,
    /// The field that TensorFlow reads when `tensor_content` is empty.
    pub field: Field,
    /// What an element is.
    pub class: Class,
}

impl DType {
    /// The type for TensorFlow's number; `None` where there is no such type, or it has no
    /// comparable values.
    #[must_use]
    pub fn from_number(number: i32) -> Option<DType> {
        use DataType::*;
        let number = DataType::try_from(number).ok()?;
        let (size, field, class) = match number {
            DtFloat => (4, Field::Float, Class::Float),
            DtDouble => (8, Field::Double, Class::Float),
            DtHalf | DtBfloat16 => (2, Field::Half, Class::Float),
            DtFloat8E5m2 | DtFloat8E4m3fn | DtFloat8E4m3fnuz | DtFloat8E4m3b11fnuz
            | DtFloat8E5m2fnuz | DtFloat4E2m1fn => (1, Field::Float8, Class::Float),
            DtInt32 | DtQint32 => (4, Field::Int, Class::Integer),
            DtInt16 | DtUint16 | DtQint16 | DtQuint16 => (2, Field::Int, Class::Integer),
            DtInt8 | DtUint8 | DtQint8 | DtQuint8 | DtInt4 | DtUint4 | DtInt2 | DtUint2 => {
                (1, Field::Int, Class::Integer)
            }
            DtInt64 => (8, Field::Int64, Class::Integer),
            DtUint32 => (4, Field::UInt32, Class::Integer),
            DtUint64 => (8, Field::UInt64, Class::Integer),
            DtBool => (1, Field::Bool, Class::Bool),
            DtComplex64 => (8, Field::SComplex, Class::Complex),
            DtComplex128 => (16, Field::DComplex, Class::Complex),
            DtString => (0, Field::String, Class::String),
            DtInvalid | DtResource | DtVariant => return None,
        };
        Some(DType {
            number,
            size,
            field,
            class,
        })
    }

    /// TensorFlow's name, as `DT_FLOAT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.number.as_str_name()
    }

    /// One element as a number; complex ones give their real part. 0 for strings and for a
    /// slice of the wrong length.
    #[must_use]
    #[inline]
    pub fn value(self, bytes: &[u8]) -> f64 {
        use DataType::*;
        fn le<const N: usize>(bytes: &[u8]) -> [u8; N] {
            bytes.first_chunk::<N>().copied().unwrap_or([0; N])
        }
        match self.number {
            DtFloat | DtComplex64 => f64::from(f32::from_le_bytes(le(bytes))),
            DtDouble | DtComplex128 => f64::from_le_bytes(le(bytes)),
            DtHalf => f64::from(half::f16::from_le_bytes(le(bytes))),
            DtBfloat16 => f64::from(half::bf16::from_le_bytes(le(bytes))),
            DtInt32 | DtQint32 => f64::from(i32::from_le_bytes(le(bytes))),
            DtInt16 | DtQint16 => f64::from(i16::from_le_bytes(le(bytes))),
            DtUint16 | DtQuint16 => f64::from(u16::from_le_bytes(le(bytes))),
            DtInt8 | DtQint8 | DtInt4 | DtInt2 => f64::from(i8::from_le_bytes(le(bytes))),
            DtInt64 => i64::from_le_bytes(le(bytes)) as f64,
            DtUint32 => f64::from(u32::from_le_bytes(le(bytes))),
            DtUint64 => u64::from_le_bytes(le(bytes)) as f64,
            DtFloat8E5m2 => minifloat(le::<1>(bytes)[0], 2, 15, Special::Ieee),
            DtFloat8E4m3fn => minifloat(le::<1>(bytes)[0], 3, 7, Special::NanOnly),
            DtFloat8E4m3fnuz => minifloat(le::<1>(bytes)[0], 3, 8, Special::Fnuz),
            DtFloat8E4m3b11fnuz => minifloat(le::<1>(bytes)[0], 3, 11, Special::Fnuz),
            DtFloat8E5m2fnuz => minifloat(le::<1>(bytes)[0], 2, 16, Special::Fnuz),
            DtFloat4E2m1fn => float4(le::<1>(bytes)[0]),
            DtUint8 | DtQuint8 | DtUint4 | DtUint2 | DtBool => f64::from(le::<1>(bytes)[0]),
            DtString | DtInvalid | DtResource | DtVariant => 0.0,
        }
    }
}

#[derive(Clone, Copy)]
enum Special {
    /// The largest exponent means infinity or NaN.
    Ieee,
    /// No infinity; all ones is NaN.
    NanOnly,
    /// No infinity and no negative zero; its code is NaN.
    Fnuz,
}

/// An 8-bit float. Source: "FP8 Formats for Deep Learning" (2022) and the fnuz variants.
fn minifloat(bits: u8, mantissa_bits: u32, bias: i32, special: Special) -> f64 {
    let sign = if bits & 0x80 == 0 { 1.0 } else { -1.0 };
    let mantissa = u32::from(bits) & ((1 << mantissa_bits) - 1);
    let exponent = (u32::from(bits) & 0x7f) >> mantissa_bits;
    let highest = (1_u32 << (7 - mantissa_bits)) - 1;
    let fraction = f64::from(mantissa) / f64::from(1_u32 << mantissa_bits);
    match special {
        Special::Fnuz if bits == 0x80 => f64::NAN,
        Special::Ieee if exponent == highest && mantissa == 0 => sign * f64::INFINITY,
        Special::Ieee if exponent == highest => f64::NAN,
        Special::NanOnly if bits & 0x7f == 0x7f => f64::NAN,
        _ if exponent == 0 => sign * fraction * 2_f64.powi(1 - bias),
        _ => sign * (1.0 + fraction) * 2_f64.powi(exponent as i32 - bias),
    }
}

/// A 4-bit float: one bit of sign, two of exponent, one of mantissa, no infinity and no NaN.
/// Source: "OCP Microscaling Formats" (2023), E2M1.
fn float4(bits: u8) -> f64 {
    const MAGNITUDES: [f64; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
    let magnitude = MAGNITUDES[usize::from(bits & 7)];
    if bits & 8 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bit_floats_have_their_published_extremes() {
        let value = |number, bits: u8| DType::from_number(number as i32).unwrap().value(&[bits]);
        assert_eq!(value(DataType::DtFloat8E5m2, 0x7b), 57344.0);
        assert!(value(DataType::DtFloat8E5m2, 0x7c).is_infinite());
        assert_eq!(value(DataType::DtFloat8E4m3fn, 0x7e), 448.0);
        assert!(value(DataType::DtFloat8E4m3fn, 0x7f).is_nan());
        assert_eq!(value(DataType::DtFloat8E4m3fnuz, 0x7f), 240.0);
        assert!(value(DataType::DtFloat8E4m3fnuz, 0x80).is_nan());
        assert_eq!(value(DataType::DtFloat8E4m3b11fnuz, 0x7f), 30.0);
        assert_eq!(value(DataType::DtFloat8E5m2fnuz, 0x7f), 57344.0);
        assert_eq!(value(DataType::DtFloat8E4m3fn, 0x01), 2_f64.powi(-9));
    }

    #[test]
    fn types_without_values_are_none() {
        for number in [0, 20, 21, 34, 101, -1, i32::MAX] {
            assert_eq!(DType::from_number(number), None, "{number}");
        }
    }
}
