//! One series as a report tells of it.

use super::baselines;
use super::series::{Series, SeriesKey};
use crate::diagnose::Judgement;
use crate::report::{RowIs, Series as SeriesReport, State};
use jiff::Timestamp;

/// What a report says of one series at `now_nanos`.
pub(super) fn describe(
    key: &SeriesKey,
    series: &Series,
    judgement: Judgement,
    now_nanos: i64,
) -> SeriesReport {
    let state = series.alert.state();
    let quiet = state == State::Inactive;
    SeriesReport {
        model: key.model.clone(),
        version: key.version,
        signature: key.signature.clone(),
        output: key.output.clone(),
        state,
        kind: series.alert.kind(),
        since: series.alert.since_nanos().map(rfc3339),
        last_row: Some(rfc3339(series.last_nanos)),
        idle: !series.is_used(now_nanos),
        confidence: if quiet {
            0.0
        } else {
            series.verdict.confidence
        },
        evidence: series.verdict.evidence.clone(),
        incident: (!quiet).then(|| baselines::incident(series)),
        baseline: series.baseline(),
        row_is: if series.followed {
            RowIs::Entry
        } else {
            RowIs::WholeReply
        },
        window: series.window.stats_at(now_nanos),
        causes: judgement.causes,
        ruled_out: judgement.ruled_out,
    }
}

/// RFC 3339 in UTC; the epoch for a time that no calendar holds.
pub(super) fn rfc3339(unix_nanos: i64) -> String {
    Timestamp::from_nanosecond(i128::from(unix_nanos))
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_string()
}
