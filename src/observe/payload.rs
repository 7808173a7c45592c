//! From what the tap kept to an exchange.

use crate::codec::frame::message;
use crate::diagnose::findings::Reason;
use crate::proto::flatline::v1::Exchange;
use crate::skip::Skip;
use crate::tap::{Half, Record};
use bytes::Bytes;
use percent_encoding::percent_decode_str;

/// The payloads of what the tap kept.
pub(super) fn exchange(record: Record, limit: usize) -> Result<Exchange, Skip> {
    let message = percent_decode_str(&record.grpc_message).decode_utf8_lossy();
    // A failed call has no body, so its status is looked at first: its reason may name a cause.
    let refused = record.grpc_status > 0;
    if refused && Reason::read(record.grpc_status, &message).is_none() {
        return Err(Skip::NotOk);
    }
    if !record.complete {
        return Err(Skip::Incomplete);
    }
    let request = payload(&record.request, limit);
    let request = request.map_err(|why| if refused { Skip::NotOk } else { why })?;
    let response = match refused {
        true => Bytes::new(),
        false => payload(&record.response, limit)?,
    };
    Ok(Exchange {
        start_unix_nanos: record.start_unix_nanos,
        duration_nanos: record.duration_nanos,
        method: record.path,
        request,
        response,
        grpc_status: record.grpc_status,
        grpc_message: message.into_owned(),
        peer: record.peer,
        user_agent: record.user_agent,
        connection: record.connection,
        upstream: String::new(),
        doctor_options: Vec::new(),
        learned: None,
    })
}

fn payload(half: &Half, limit: usize) -> Result<Bytes, Skip> {
    match half.skip {
        Some(reason) => Err(reason),
        None => message(&half.chunks, half.encoding.as_deref(), limit),
    }
}
