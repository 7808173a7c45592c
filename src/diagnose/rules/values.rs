//! What the values of the reply prove: D21, D23.

use super::{certain, doctor, likely};
use crate::diagnose::Opinion;
use crate::diagnose::facts::Facts;
use crate::report::Kind;

/// So many rows are no few inputs that are special.
const NEARLY_ALL: f64 = 0.95;

/// D21: NaN or infinity.
pub(super) fn d21(facts: &Facts) -> Opinion {
    if facts.rows == 0 || facts.non_finite_is_meant {
        return Opinion::Silent;
    }
    if facts.non_finite_share <= 0.0 || facts.kind != Some(Kind::NonFinite) {
        return Opinion::Against(format!(
            "{:.1} % of {} rows hold NaN or infinity",
            100.0 * facts.non_finite_share,
            facts.rows
        ));
    }
    if facts.is_fed_non_finite() {
        return Opinion::Against(format!(
            "the inputs hold NaN, infinity or numbers beyond 1e19 themselves in {} of the {} calls whose outputs do",
            facts.non_finite_fed, facts.non_finite_calls
        ));
    }
    let mut evidence = vec![format!(
        "{:.1} % of {} rows hold NaN or infinity{}",
        100.0 * facts.non_finite_share,
        facts.rows,
        if facts.never_finite {
            ", as next to all that were seen of this version"
        } else {
            ""
        }
    )];
    if facts.non_finite_fed > 0 {
        evidence.push(format!(
            "the inputs hold NaN, infinity or numbers beyond 1e19 themselves in {} of the {} calls whose outputs do",
            facts.non_finite_fed, facts.non_finite_calls
        ));
        return likely(0.6, evidence, doctor(facts, true));
    }
    // NaN that the inputs brought about is the model's doing no more.
    if let Some(shift) = &facts.input_shift {
        evidence.push(format!("the inputs changed at the onset: {shift}"));
        return likely(0.6, evidence, doctor(facts, true));
    }
    if let Some(change) = &facts.control_changed {
        evidence.push(format!("a control input changed at the onset: {change}"));
        return likely(0.6, evidence, doctor(facts, true));
    }
    if let Some(change) = &facts.request_changed {
        evidence.push(format!("the requests changed at the onset: {change}"));
        return likely(0.6, evidence, doctor(facts, true));
    }
    // What some inputs alone bring about may be theirs.
    if facts.non_finite_share < NEARLY_ALL {
        return likely(0.8, evidence, doctor(facts, true));
    }
    // A version that answered well is seldom broken of itself: what it is asked may well have
    // changed in a way that nothing here measures.
    if !facts.never_finite {
        evidence.push(format!("version {} gave numbers before", facts.version));
        return likely(0.9, evidence, doctor(facts, true));
    }
    if facts.unread_strings {
        evidence.push("what numbers the strings of the inputs hold is not known".to_owned());
        return likely(0.8, evidence, doctor(facts, true));
    }
    certain(evidence, doctor(facts, true))
}

/// D23: the rows of one reply are equal, while replies differ.
pub(super) fn d23(facts: &Facts) -> Opinion {
    let (equal, many) = (facts.replies_rows_equal, facts.replies_of_many);
    if many < 4 {
        return Opinion::Silent;
    }
    if equal * 10 < many * 9 || facts.distinct_replies * 2 < many {
        return Opinion::Against(format!(
            "{equal} of {many} replies to several distinct rows hold equal rows, {} replies differ from each other",
            facts.distinct_replies
        ));
    }
    if facts.rows_equal_before {
        return Opinion::Against(
            "the rows of one reply were equal before the trouble began as well: the output may be one of the request"
                .to_owned(),
        );
    }
    let mut evidence = vec![format!(
        "{equal} of {many} replies to several distinct rows hold one output for all rows, while {} of the replies differ from each other",
        facts.distinct_replies
    )];
    if facts.rows_differed_before {
        return certain(evidence, doctor(facts, true));
    }
    if facts.rows_grouped {
        evidence.push(
            "a part of the inputs is the same in all rows of these calls, which was seldom so before: an output of that part alone is equal, too"
                .to_owned(),
        );
        return likely(0.3, evidence, doctor(facts, true));
    }
    // Of an output that belongs to the whole request nobody has seen the like before.
    likely(0.8, evidence, doctor(facts, true))
}
