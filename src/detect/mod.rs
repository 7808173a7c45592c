//! The tests for output collapse: pure functions of a window and a baseline.

pub mod rows;
