//! The shape of `/api/v1/verdicts` and of `flatline analyze --format json`: one shape for live
//! and offline, schema 1. Fields are added, never changed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the shape that is written and read here.
pub const SCHEMA: u32 = 1;

/// Everything that Flatline has to say at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this shape: 1.
    pub schema: u32,
    /// When, RFC 3339.
    pub at: String,
    /// What was seen so far, by all series together.
    pub observed: Observed,
    /// One entry per series, ordered by model, version, signature, output.
    pub series: Vec<Series>,
    /// The last 1,000 changes of state (offline: all), oldest first.
    pub transitions: Vec<Transition>,
    /// What is true of the deployment without any collapse.
    pub findings: Vec<Finding>,
}

/// Counters since start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Predict calls whose both bodies were read.
    pub calls: u64,
    /// Rows of those calls (a request of 32 rows is 32).
    pub rows: u64,
    /// Predict calls forwarded but not read, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Share of the inputs that are read at present, 0 to 1; below 1 only while the analyzer
    /// cannot keep up. Equal inputs are read all or not at all.
    #[serde(default = "all")]
    pub rate: f64,
}

impl Default for Observed {
    fn default() -> Self {
        Observed {
            calls: 0,
            rows: 0,
            skipped: BTreeMap::new(),
            rate: all(),
        }
    }
}

fn all() -> f64 {
    1.0
}

/// What is known of one model, resolved version, signature and output tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// `model_spec.name`.
    pub model: String,
    /// The version that answered.
    pub version: i64,
    /// `model_spec.signature_name`, `serving_default` when empty.
    pub signature: String,
    /// Key in the reply's `outputs`.
    pub output: String,
    /// Where the verdict stands.
    pub state: State,
    /// What kind of trouble; `None` while inactive.
    pub kind: Option<Kind>,
    /// Since when the series is in this state, RFC 3339; `None` before the first change.
    pub since: Option<String>,
    /// When its last row was answered, RFC 3339.
    #[serde(default)]
    pub last_row: Option<String>,
    /// Whether no row came in the last five minutes. Without rows no state changes: it stands as
    /// it was when they ended.
    #[serde(default)]
    pub idle: bool,
    /// How sure, 0 to 1; 0 while inactive.
    pub confidence: f64,
    /// What the detectors saw, in sentences with numbers; empty while inactive.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// How far the trouble reaches; `None` while inactive.
    #[serde(default)]
    pub incident: Option<Incident>,
    /// What the tests stand on.
    #[serde(default)]
    pub baseline: Baseline,
    /// What counts as one row of this output.
    #[serde(default)]
    pub row_is: RowIs,
    /// The sliding window, as it stands.
    pub window: Window,
    /// Likely causes, most likely first.
    pub causes: Vec<Cause>,
    /// Causes that the evidence speaks against.
    pub ruled_out: Vec<RuledOut>,
}

impl Series {
    /// What to know of a state without rows: when the last one came.
    #[must_use]
    pub fn ended(&self) -> Option<String> {
        let quiet = !self.idle || self.state == State::Inactive;
        let last = self.last_row.as_ref().filter(|_| !quiet)?;
        let second = last.split('.').next().unwrap_or(last);
        let second = second.trim_end_matches('Z');
        Some(format!(
            "no row since {second}Z: this stands as it was when they ended"
        ))
    }
}

/// How far the trouble of a series reaches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Row of the series, from 0, at which it began, as far as can be told.
    pub onset_row: Option<u64>,
    /// When that row was answered, RFC 3339, to 64 rows; `None` if it is too long ago.
    pub onset: Option<String>,
    /// Share of the rows with new inputs that are affected, 0 to 1.
    pub share: Option<f64>,
    /// Which inputs are affected, in words, where one column explains it.
    pub segment: Option<String>,
    /// Where in a batch the affected rows stand, in words.
    pub batch_position: Option<String>,
    /// Median latency of the affected rows, milliseconds.
    pub latency_affected_ms: Option<f64>,
    /// Median latency of the others, milliseconds.
    pub latency_others_ms: Option<f64>,
    /// The confidence in words: `likely`, `very likely`, `practically certain`.
    pub confidence: String,
}

