//! One case a rule that it should name first, and the look-alikes it must leave alone.

use crate::diagnose::facts::{
    ConfigEntry, Disk, EncodedAlike, Encoding, Facts, Latency, Split, VersionStatus,
};
use crate::diagnose::{Judgement, judge};
use crate::report::Kind;

mod left_out;
mod origin;
mod parts;
mod proof;

const FLAT: Split = Split {
    rows: 100,
    distinct_inputs: 100,
    distinct_outputs: 1,
};
const VARIED: Split = Split {
    rows: 100,
    distinct_inputs: 100,
    distinct_outputs: 100,
};

/// A model that collapsed in the middle of a version: nothing else is known.
fn collapsed() -> Facts {
    Facts {
        model: "m".to_owned(),
        version: 3,
        output: "probabilities".to_owned(),
        kind: Some(Kind::Constant),
        calls: 100,
        rows: 200,
        distinct_raw: 200,
        distinct_effective: 200,
        distinct_outputs: 1,
        top_output_share: 1.0,
        inputs: [(
            "x".to_owned(),
            Encoding {
                dtype: "DT_FLOAT".to_owned(),
                calls: 100,
                ..Encoding::default()
            },
        )]
        .into(),
        clients: [("grpc-python/1.0".to_owned(), Split::default())].into(),
        ..Facts::default()
    }
}

fn first(facts: &Facts) -> (String, bool) {
    let judgement = judge(facts);
    let cause = judgement
        .causes
        .first()
        .unwrap_or_else(|| panic!("no cause: {judgement:?}"));
    assert!(!cause.evidence.is_empty() && !cause.confirm.is_empty());
    (cause.rule.clone(), cause.certain)
}

fn rules_out(judgement: &Judgement, rule: &str) -> bool {
    judgement.ruled_out.iter().any(|r| r.rule == rule)
}

#[test]
fn nothing_fits_means_unknown() {
    let judgement = judge(&collapsed());
    assert_eq!(judgement.causes, []);
    for rule in ["D1", "D2", "D20", "D21"] {
        assert!(rules_out(&judgement, rule), "{rule}");
    }
}

#[test]
fn d1_one_buffer_again_and_again() {
    let facts = Facts {
        distinct_raw: 1,
        distinct_effective: 1,
        kind: Some(Kind::InputCollapse),
        ..collapsed()
    };
    assert_eq!(first(&facts), ("D1".to_owned(), true));
    assert_eq!(judge(&facts).causes.len(), 1, "proof stops the search");
    // What differs for one input comes from something else.
    for odd in [
        Facts {
            distinct_outputs: 5,
            ..facts.clone()
        },
        Facts {
            ignores: true,
            ..facts
        },
    ] {
        assert!(!first(&odd).1);
    }
}

#[test]
fn d2_values_in_the_wrong_field() {
    let mut facts = Facts {
        distinct_effective: 1,
        unread: EncodedAlike {
            late: false,
            calls: 100,
            rows: 200,
            distinct_raw: 200,
            distinct_effective: 1,
            distinct_outputs: 1,
            rows_before: 0,
        },
        ..collapsed()
    };
    let x = facts.inputs.get_mut("x").expect("x");
    x.calls_foreign = 100;
    x.calls_unread = 100;
    x.foreign_field = Some("double_val".to_owned());
    x.example = (64, 0);
    assert_eq!(first(&facts), ("D2".to_owned(), true));
    let text = judge(&facts).causes[0].evidence.join("\n");
    assert!(
        text.contains("declares 64 elements and fills 0") && text.contains("double_val"),
        "{text}"
    );
}

#[test]
fn d4_and_d9_follow_the_client_not_the_version() {
    let facts = Facts {
        example_keys_changed: Some("`age` became `Age`".to_owned()),
        ..collapsed()
    };
    assert_eq!(first(&facts), ("D4".to_owned(), false));
    let facts = Facts {
        input_shift: Some("mean of `x` went from 0.5 to 127".to_owned()),
        ..collapsed()
    };
    assert_eq!(first(&facts), ("D9".to_owned(), false));
}

#[test]
fn d21_non_finite() {
    let facts = Facts {
        kind: Some(Kind::NonFinite),
        non_finite_share: 1.0,
        never_finite: true,
        ..collapsed()
    };
    assert_eq!(first(&facts), ("D21".to_owned(), true));
    let suddenly = Facts {
        never_finite: false,
        ..facts.clone()
    };
    assert_eq!(first(&suddenly), ("D21".to_owned(), false));
    let some = Facts {
        non_finite_share: 0.4,
        ..facts.clone()
    };
    assert_eq!(first(&some), ("D21".to_owned(), false), "of some inputs");
    let moved = Facts {
        control_changed: Some("`t` went from 1 to 200".to_owned()),
        ..facts.clone()
    };
    assert!(!first(&moved).1);
    let fed = Facts {
        non_finite_calls: 40,
        non_finite_fed: 39,
        ..facts
    };
    assert_eq!(first(&fed), ("D9".to_owned(), false));
    assert!(rules_out(&judge(&fed), "D21"));
}

#[test]
fn d23_rows_of_a_reply_are_equal_but_replies_differ() {
    let facts = Facts {
        kind: Some(Kind::RowsEqual),
        replies_of_many: 40,
        replies_rows_equal: 40,
        distinct_replies: 40,
        rows_differed_before: true,
        distinct_outputs: 60,
        ..collapsed()
    };
    assert_eq!(first(&facts), ("D23".to_owned(), true));
    let grouped = Facts {
        rows_differed_before: false,
        rows_grouped: true,
        ..facts.clone()
    };
    let judgement = judge(&grouped);
    let cause = judgement.causes.iter().find(|cause| cause.rule == "D23");
    assert!(cause.is_some_and(|cause| !cause.certain && cause.weight < 0.5));
    let unseen = Facts {
        rows_differed_before: false,
        ..facts.clone()
    };
    assert_eq!(first(&unseen), ("D23".to_owned(), false));
    let constant = Facts {
        distinct_replies: 1,
        distinct_outputs: 1,
        ..facts
    };
    assert!(rules_out(&judge(&constant), "D23"));
}

