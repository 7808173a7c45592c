//! All integration tests, one binary of modules.

mod admin;
mod demo;
mod doctor;
mod house;
mod inject;
mod metrics;
mod proxy;
mod webhook;
mod wire;