/// What the tests of a series stand on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// `learning`, `ready`, or `restored` from an earlier process.
    pub state: String,
    /// Rows with new inputs seen so far; 3,072 make a baseline.
    pub rows: u64,
    /// Each test once the baseline stands.
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// Its name.
    pub test: String,
    /// Whether it can be trusted on this model.
    pub on: bool,
    /// Why it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What counts as one row of an output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowIs {
    /// Each entry of dimension 0, which is that of an input.
    #[default]
    Entry,
    /// The whole tensor: its dimension 0 is that of no input, or it has none.
    WholeReply,
}

/// State of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing to say.
    Inactive,
    /// Evidence, not yet enough to wake someone.
    Pending,
    /// Worth waking someone for.
    Firing,
    /// Was firing; the evidence has gone.
    Resolved,
}

/// Kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Distinct inputs, byte-equal outputs.
    Constant,
    /// Distinct inputs, floats that differ by noise only.
    NearConstant,
    /// Class scores vary, the winning class never does.
    #[serde(rename = "top1_constant")]
    Top1Constant,
    /// A part of the traffic gets one output.
    Partial,
    /// Rows of one reply are equal, replies differ.
    RowsEqual,
    /// NaN or infinity.
    NonFinite,
    /// Outputs repeat as a cache with too coarse a key would make them.
    CacheLike,
    /// A reply that belongs to an older state of the model or cache.
    Stale,
    /// Each reply belongs to an earlier request.
    Lagged,
    /// The output is one of the inputs.
    Echo,
    /// The client repeats one input: not the model's fault, never fires the model alert.
    InputCollapse,
}

/// Statistics of the sliding window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Rows in the window.
    pub rows: u64,
    /// Distinct raw input rows.
    pub distinct_inputs: u64,
    /// Distinct effective input rows: what the model really saw.
    pub distinct_effective_inputs: u64,
    /// Distinct output rows.
    pub distinct_outputs: u64,
    /// Share of the commonest output row, 0 to 1; 0 for an empty window.
    pub top_output_share: f64,
}

/// A likely cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Rule of the catalogue of causes, `D1` to `D25`.
    pub rule: String,
    /// Where the cause lies.
    pub category: Category,
    /// Weight against the other causes, 0 to 1.
    pub weight: f64,
    /// Proved on the wire, not inferred.
    pub certain: bool,
    /// Sentences with numbers.
    pub evidence: Vec<String>,
    /// A command that confirms or refutes it.
    pub confirm: String,
}

/// Where a cause lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A version did not load, or loaded wrongly.
    Loading,
    /// Inputs or outputs do not match the signature.
    Signature,
    /// Versions pinned, skipped or stale.
    Configuration,
    /// A cache with a bad key or life time.
    Caching,
    /// The model learned nothing, or unlearned it.
    Training,
    /// The client sends the same bytes.
    Client,
    /// A defect at run time: NaN, a device, rows of a batch.
    Runtime,
}

/// A cause that the evidence speaks against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuledOut {
    /// Rule of the catalogue of causes.
    pub rule: String,
    /// Why it cannot be this one, with numbers.
    pub why: String,
}

/// One change of state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When, RFC 3339, by the clock of the exchanges.
    pub at: String,
    /// `model_spec.name`.
    pub model: String,
    /// The version that answered.
    pub version: i64,
    /// Signature name.
    pub signature: String,
    /// Output tensor.
    pub output: String,
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
    /// Kind of trouble.
    pub kind: Option<Kind>,
    /// Rows of this series observed by then.
    pub rows: u64,
}

/// Something true of the deployment that needs no collapse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Rule of the catalogue of causes.
    pub rule: String,
    /// `model_spec.name`.
    pub model: String,
    /// The version it is about, the newest of several; `None` where it is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Where it lies.
    pub category: Category,
    /// Proved on the wire or on disk, not inferred.
    pub certain: bool,
    /// Sentences with numbers.
    pub evidence: Vec<String>,
    /// A command that confirms or refutes it.
    pub confirm: String,
}
