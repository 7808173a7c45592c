//! What the tap keeps of one call.

use super::budget::{Budget, Permit};
use crate::skip::Skip;
use bytes::Bytes;

/// Handles kept of one body. A body of more pieces holds more memory by its handles than by its
/// bytes, and nobody sends such a Predict call but to hurt.
const MAX_CHUNKS: usize = 16_384;

/// What a handle costs beside its bytes.
const HANDLE: usize = size_of::<Bytes>();

/// Takes what the tap kept. Must never block: it runs on the forwarding path.
pub trait Sink: Send + Sync {
    /// A Predict call that ended.
    fn record(&self, record: Record);
}

/// One Predict call.
#[derive(Debug)]
pub struct Record {
    /// When the request's headers arrived, nanoseconds since the Unix epoch.
    pub start_unix_nanos: i64,
    /// From there to the end of the reply.
    pub duration_nanos: i64,
    /// The method's full path.
    pub path: String,
    /// Number of the client's connection.
    pub connection: u64,
    /// The client's address.
    pub peer: String,
    /// The client's `user-agent`; empty if none.
    pub user_agent: String,
    /// The request's body.
    pub request: Half,
    /// The reply's body.
    pub response: Half,
    /// `grpc-status`; -1 if the call ended without.
    pub grpc_status: i32,
    /// `grpc-message` of a call that failed, as sent, 1 KiB at the most.
    pub grpc_message: String,
    /// The reply came to its end.
    pub complete: bool,
}

impl Record {
    /// Bytes that it keeps from being freed.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.request.bytes() + self.response.bytes()
    }
}

/// One body.
#[derive(Debug, Default)]
pub struct Half {
    /// `grpc-encoding`.
    pub encoding: Option<String>,
    /// The body's bytes, in as many pieces as they came.
    pub chunks: Vec<Bytes>,
    /// Why there are no bytes, if the body was let go.
    pub skip: Option<Skip>,
    held: usize,
    limit: usize,
    permit: Permit,
}

impl Half {
    /// Of at most `limit` bytes.
    pub(super) fn new(encoding: Option<String>, limit: usize, budget: &Budget) -> Self {
        Half {
            encoding,
            limit,
            permit: budget.permit(),
            ..Half::default()
        }
    }

    /// Keeps a handle of `data`.
    pub(super) fn push(&mut self, data: &Bytes) {
        if self.skip.is_some() || data.is_empty() {
            return;
        }
        self.held = self.held.saturating_add(data.len());
        if self.held > self.limit {
            self.let_go(Skip::TooLarge);
        } else if self.chunks.len() >= MAX_CHUNKS {
            self.let_go(Skip::TooManyChunks);
        } else if !self.permit.take(data.len() + HANDLE) {
            self.let_go(Skip::MemoryFull);
        } else {
            self.chunks.push(data.clone());
        }
    }

    /// Bytes that it keeps from being freed.
    #[must_use]
    pub fn bytes(&self) -> usize {
        if self.skip.is_some() { 0 } else { self.held }
    }

    fn let_go(&mut self, reason: Skip) {
        self.skip = Some(reason);
        self.chunks = Vec::new();
        self.permit = Permit::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_at_their_edges() {
        let budget = Budget::new(10 * (4 + HANDLE));
        for (limit, skip) in [(7, Some(Skip::TooLarge)), (8, None), (9, None)] {
            let mut half = Half::new(None, limit, &budget);
            half.push(&Bytes::from_static(b"abcd"));
            half.push(&Bytes::from_static(b"efgh"));
            assert_eq!(half.skip, skip, "{limit}");
        }
        assert_eq!(budget.held(), 0, "all was given back");
        let mut half = Half::new(None, 1000, &budget);
        for _ in 0..10 {
            half.push(&Bytes::from_static(b"abcd"));
        }
        assert_eq!(half.skip, None);
        half.push(&Bytes::from_static(b"x"));
        assert_eq!((half.skip, half.chunks.len()), (Some(Skip::MemoryFull), 0));
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn too_many_pieces_are_let_go() {
        let budget = Budget::new(1 << 30);
        let mut half = Half::new(None, 1 << 20, &budget);
        for _ in 0..MAX_CHUNKS {
            half.push(&Bytes::from_static(b"x"));
        }
        assert_eq!(half.skip, None);
        half.push(&Bytes::from_static(b"x"));
        assert_eq!(half.skip, Some(Skip::TooManyChunks));
    }
}
