//! All integration tests, one binary of modules.

mod house;
