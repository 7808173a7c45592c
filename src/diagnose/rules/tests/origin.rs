//! What fits by its onset alone.

use super::{collapsed, first, rules_out};
use crate::diagnose::facts::{Disk, Facts, Previous};
use crate::diagnose::judge;
use crate::report::Kind;

#[test]
fn d22_another_model_was_loaded() {
    let mut facts = collapsed();
    facts.truth.other_load_at_onset = Some("big".to_owned());
    let weight = |facts: &Facts| judge(facts).causes[0].weight;
    assert_eq!(first(&facts).0, "D22");
    assert_eq!(weight(&facts), 0.4);
    facts.zero_share = 1.0;
    assert_eq!(first(&facts).0, "D22");
    assert_eq!(weight(&facts), 0.7);
    // Loads come and go: what has a reason of its own stands before one.
    facts.zero_share = 0.0;
    facts.kind = Some(Kind::CacheLike);
    assert_eq!(first(&facts).0, "D19");
}

#[test]
fn d10_near_uniform_and_d20_collapsed_are_told_apart() {
    let facts = Facts {
        kind: Some(Kind::NearConstant),
        from_first_reply: true,
        relative_entropy: Some(0.999),
        output_spread: Some(1e-4),
        distinct_outputs: 200,
        ..collapsed()
    };
    assert_eq!(first(&facts).0, "D10");
    let previous = Previous {
        version: 2,
        distinct_inputs: 412,
        distinct_outputs: 412,
    };
    let facts = Facts {
        from_first_reply: true,
        relative_entropy: Some(0.6),
        output_spread: Some(0.0),
        previous: Some(previous),
        ..collapsed()
    };
    assert_eq!(first(&facts).0, "D20");
    assert!(rules_out(&judge(&facts), "D10"));
}

#[test]
fn d15_needs_string_inputs() {
    let facts = Facts {
        only_text_varies: true,
        from_first_reply: true,
        ..collapsed()
    };
    let judgement = judge(&facts);
    assert!(judgement.causes.iter().any(|c| c.rule == "D15"));
    assert!(rules_out(&judge(&collapsed()), "D15"));
    // The disk tells whether the vocabulary is there.
    let with = |assets: &[(i64, u64)]| {
        let mut facts = facts.clone();
        facts.previous = Some(Previous {
            version: 2,
            distinct_inputs: 100,
            distinct_outputs: 100,
        });
        facts.truth.disk = Some(Disk {
            assets: assets.iter().copied().collect(),
            ..Disk::default()
        });
        first(&facts).0
    };
    assert_eq!(with(&[(2, 28_889), (3, 28_889)]), "D20");
    assert_eq!(with(&[(2, 28_889), (3, 6)]), "D15");
    assert_eq!(with(&[(3, 28_889)]), "D20");
}
