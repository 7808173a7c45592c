//! One Predict call as the analyzer sees it: fingerprints and facts, no payload.

pub use super::column::{Column, NEGATIVE, ROWS as ROWS_HELD};
use super::input_fact::fact;
pub use super::input_fact::{InputFact, Range};
use super::inputs::{self, Input};
use super::{Key, outputs};
use crate::codec::predict::{self, Asked, PredictView};
use crate::codec::tensor::Effective;
use crate::detect::rows::{InputRows, OutputRows};
use crate::skip::Skip;
use std::sync::Arc;

/// More rows in one call than any model takes; a declared shape cannot make more work than this.
const MAX_ROWS: u64 = 1 << 16;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionAsked {
    /// Neither version nor label.
    Latest,
    /// A version by number.
    Version(i64),
    /// A version by label.
    Label(String),
}

/// A call that was read.
#[derive(Debug, Clone)]
pub struct Call {
    /// `model_spec.name` of the request.
    pub model: String,
    /// The version that answered; that asked for where the reply names none, else 0.
    pub version: i64,
    /// Signature, `serving_default` when empty.
    pub signature: String,
    /// What the request named.
    pub asked: VersionAsked,
    /// How each input was sent, ordered by name.
    pub inputs: Arc<Vec<InputFact>>,
    /// The outputs, ordered by name.
    pub outputs: Vec<Output>,
    /// Whether each output equals an input.
    pub all_echo: bool,
    /// Whether some output has a row for each row of the request.
    pub any_followed: bool,
}

/// One output tensor.
#[derive(Debug, Clone)]
pub struct Output {
    /// Key in the reply's `outputs`.
    pub name: String,
    /// TensorFlow's name of the type.
    pub dtype: &'static str,
    /// Sizes of its dimensions.
    pub dims: Vec<u64>,
    /// The inputs, cut into as many rows as the output has.
    pub inputs: Arc<InputRows>,
    /// Its rows.
    pub rows: OutputRows,
    /// The requests's batch size, where all inputs agree on one.
    pub batch: Option<u64>,
    /// Whether the output has a row for each row of the request.
    pub followed: bool,
    /// The input that it equals element for element.
    pub echo_of: Option<String>,
}

/// Reads a request and its reply. Inputs named in `ignore` are left out of the fingerprint.
///
/// # Errors
/// The reason to skip the call.
pub fn read(request: &[u8], response: &[u8], ignore: &[String], key: &Key) -> Result<Call, Skip> {
    let request = predict::request(request)?;
    let response = predict::response(response)?;
    let sent = effective(&request)?;
    let mut received = effective(&response)?;
    // An empty tensor beside others holds no rows, as a history that nobody has yet; alone it is none.
    let is_empty = |(_, tensor): &(&str, Effective<'_>)| tensor.count == 0;
    received.retain(|named| !is_empty(named));
    if received.is_empty() || !sent.is_empty() && sent.iter().all(is_empty) {
        return Err(Skip::Empty);
    }
    let counted: Vec<_> = sent
        .iter()
        .zip(&request.tensors)
        .filter(|((name, tensor), _)| {
            tensor.count > 0 && !ignore.iter().any(|ignored| ignored == name)
        })
        .map(|((name, tensor), (_, view))| Input {
            name,
            tensor,
            unread: tensor.foreign.map(|_| key.hash(view.message())),
        })
        .collect();
    let batch = common_batch(&counted);
    let mut by_rows: Vec<(u64, Arc<InputRows>)> = Vec::new();
    let mut found = Vec::with_capacity(received.len());
    for (name, tensor) in &received {
        let followed = !tensor.dims.is_empty()
            && counted
                .iter()
                .any(|input| input.tensor.dims.first() == tensor.dims.first());
        let rows = if followed { tensor.rows() } else { 1 };
        if rows > MAX_ROWS {
            return Err(Skip::TooLarge);
        }
        let inputs = match by_rows.iter().find(|(n, _)| *n == rows) {
            Some((_, inputs)) => Arc::clone(inputs),
            None => {
                let inputs = Arc::new(inputs::rows(key, &counted, rows));
                by_rows.push((rows, Arc::clone(&inputs)));
                inputs
            }
        };
        found.push(Output {
            name: (*name).to_owned(),
            dtype: tensor.dtype.name(),
            dims: tensor.dims.clone(),
            inputs,
            rows: outputs::rows(key, name, tensor, rows),
            batch,
            followed,
            echo_of: echo(tensor, &sent),
        });
    }
    let numbers = found.iter().flat_map(|output| &output.rows.numbers);
    let broken = numbers.into_iter().any(|numbers| !numbers.are_finite());
    Ok(Call {
        model: request.spec.name.to_owned(),
        version: resolved(&request, &response),
        signature: request.spec.signature.to_owned(),
        asked: asked(request.spec.version),
        inputs: Arc::new(
            sent.iter()
                .map(|(name, tensor)| fact(name, tensor, broken))
                .collect(),
        ),
        all_echo: found.iter().all(|output| output.echo_of.is_some()),
        any_followed: found.iter().any(|output| output.followed),
        outputs: found,
    })
}

fn effective<'a>(view: &PredictView<'a>) -> Result<Vec<(&'a str, Effective<'a>)>, Skip> {
    view.tensors
        .iter()
        .map(|(name, tensor)| Ok((*name, tensor.effective()?)))
        .collect()
}

/// The first dimension of all inputs that have one, where they agree.
fn common_batch(inputs: &[Input<'_>]) -> Option<u64> {
    let mut sizes = inputs.iter().filter_map(|input| input.tensor.dims.first());
    let first = *sizes.next()?;
    sizes.all(|size| *size == first).then_some(first)
}

fn resolved(request: &PredictView<'_>, response: &PredictView<'_>) -> i64 {
    match (response.spec.version, request.spec.version) {
        (Asked::Version(version), _) | (_, Asked::Version(version)) => version,
        _ => 0,
    }
}

pub(crate) fn asked(version: Asked<'_>) -> VersionAsked {
    match version {
        Asked::Latest => VersionAsked::Latest,
        Asked::Version(version) => VersionAsked::Version(version),
        Asked::Label(label) => VersionAsked::Label(label.to_owned()),
    }
}

/// An output of one element may equal an input by chance; of two, over many calls, hardly.
fn echo(output: &Effective<'_>, sent: &[(&str, Effective<'_>)]) -> Option<String> {
    let same = |(_, input): &&(&str, Effective<'_>)| {
        input.dtype == output.dtype
            && input.count == output.count
            && input.given() == output.given()
            && input.elements == output.elements
    };
    sent.iter().find(same).map(|(name, _)| (*name).to_owned())
}
