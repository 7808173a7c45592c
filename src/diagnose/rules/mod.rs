//! The rules, one function each, grouped by what they look at.

mod caching;
mod origin;
mod parts;
mod shape;
#[cfg(test)]
mod tests;
mod values;
mod versions;
mod wire;

use super::facts::Facts;
use super::{Opinion, Rule, confirm};
use crate::report::Category;

/// Rows lived with before the trouble began: what has long been so cannot have brought it about.
const LONG: u64 = 64;
/// Fewer distinct effective inputs than this prove nothing about a model.
const ENOUGH: u64 = 8;

/// All rules in the order of judgement.
pub(super) const IN_ORDER: &[Rule] = &[
    rule("D1", Category::Client, wire::d1),
    rule("D2", Category::Signature, wire::d2),
    rule("D3", Category::Signature, wire::d3),
    rule("D4", Category::Signature, parts::d4),
    rule("D7", Category::Signature, parts::d7),
    rule("D21", Category::Runtime, values::d21),
    rule("D23", Category::Runtime, values::d23),
    rule("D12", Category::Loading, versions::d12),
    rule("D13", Category::Loading, versions::d13),
    rule("D14", Category::Loading, versions::d14),
    rule("D16", Category::Configuration, versions::d16),
    rule("D17", Category::Configuration, versions::d17),
    rule("D18", Category::Configuration, versions::d18),
    rule("D19", Category::Caching, caching::d19),
    rule("D5", Category::Signature, shape::d5),
    rule("D6", Category::Signature, shape::d6),
    rule("D8", Category::Signature, shape::d8),
    rule("D9", Category::Signature, origin::d9),
    rule("D22", Category::Runtime, origin::d22),
    rule("D10", Category::Loading, origin::d10),
    rule("D11", Category::Loading, origin::d11),
    rule("D15", Category::Loading, origin::d15),
    rule("D20", Category::Training, origin::d20),
];

const fn rule(id: &'static str, category: Category, judge: fn(&Facts) -> Opinion) -> Rule {
    Rule {
        id,
        category,
        judge,
    }
}

fn likely(weight: f64, evidence: Vec<String>, confirm: String) -> Opinion {
    Opinion::For {
        weight,
        certain: false,
        evidence,
        confirm,
    }
}

fn certain(evidence: Vec<String>, confirm: String) -> Opinion {
    Opinion::For {
        weight: 1.0,
        certain: true,
        evidence,
        confirm,
    }
}

/// The command that asks the running server, and with `--probe` tries it.
fn doctor(facts: &Facts, probe: bool) -> String {
    if probe {
        let (version, signature) = (facts.version, &facts.signature);
        return facts.reach.probe(&facts.model, version, signature);
    }
    facts.reach.doctor(&facts.model)
}

/// The folder of the version that answers.
fn folder(facts: &Facts) -> String {
    let disk = facts.truth.disk.as_ref();
    confirm::path(disk.map_or("", |disk| disk.base.as_str()), facts.version)
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}
