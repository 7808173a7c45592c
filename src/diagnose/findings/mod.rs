//! What is true of a deployment without any collapse: the same causes as the rules', judged from
//! the newest calls of a series and from what is known of its model. Facts in, findings out.

mod feed;
mod refused;
#[cfg(test)]
mod tests;
mod versions;

pub use refused::{Reason, Refused, of_refused};

use super::Reach;
use super::facts::{Asked, ModelTruth, Signature};
use crate::report::{Category, Finding};
use std::collections::{BTreeMap, BTreeSet};

/// Sentences that one finding may hold.
const MOST_EVIDENCE: usize = 8;
/// Findings that help anybody at once.
const MOST_FINDINGS: usize = 64;

/// The newest calls of one series.
#[derive(Debug, Clone, Default)]
pub struct Recent {
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
    /// Calls looked at.
    pub calls: u64,
    /// Those before the server was last asked, to which the signature applies.
    pub before_asked: u64,
    /// Calls by input that they sent.
    pub sent: BTreeMap<String, u64>,
    /// Inputs whose values sit where TensorFlow does not read them.
    pub unread: BTreeMap<String, UnreadInput>,
    /// Calls in which one value stands for every element, and no other input holds more.
    pub narrow: u64,
    /// Calls since the first of those.
    pub since_narrow: u64,
    /// Distinct inputs of those calls.
    pub narrow_inputs: u64,
    /// Rows whose inputs held more, before the first such call.
    pub wide_before: u64,
    /// What the signature promises; `None` when the metadata is unknown.
    pub signature_def: Option<Signature>,
    /// How the output differs from that, in words.
    pub mismatch: Option<String>,
    /// The input that every output equals in every call, if its values vary.
    pub echo_of: Option<String>,
    /// Calls of several rows.
    pub batches: u64,
    /// Those whose output had another number of rows.
    pub batches_not_followed: u64,
    /// Sizes of those batches, and of the output's first dimension in their replies.
    pub batch_sizes: u64,
    /// See `batch_sizes`.
    pub output_sizes: u64,
    /// Those of which no output had that many rows.
    pub nothing_followed: u64,
    /// The output is one and the same by design, as far as can be told.
    pub is_meant: bool,
    /// Its newest row is of real numbers that are not all near 0 or 1: nothing quiet, cut or empty.
    pub is_telling: bool,
    /// Inputs that are left out of the fingerprints were sent.
    pub ignores: bool,
    /// Distinct inputs and outputs of the rows, where a batch was not followed.
    pub distinct_inputs: u64,
    /// See `distinct_inputs`.
    pub distinct_outputs: u64,
    /// Rows whose input came before, and those among them that got another output than then.
    pub repeats: u64,
    /// See `repeats`.
    pub repeats_changed: u64,
}

/// An input whose values are not read.
#[derive(Debug, Clone, Default)]
pub struct UnreadInput {
    /// TensorFlow's name of the type.
    pub dtype: String,
    /// The field that holds the values, as `double_val`.
    pub field: String,
    /// Elements declared, and values in the type's own field, of the newest such call.
    pub filled: (u64, u64),
    /// Calls.
    pub calls: u64,
    /// Client libraries that sent it.
    pub clients: BTreeSet<String>,
}

impl Recent {
    /// The command that tries it.
    fn probe(&self) -> String {
        self.reach.probe(&self.model, self.version, &self.signature)
    }

    /// Counts a call with values in a field that is not read.
    pub fn note_unread(
        &mut self,
        input: String,
        dtype: &str,
        field: &'static str,
        filled: (u64, u64),
        client: String,
    ) {
        let noted = self.unread.entry(input).or_default();
        dtype.clone_into(&mut noted.dtype);
        field.clone_into(&mut noted.field);
        noted.filled = filled;
        noted.calls += 1;
        if noted.clients.len() < 4 {
            noted.clients.insert(client);
        }
    }
}

/// The versions of a model that answered lately.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    /// By version.
    pub versions: BTreeMap<i64, Replies>,
}

/// What is known of one version's replies.
#[derive(Debug, Clone, Default)]
pub struct Replies {
    /// Since when it has answered without a pause, nanoseconds since the Unix epoch.
    pub steady_nanos: i64,
    /// When it last did.
    pub last_nanos: i64,
    /// What those calls asked for.
    pub asked: Asked,
}

/// What the newest calls of a series say.
#[must_use]
pub fn of_series(recent: &Recent) -> Vec<Finding> {
    let rules = [feed::d2, feed::d3, feed::d5, feed::d6, feed::d25];
    let found = rules.iter().filter_map(|rule| rule(recent));
    let version = Some(recent.version);
    found
        .map(|finding| Finding { version, ..finding })
        .collect()
}

/// What is known of a model says.
#[must_use]
pub fn of_model(
    model: &str,
    reach: &Reach,
    truth: &ModelTruth,
    answered: &Answered,
) -> Vec<Finding> {
    let scene = versions::Scene {
        model,
        reach,
        truth,
        answered,
    };
    let rules = [
        versions::d12,
        versions::d13,
        versions::d16,
        versions::d17,
        versions::d18,
    ];
    rules.iter().filter_map(|rule| rule(&scene)).collect()
}

/// One finding a rule and model, in the order of both; what several series say stands together.
#[must_use]
pub fn merge(found: Vec<Finding>) -> Vec<Finding> {
    let mut merged: BTreeMap<(String, u32), Finding> = BTreeMap::new();
    for finding in found {
        let number = finding.rule.trim_start_matches('D').parse().unwrap_or(0);
        match merged.get_mut(&(finding.model.clone(), number)) {
            None => {
                merged.insert((finding.model.clone(), number), finding);
            }
            Some(known) => {
                known.certain |= finding.certain;
                known.version = known.version.max(finding.version);
                for line in finding.evidence {
                    if known.evidence.len() < MOST_EVIDENCE && !known.evidence.contains(&line) {
                        known.evidence.push(line);
                    }
                }
            }
        }
    }
    merged.into_values().take(MOST_FINDINGS).collect()
}

fn finding(
    rule: &str,
    model: &str,
    category: Category,
    certain: bool,
    evidence: Vec<String>,
    confirm: String,
) -> Finding {
    Finding {
        rule: rule.to_owned(),
        model: model.to_owned(),
        version: None,
        category,
        certain,
        evidence,
        confirm,
    }
}