#[test]
fn d12_d13_d16_d17_d18_come_from_the_server_and_the_disk() {
    let mut facts = collapsed();
    facts.truth.disk = Some(Disk {
        incomplete: [(3, "variables.data-00000-of-00001 is missing".to_owned())].into(),
        ..Disk::default()
    });
    assert_eq!(first(&facts).0, "D12");

    let mut facts = Facts {
        from_first_reply: true,
        ..collapsed()
    };
    facts.truth.status = Some(vec![
        VersionStatus {
            version: 4,
            state: "END".to_owned(),
            code: 9,
            message: "uninitialized".to_owned(),
        },
        VersionStatus {
            version: 3,
            state: "AVAILABLE".to_owned(),
            code: 0,
            message: String::new(),
        },
    ]);
    assert_eq!(first(&facts).0, "D13");
    // It answered well beside the same others.
    facts.from_first_reply = false;
    assert!(rules_out(&judge(&facts), "D13"));

    let mut facts = Facts {
        from_first_reply: true,
        ..collapsed()
    };
    facts.truth.disk = Some(Disk {
        versions: vec![3],
        skipped: vec!["v4".to_owned()],
        ..Disk::default()
    });
    assert_eq!(first(&facts).0, "D16");

    facts.truth.disk = Some(Disk {
        versions: vec![3, 4],
        ..Disk::default()
    });
    facts.truth.config = Some(ConfigEntry {
        pinned: vec![3],
        ..ConfigEntry::default()
    });
    assert_eq!(first(&facts).0, "D17");
    assert!(
        judge(&facts).causes[0]
            .evidence
            .join("\n")
            .contains("pins the versions [3]")
    );

    facts.from_first_reply = false;
    facts.truth.disk = Some(Disk {
        versions: vec![3],
        overwritten: vec![3],
        ..Disk::default()
    });
    assert_eq!(first(&facts).0, "D18");
}

#[test]
fn d19_repeats_that_are_fast_were_not_computed() {
    let latency = Latency {
        repeats_ms: 0.3,
        others_ms: 4.0,
        repeats: 50,
        others: 50,
    };
    let facts = Facts {
        kind: Some(Kind::CacheLike),
        distinct_outputs: 20,
        latency: Some(latency),
        ..collapsed()
    };
    assert_eq!(first(&facts).0, "D19");
    let slow = Latency {
        repeats_ms: 4.0,
        ..latency
    };
    let facts = Facts {
        kind: Some(Kind::Partial),
        latency: Some(slow),
        distinct_outputs: 20,
        ..collapsed()
    };
    assert!(rules_out(&judge(&facts), "D19"));
}

#[test]
fn saturated_scores_repeat_without_a_cache() {
    let shifted = Facts {
        kind: Some(Kind::CacheLike),
        distinct_outputs: 10,
        relative_entropy: Some(0.0),
        input_shift: Some("`x` lay between 0 and 1, now between 0 and 255".to_owned()),
        ..collapsed()
    };
    let judgement = judge(&shifted);
    assert_eq!(judgement.causes[0].rule, "D9");
    assert!(judgement.causes[0].weight > 3.0 * judgement.causes[1].weight);
    // Whatever the scores, what takes no time was not computed.
    let quick = Facts {
        latency: Some(Latency {
            repeats_ms: 0.3,
            others_ms: 4.0,
            repeats: 50,
            others: 50,
        }),
        ..shifted.clone()
    };
    assert_eq!(first(&quick).0, "D19");
    let unshifted = Facts {
        input_shift: None,
        ..shifted
    };
    assert_eq!(first(&unshifted).0, "D19");
}

#[test]
fn d5_does_not_follow_the_batch() {
    let facts = Facts {
        batches: 40,
        batches_not_followed: 40,
        from_first_reply: true,
        ..collapsed()
    };
    assert_eq!(first(&facts).0, "D5");
}

#[test]
fn d6_the_output_is_an_input() {
    let facts = Facts {
        echo_of: Some("label".to_owned()),
        echo_varies: true,
        kind: Some(Kind::Echo),
        ..collapsed()
    };
    assert_eq!(first(&facts), ("D6".to_owned(), false));
}

#[test]
fn d8_flat_one_by_one_and_varied_in_a_batch() {
    let facts = Facts {
        kind: Some(Kind::Partial),
        distinct_outputs: 101,
        single: Split {
            rows: 100,
            distinct_inputs: 100,
            distinct_outputs: 1,
        },
        batched: Split {
            rows: 100,
            distinct_inputs: 100,
            distinct_outputs: 100,
        },
        ..collapsed()
    };
    assert_eq!(first(&facts).0, "D8");
}

#[test]
fn weights_are_shares_of_at_most_one() {
    let facts = Facts {
        only_text_varies: true,
        from_first_reply: true,
        ..collapsed()
    };
    let total: f64 = judge(&facts).causes.iter().map(|c| c.weight).sum();
    assert!(total <= 1.0 + 1e-9, "{total}");
}

#[test]
fn a_hostile_model_name_stays_inside_its_quotes() {
    let facts = Facts {
        model: "m'; rm -rf /; '".to_owned(),
        kind: Some(Kind::NonFinite),
        non_finite_share: 1.0,
        ..collapsed()
    };
    assert!(
        judge(&facts).causes[0]
            .confirm
            .contains(r"'m'\''; rm -rf /; '\'''")
    );
}
