//! The seam between decoding and detection: the rows of one call for one output tensor.

use std::sync::Arc;

/// Width of an input sketch. Inputs of at most this many columns are kept as they are, wider
/// ones are count-sketched into it (Charikar, Chen, Farach-Colton 2002).
pub const SKETCH: usize = 64;

/// Values kept of an output row; wider rows are projected down to this many before they get here.
pub const OUTPUT_WIDTH: usize = 16;

/// The rows of one call for one output tensor. `inputs` and `outputs` have the same number of rows.
#[derive(Debug, Clone)]
pub struct CallRows {
    /// Number of the call, in the order of analysis, from 0.
    pub call: u64,
    /// Number of the client's connection.
    pub connection: u64,
    /// When the reply was complete, nanoseconds since the Unix epoch; may step back.
    pub at_nanos: i64,
    /// How long the call took, nanoseconds.
    pub latency_nanos: i64,
    /// The inputs, shared by all output tensors of the call.
    pub inputs: Arc<InputRows>,
    /// The outputs.
    pub outputs: OutputRows,
}

/// Input rows of one call.
#[derive(Debug, Clone, Default)]
pub struct InputRows {
    /// Fingerprint of each effective row: all inputs but the ignored ones, whichever field
    /// carried them.
    pub effective: Vec<u64>,
    /// Fingerprint of each row as the client sent it. Equal to `effective` where every tensor
    /// was fully encoded.
    pub raw: Vec<u64>,
    /// `rows * SKETCH` numbers, row-major: see [`SKETCH`]. Unused columns are 0; NaN inputs are 0.
    pub sketch: Vec<f32>,
    /// The inputs in the order of the sketch's columns, and how many columns each has; empty
    /// where columns are mixed because there are too many, or text among them.
    pub columns: Vec<(String, u64)>,
    /// Where they are mixed: whether an input of a row for each is the same in all rows.
    pub held: bool,
}

/// Output rows of one call.
#[derive(Debug, Clone, Default)]
pub struct OutputRows {
    /// Exact fingerprint of each row.
    pub exact: Vec<u64>,
    /// Whether the elements of the row are finite.
    pub numbers: Vec<Numbers>,
    /// Index of the largest element of each row; 0 for rows of one element and for strings.
    pub argmax: Vec<u32>,
    /// Elements in a row before any projection.
    pub width: usize,
    /// What the numbers are.
    pub kind: ValueKind,
    /// `rows * min(width, OUTPUT_WIDTH)` numbers, row-major. Wider rows hold a fixed Gaussian
    /// projection of what is finite. In narrow ones NaN stays NaN, and
    /// infinity of one sign, beside numbers or alone, is 0. For strings one number a row, a hash of the value.
    pub values: Vec<f64>,
    /// Largest absolute difference of `sum(row) - 1` over the call where every element is in
    /// `[0, 1]` and the row is wider than one; `None` otherwise. Tells class scores.
    pub simplex_error: Option<f64>,
}

impl OutputRows {
    /// Takes NaN and infinity for values as any other: 0 among the numbers, and told apart by their
    /// fingerprints.
    pub fn take_non_finite(&mut self) {
        self.numbers.fill(Numbers::Finite);
        let broken = self.values.iter_mut().filter(|value| !value.is_finite());
        broken.for_each(|value| *value = 0.0);
    }
}

/// Whether the numbers of a row are numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Numbers {
    /// All are finite; text is.
    #[default]
    Finite,
    /// Some are finite, the rest is infinity of one sign.
    Masked,
    /// The one number of the row is infinity.
    Infinite,
    /// NaN or infinity.
    Broken,
}

impl Numbers {
    /// Of these numbers.
    #[must_use]
    pub fn of(elements: &[f64]) -> Self {
        if elements.iter().all(|value| value.is_finite()) {
            return Numbers::Finite;
        }
        if let [f64::INFINITY | f64::NEG_INFINITY] = elements {
            return Numbers::Infinite;
        }
        let of_one_sign = [f64::INFINITY, f64::NEG_INFINITY].iter().any(|infinity| {
            let mut all = elements.iter();
            all.all(|value| value.is_finite() || value == infinity)
        });
        if of_one_sign && elements.iter().any(|value| value.is_finite()) {
            return Numbers::Masked;
        }
        Numbers::Broken
    }

    /// Whether all of them are finite.
    #[must_use]
    pub fn are_finite(self) -> bool {
        self == Numbers::Finite
    }
}

/// What the numbers of an output row are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// Floating point of any width; complex numbers as two columns.
    #[default]
    Float,
    /// Integers and booleans.
    Integer,
    /// Strings: only equality means anything.
    Label,
}
