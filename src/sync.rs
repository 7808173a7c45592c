//! What is shared between threads by hand is made of these, so that `tests/loom` can put its own in
//! their place and try every order of steps.

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
