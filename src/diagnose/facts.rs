//! What the rules look at: counts over the rows since the onset, and the truths about the version.

use super::Reach;
pub use super::truth::{
    Asked, ConfigEntry, Disk, ModelTruth, Signature, TensorSpec, Truth, VersionStatus,
};
use crate::report::Kind;
use std::collections::BTreeMap;

/// Facts of one series, over the rows since the estimated onset that are still in the history.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// `model_spec.name`.
    pub model: String,
    /// The version that answered.
    pub version: i64,
    /// Signature name.
    pub signature: String,
    /// Output tensor.
    pub output: String,
    /// How the server is reached, for the commands to paste.
    pub reach: Reach,
    /// What the detectors say.
    pub kind: Option<Kind>,
    /// Whether the trouble was there from the first reply of this version.
    pub from_first_reply: bool,
    /// Calls and rows judged.
    pub calls: u64,
    /// Inputs that are left out of the fingerprints were sent.
    pub ignores: bool,
    /// Some input holds strings of which nothing is known: no tf.Example.
    pub unread_strings: bool,
    /// Mean time between two of those calls, nanoseconds.
    pub pause_nanos: f64,
    /// Rows judged.
    pub rows: u64,
    /// Distinct raw input rows.
    pub distinct_raw: u64,
    /// Distinct effective input rows.
    pub distinct_effective: u64,
    /// Distinct output rows.
    pub distinct_outputs: u64,
    /// Share of the commonest output, 0 to 1.
    pub top_output_share: f64,
    /// Share of rows with NaN or infinity, 0 to 1; not counted where they are meant.
    pub non_finite_share: f64,
    /// Next to no reply of this version was ever without them.
    pub never_finite: bool,
    /// NaN and infinity are values of this output as any other: the user says so.
    pub non_finite_is_meant: bool,
    /// Calls with such rows, and those among them whose inputs hold NaN,
    /// infinity or numbers beyond 1e19 themselves.
    pub non_finite_calls: u64,
    /// See `non_finite_calls`.
    pub non_finite_fed: u64,
    /// Share of rows whose elements are all zero, 0 to 1.
    pub zero_share: f64,
    /// By client library (`user-agent`): rows and distinct outputs.
    pub clients: BTreeMap<String, Split>,
    /// How each input was encoded.
    pub inputs: BTreeMap<String, Encoding>,
    /// What the signature promises; `None` when the metadata is unknown.
    pub signature_def: Option<Signature>,
    /// Inputs left out of some calls though the signature lists them, or earlier calls had them.
    pub left_out: BTreeMap<String, LeftOut>,
    /// Calls with values that TensorFlow does not read, or with none at all.
    pub unread: EncodedAlike,
    /// Calls in which one value stands for every element of an input, and no other input holds more.
    pub narrow: EncodedAlike,
    /// Rows before the trouble began whose inputs held values of their own.
    pub wide_before: u64,
    /// How the signature differs from that of the version before, in words.
    pub signature_changed: Option<String>,
    /// How the output differs from the signature or the previous version, in words.
    pub shape_mismatch: Option<String>,
    /// The input that the output is equal to, in every call.
    pub echo_of: Option<String>,
    /// Whether that input took several values, so that equality is no chance.
    pub echo_varies: bool,
    /// Calls of more than one row, and those among them of which no output had as many rows.
    pub batches: u64,
    /// See `batches`.
    pub batches_not_followed: u64,
    /// Replies of more than one row with distinct inputs, and those whose rows are all equal.
    pub replies_of_many: u64,
    /// See `replies_of_many`.
    pub replies_rows_equal: u64,
    /// A part of the inputs that varies from call to call is the same in all rows of most of those
    /// calls. What was before is of such calls then.
    pub rows_grouped: bool,
    /// Nine of ten such replies were so while all was well too.
    pub rows_equal_before: bool,
    /// Most replies to several distinct rows told them apart while all was well.
    pub rows_differed_before: bool,
    /// Distinct first rows over those replies: many means that replies differ.
    pub distinct_replies: u64,
    /// Mean entropy of class scores divided by `ln(classes)`, 0 to 1; `None` if not class scores.
    pub relative_entropy: Option<f64>,
    /// Largest spread (max - min) of any output element over the rows; 0 is byte-equal.
    pub output_spread: Option<f64>,
    /// Median latency of rows that repeat an earlier output and of the others, nanoseconds.
    pub latency: Option<Latency>,
    /// Same input seen again, and how often the reply had changed.
    pub repeats: u64,
    /// See `repeats`.
    pub repeats_changed: u64,
    /// Rows of calls with one row, and of calls with more.
    pub single: Split,
    /// See `single`.
    pub batched: Split,
    /// As `output_spread`, of the rows of calls with one row and with more.
    pub single_spread: Option<f64>,
    /// See `single_spread`.
    pub batched_spread: Option<f64>,
    /// Scalar bool or float inputs: value -> the rows with it.
    pub controls: BTreeMap<String, BTreeMap<String, Part>>,
    /// A scalar bool or float input that has another value since the onset, in words.
    pub control_changed: Option<String>,
    /// tf.Example features that appeared or went at the onset, in words.
    pub example_keys_changed: Option<String>,
    /// Features that some of the tf.Examples have, or had before the onset, and others lack; all of them
    /// where there is no such. 8 at the most.
    pub example_features: Vec<String>,
    /// The rows by the features that their tf.Examples have, where there is more than one set.
    pub example_keys: BTreeMap<String, Part>,
    /// The inputs that hold text (no picture, no tf.Example) alone tell the rows apart: numbers beside
    /// them, if any, stay the same.
    pub only_text_varies: bool,
    /// In what else the calls since the onset differ from those before: inputs, shapes, encodings,
    /// control values, features, or a column at rest; in words. Of outputs that are no numbers alone.
    pub request_changed: Option<String>,
    /// How the inputs changed at the onset (range, mean), in words.
    pub input_shift: Option<String>,
    /// Whether enough is known of the inputs before the onset to say that they did not change.
    pub inputs_known: bool,
    /// Bytes of the variables of this version and of the one before it on disk.
    pub variables: Option<(u64, u64)>,
    /// What the version before did with this output.
    pub previous: Option<Previous>,
    /// What the server and the disk say.
    pub truth: Truth,
}

