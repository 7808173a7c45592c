//! Outputs that belong to the whole request: all rows of a reply hold the same one, in health too.

use crate::detect::rows::CallRows;

/// Replies that tell.
const ENOUGH: u64 = 64;

/// Replies to several distinct rows while all was well, and those that held one output for all.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tied {
    replies: u64,
    tied: u64,
}

impl Tied {
    /// Takes a call.
    pub(super) fn observe(&mut self, call: &CallRows) {
        let differ = |prints: &[u64]| prints.iter().any(|print| *print != prints[0]);
        if differ(&call.inputs.effective) {
            self.replies += 1;
            self.tied += u64::from(!differ(&call.outputs.exact));
        }
    }

    /// Whether enough are known, and most of them told their rows apart.
    pub(super) fn is_rare(self) -> bool {
        self.replies >= ENOUGH && self.tied * 2 < self.replies
    }

    /// Whether nine of ten did.
    pub(super) fn is_usual(self) -> bool {
        self.replies >= ENOUGH && self.tied * 10 >= self.replies * 9
    }
}
