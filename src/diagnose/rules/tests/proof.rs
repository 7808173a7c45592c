//! What looks like proof and is none: the same facts with one thing beside.

use super::{FLAT, VARIED, collapsed, first, rules_out};
use crate::diagnose::facts::{EncodedAlike, Facts, Latency, Part};
use crate::diagnose::judge;
use crate::report::Kind;

#[test]
fn a_few_calls_of_the_wrong_encoding_explain_no_collapse_of_all() {
    let unread = EncodedAlike {
        late: false,
        calls: 9,
        rows: 18,
        distinct_raw: 18,
        distinct_effective: 1,
        distinct_outputs: 1,
        rows_before: 0,
    };
    let all_flat = Facts {
        unread,
        ..collapsed()
    };
    assert!(!first(&all_flat).1, "the others are as flat");
    let others_vary = Facts {
        distinct_outputs: 150,
        kind: Some(Kind::Partial),
        ..all_flat
    };
    assert_eq!(first(&others_vary), ("D2".to_owned(), true));
}

#[test]
fn a_part_behind_a_cache_is_not_proved_by_what_it_sends() {
    let part = |now, rows_before| Part {
        now,
        rows_before,
        moved: false,
    };
    let facts = Facts {
        example_keys: [
            ("`age`".to_owned(), part(VARIED, 5000)),
            ("`age`, `locale`".to_owned(), part(FLAT, 0)),
        ]
        .into(),
        distinct_outputs: 101,
        kind: Some(Kind::Partial),
        latency: Some(Latency {
            repeats_ms: 0.3,
            others_ms: 5.0,
            repeats: 99,
            others: 101,
        }),
        ..collapsed()
    };
    assert_eq!(first(&facts), ("D19".to_owned(), false));
    let scaled = Facts {
        latency: None,
        input_shift: Some("`x` is 400 times as large".to_owned()),
        ..facts
    };
    assert!(!first(&scaled).1);
}

#[test]
fn numbers_that_are_fed_in_some_calls_are_no_proof_against_the_model() {
    let facts = Facts {
        kind: Some(Kind::NonFinite),
        non_finite_share: 0.4,
        non_finite_calls: 40,
        non_finite_fed: 30,
        ..collapsed()
    };
    assert_eq!(first(&facts), ("D21".to_owned(), false));
}

#[test]
fn an_output_of_the_request_has_equal_rows_in_health() {
    let facts = Facts {
        kind: Some(Kind::RowsEqual),
        replies_of_many: 40,
        replies_rows_equal: 40,
        rows_equal_before: true,
        distinct_replies: 40,
        distinct_outputs: 40,
        ..collapsed()
    };
    assert!(rules_out(&judge(&facts), "D23"));
}

#[test]
fn a_client_that_repeats_itself_makes_no_echo() {
    let facts = Facts {
        kind: Some(Kind::InputCollapse),
        distinct_raw: 1,
        distinct_effective: 1,
        echo_of: Some("id".to_owned()),
        echo_varies: true,
        ..collapsed()
    };
    assert_eq!(first(&facts).0, "D1");
}
