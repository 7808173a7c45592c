//! One part of the traffic is flat and another varies: whose fault that is.

use super::{FLAT, VARIED, collapsed, first};
use crate::diagnose::facts::{Facts, Part, Split};
use crate::diagnose::judge;
use crate::report::Kind;

fn part(now: Split, rows_before: u64) -> Part {
    Part {
        now,
        rows_before,
        moved: false,
    }
}

#[test]
fn d4_a_client_that_always_had_other_features_is_not_to_blame() {
    let parts = |rows_before| Facts {
        example_keys: [
            ("`age`".to_owned(), part(VARIED, 5000)),
            ("`age`, `locale`".to_owned(), part(FLAT, rows_before)),
        ]
        .into(),
        distinct_outputs: 101,
        kind: Some(Kind::Partial),
        ..collapsed()
    };
    assert_eq!(first(&parts(0)), ("D4".to_owned(), true));
    assert_eq!(judge(&parts(5000)).causes, []);
}

#[test]
fn d7_only_one_value_of_a_control_is_flat() {
    let facts = Facts {
        controls: [(
            "keep_prob".to_owned(),
            [
                ("0".to_owned(), part(FLAT, 0)),
                ("1".to_owned(), part(VARIED, 5000)),
            ]
            .into(),
        )]
        .into(),
        distinct_outputs: 101,
        kind: Some(Kind::Partial),
        ..collapsed()
    };
    assert_eq!(first(&facts), ("D7".to_owned(), true));
    // The value was in use and all was well, or something else came with it.
    let mut lived_with = facts.clone();
    let values = lived_with.controls.get_mut("keep_prob").expect("it");
    values.get_mut("0").expect("0").rows_before = 5000;
    lived_with.input_shift = Some("`x` is 255 times as large".to_owned());
    assert_eq!(first(&lived_with), ("D9".to_owned(), false));
    let moved = Facts {
        input_shift: lived_with.input_shift,
        ..facts
    };
    assert!(!first(&moved).1);
}
