//! Inputs that are left out, or hold nothing.

use super::{FLAT, VARIED, collapsed, first, rules_out};
use crate::diagnose::facts::{EncodedAlike, Facts, LeftOut, Signature, Split};
use crate::diagnose::judge;
use crate::report::Kind;

fn left_out(rows_before: u64, with: Split) -> Facts {
    let left_out = LeftOut {
        calls: if with.rows > 0 { 50 } else { 100 },
        without: FLAT,
        with,
        rows_before,
        sent_before: 5000,
        sent_here: 5000,
        late: false,
        flat_with: 0,
        moved: false,
    };
    Facts {
        left_out: [("threshold".to_owned(), left_out)].into(),
        ..collapsed()
    }
}

#[test]
fn d3_an_input_is_left_out() {
    let always = left_out(0, Split::default());
    assert_eq!(first(&always), ("D3".to_owned(), true));
    assert_eq!(first(&left_out(0, VARIED)), ("D3".to_owned(), true));
    let lived_with = judge(&left_out(5000, VARIED));
    assert!(rules_out(&lived_with, "D3"), "a client that always did so");
    let moved = Facts {
        input_shift: Some("`x` is 255 times as large".to_owned()),
        ..left_out(0, VARIED)
    };
    assert!(!first(&moved).1, "either may have done it");
    let mut never = left_out(0, Split::default());
    never.left_out.values_mut().for_each(|l| l.sent_before = 0);
    never.from_first_reply = true;
    assert_eq!(first(&never).0, "D20");
    // With a new version two things changed at once.
    let mut new = left_out(0, Split::default());
    new.left_out.values_mut().for_each(|l| l.sent_here = 0);
    assert_eq!(first(&new), ("D3".to_owned(), false));
    for with in [VARIED, Split::default()] {
        let mut late = left_out(0, with);
        late.left_out.values_mut().for_each(|l| l.late = true);
        assert!(rules_out(&judge(&late), "D3"), "it was flat before");
    }
    let long_before = judge(&left_out(5000, Split::default()));
    assert!(rules_out(&long_before, "D3") && long_before.causes.is_empty());
    let whole = Facts {
        signature_def: Some(Signature::default()),
        ..collapsed()
    };
    assert!(rules_out(&judge(&whole), "D3"));
}

#[test]
fn requests_are_alike_because_something_is_missing() {
    let alike = Facts {
        distinct_raw: 1,
        distinct_effective: 1,
        kind: Some(Kind::InputCollapse),
        ..left_out(0, Split::default())
    };
    assert_eq!(first(&alike), ("D3".to_owned(), true));
    let empty = Facts {
        unread: EncodedAlike {
            late: false,
            calls: 100,
            rows: 200,
            distinct_raw: 1,
            distinct_effective: 1,
            distinct_outputs: 1,
            rows_before: 0,
        },
        left_out: Default::default(),
        ..alike
    };
    assert_eq!(first(&empty), ("D2".to_owned(), false));
}
