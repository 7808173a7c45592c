//! Which cause is likely: the rules D1 to D25, each a small pure function of the facts.
//!
//! Order of judgement: enough distinct inputs, then proofs on the wire, then values and batches,
//! the truths about versions, caches, shapes, determinism, and last what only fits by its onset.
//! A rule that holds certain proof stops the search. "Unknown" is an answer: no cause at all.

pub mod accounts;
pub(crate) mod confirm;
pub mod facts;
pub mod findings;
mod rules;
pub mod truth;

pub use confirm::Reach;

use crate::report::{Category, Cause, RuledOut};
use facts::Facts;

/// What a rule makes of the facts.
#[derive(Debug, Clone, PartialEq)]
pub enum Opinion {
    /// The facts speak for this cause.
    For {
        /// 0 to 1: how well the facts fit, before the other causes are weighed against it.
        weight: f64,
        /// Proved on the wire or by the server's own word.
        certain: bool,
        /// Sentences with numbers.
        evidence: Vec<String>,
        /// A command that confirms or refutes it.
        confirm: String,
    },
    /// The facts speak against it: a sentence with numbers.
    Against(String),
    /// The facts that would tell are not to be had, or the rule does not apply.
    Silent,
}

/// One cause of the catalogue.
pub struct Rule {
    /// `D1` to `D25`.
    pub id: &'static str,
    /// Where the cause lies.
    pub category: Category,
    judge: fn(&Facts) -> Opinion,
}

/// Causes, most likely first, and what was ruled out. No cause means: unknown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// At most [`MOST_CAUSES`].
    pub causes: Vec<Cause>,
    /// In the order of judgement.
    pub ruled_out: Vec<RuledOut>,
}

/// More than this many causes help nobody at night.
pub const MOST_CAUSES: usize = 4;

/// Below this weight a fit is no better than a guess, and a wrong cause is worse than none.
const LEAST_WEIGHT: f64 = 0.15;

/// Judges the facts of one series that is not quiet.
#[must_use]
pub fn judge(facts: &Facts) -> Judgement {
    let mut judgement = Judgement::default();
    let mut proved = false;
    for rule in rules::IN_ORDER {
        match (rule.judge)(facts) {
            Opinion::For {
                weight,
                certain,
                evidence,
                confirm,
            } if !proved || certain => {
                proved |= certain;
                if certain || weight >= LEAST_WEIGHT {
                    judgement.causes.push(Cause {
                        rule: rule.id.to_owned(),
                        category: rule.category,
                        weight: weight.clamp(0.0, 1.0),
                        certain,
                        evidence,
                        confirm,
                    });
                }
            }
            Opinion::Against(why) => {
                judgement.ruled_out.push(RuledOut {
                    rule: rule.id.to_owned(),
                    why,
                });
            }
            Opinion::For { .. } | Opinion::Silent => {}
        }
    }
    if proved {
        judgement.causes.retain(|cause| cause.certain);
    }
    weigh(&mut judgement.causes);
    judgement
}

/// Turns fits into shares, so that two good fits are shown as two halves, and one weak fit as weak.
fn weigh(causes: &mut Vec<Cause>) {
    let total: f64 = causes.iter().map(|cause| cause.weight).sum();
    for cause in causes.iter_mut() {
        cause.weight /= total.max(1.0);
    }
    // Stable: the order of judgement breaks ties.
    causes.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    causes.truncate(MOST_CAUSES);
}
