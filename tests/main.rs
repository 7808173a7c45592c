//! All integration tests, one binary of modules.

mod demo;
mod house;
