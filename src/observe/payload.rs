//! From what the tap kept to an exchange.

use crate::codec::frame::message;
use crate::proto::flatline::v1::Exchange;
use crate::skip::Skip;
use crate::tap::{Half, Record};

/// The payloads of what the tap kept.
pub(super) fn exchange(record: Record, limit: usize) -> Result<Exchange, Skip> {
    // A failed call may have no body at all, so its status is looked at first.
    if record.grpc_status > 0 {
        return Err(Skip::NotOk);
    }
    if !record.complete {
        return Err(Skip::Incomplete);
    }
    Ok(Exchange {
        start_unix_nanos: record.start_unix_nanos,
        duration_nanos: record.duration_nanos,
        method: record.path,
        request: payload(&record.request, limit)?,
        response: payload(&record.response, limit)?,
        grpc_status: record.grpc_status,
        peer: record.peer,
        user_agent: record.user_agent,
        connection: record.connection,
        upstream: String::new(),
        doctor_options: Vec::new(),
        learned: None,
    })
}

fn payload(half: &Half, limit: usize) -> Result<bytes::Bytes, Skip> {
    match half.skip {
        Some(reason) => Err(reason),
        None => message(&half.chunks, half.encoding.as_deref(), limit),
    }
}
