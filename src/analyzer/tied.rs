//! Outputs that belong to the whole request: all rows of a reply hold the same one, in health too.

use crate::detect::rows::CallRows;

/// Replies that tell.
const ENOUGH: u64 = 64;

/// Replies to several distinct rows while all was well, and those that held one output for all;
/// apart for requests of which a part is the same in all rows, as one user's with many items.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tied([Replies; 2]);

#[derive(Debug, Default, Clone, Copy)]
struct Replies {
    all: u64,
    tied: u64,
}

impl Tied {
    /// Takes a call.
    pub(super) fn observe(&mut self, call: &CallRows, grouped: bool) {
        let differ = |prints: &[u64]| prints.iter().any(|print| *print != prints[0]);
        if differ(&call.inputs.effective) {
            let replies = &mut self.0[usize::from(grouped)];
            replies.all += 1;
            replies.tied += u64::from(!differ(&call.outputs.exact));
        }
    }

    /// Whether enough are known, and most of them told their rows apart.
    pub(super) fn is_rare(self, grouped: bool) -> bool {
        let replies = self.0[usize::from(grouped)];
        replies.all >= ENOUGH && replies.tied * 2 < replies.all
    }

    /// Whether nine of ten did.
    pub(super) fn is_usual(self, grouped: bool) -> bool {
        let replies = self.0[usize::from(grouped)];
        replies.all >= ENOUGH && replies.tied * 10 >= replies.all * 9
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::rows::{InputRows, OutputRows};
    use std::sync::Arc;

    #[test]
    fn requests_of_one_user_say_nothing_of_those_of_many() {
        let call = |outputs: &[u64]| CallRows {
            call: 0,
            connection: 0,
            at_nanos: 0,
            latency_nanos: 0,
            inputs: Arc::new(InputRows {
                effective: vec![1, 2],
                ..InputRows::default()
            }),
            outputs: OutputRows {
                exact: outputs.to_vec(),
                ..OutputRows::default()
            },
        };
        let mut tied = Tied::default();
        for _ in 0..64 {
            tied.observe(&call(&[1, 2]), false);
        }
        assert!(tied.is_rare(false) && !tied.is_rare(true) && !tied.is_usual(true));
        for _ in 0..64 {
            tied.observe(&call(&[1, 1]), true);
        }
        assert!(tied.is_usual(true) && !tied.is_rare(true) && tied.is_rare(false));
    }
}