impl Facts {
    /// The outputs hold NaN or infinity where the inputs do.
    #[must_use]
    pub fn is_fed_non_finite(&self) -> bool {
        self.non_finite_calls > 0 && self.non_finite_fed * 10 >= self.non_finite_calls * 9
    }
}

/// Rows of one part of the traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    /// Rows.
    pub rows: u64,
    /// Distinct effective inputs among them.
    pub distinct_inputs: u64,
    /// Distinct outputs among them.
    pub distinct_outputs: u64,
}

impl Split {
    /// Many inputs, few outputs: at least 8 inputs, and at least 8 inputs to an output.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.distinct_inputs >= 8 && self.distinct_outputs * 8 <= self.distinct_inputs
    }

    /// Clearly varied: at least 8 inputs, at least half as many outputs.
    #[must_use]
    pub fn varies(&self) -> bool {
        self.distinct_inputs >= 8 && self.distinct_outputs * 2 >= self.distinct_inputs
    }
}

/// How one input was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// TensorFlow's name of the type, as `DT_FLOAT`.
    pub dtype: String,
    /// Calls that sent it.
    pub calls: u64,
    /// Calls whose typed field held fewer values than elements, so that TensorFlow repeated the
    /// last one, or filled with zeros where there was none.
    pub calls_filled: u64,
    /// Calls with values in a field that TensorFlow does not read for this type.
    pub calls_foreign: u64,
    /// One such call: elements declared, values in the type's own field.
    pub example: (u64, u64),
    /// The field that held the unread values, as `double_val`.
    pub foreign_field: Option<String>,
    /// Calls whose own field lacked values that stand in a field that is not read, or held none.
    pub calls_unread: u64,
    /// The most elements declared where one value was given.
    pub one_value: u64,
}

/// An input that some or all calls leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Calls without it.
    pub calls: u64,
    /// Rows of those calls.
    pub without: Split,
    /// Rows of calls that have it.
    pub with: Split,
    /// Rows that lacked it before the trouble began, the older version's among them.
    pub rows_before: u64,
    /// Rows that had it before the trouble began, the older version's among them.
    pub sent_before: u64,
    /// Rows among those that had it that this version answered.
    pub sent_here: u64,
    /// No call left it out before the alert fired.
    pub late: bool,
    /// The newest rows of calls that have it which, one behind another, got the output that is the
    /// commonest since the onset.
    pub flat_with: u64,
    /// See [`Part::moved`], of the calls without it.
    pub moved: bool,
}

/// One part of the traffic, since the trouble began and before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// Since it began.
    pub now: Split,
    /// Rows before it began since the part first came, the older version's among them.
    pub rows_before: u64,
    /// Other inputs of its calls lie elsewhere than before, have a column at rest that varies in the
    /// other calls, or hold what cannot be measured, as text.
    pub moved: bool,
}

/// Rows of calls that are encoded alike, as those with values that TensorFlow does not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncodedAlike {
    /// Calls.
    pub calls: u64,
    /// Rows.
    pub rows: u64,
    /// Distinct inputs as sent.
    pub distinct_raw: u64,
    /// Distinct inputs as decoded.
    pub distinct_effective: u64,
    /// Distinct outputs.
    pub distinct_outputs: u64,
    /// Such rows before the trouble began, the older version's among them.
    pub rows_before: u64,
    /// There was none before the alert fired.
    pub late: bool,
}

impl EncodedAlike {
    /// Many inputs as sent are few as decoded.
    #[must_use]
    pub fn collapses(&self) -> bool {
        self.distinct_raw >= 8 && self.distinct_effective * 8 <= self.distinct_raw
    }
}

/// Medians of the latency of two kinds of rows, all from calls of as many rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// Of rows whose output was seen before for another input, milliseconds.
    pub repeats_ms: f64,
    /// Of the others, milliseconds.
    pub others_ms: f64,
    /// Rows behind the first median.
    pub repeats: u64,
    /// Rows behind the second.
    pub others: u64,
}

impl Latency {
    /// Enough of both kinds to compare them.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.repeats >= 8 && self.others >= 8
    }

    /// The repeats took less than half the time of the others: they were not computed.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.is_known() && self.repeats_ms < 0.5 * self.others_ms
    }
}

/// The version before this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// Its number.
    pub version: i64,
    /// Distinct inputs it was seen with.
    pub distinct_inputs: u64,
    /// Distinct outputs it gave for them.
    pub distinct_outputs: u64,
}
