//! All integration tests, one binary of modules.

mod demo;
mod house;
mod metrics;
mod proxy;
