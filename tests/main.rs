//! All integration tests, one binary of modules.

mod actions;
mod admin;
mod demo;
mod doctor;
mod exchanges;
mod explain;
mod exposition;
mod fleet;
mod fuzz;
mod house;
mod inject;
mod interop;
mod lint;
mod metrics;
mod proxy;
#[cfg(feature = "webhook")]
mod webhook;
mod wire;
