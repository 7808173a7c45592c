//! Flatline: a transparent gRPC sidecar for TensorFlow Serving that notices when distinct
//! inputs get the same output, and says why.
//!
//! The file list follows the data: `listen` -> `stack` -> `tap` -> `upstream` carry a call;
//! `observe` hands what the tap kept to the pure core, `codec` -> `fingerprint` -> `window` ->
//! `detect` -> `diagnose` -> `alert`, which `analyzer` drives, live and from capture files alike.

pub mod action;
pub mod admin;
pub mod alert;
pub mod analyzer;
pub mod app;
pub mod cli;
pub mod codec;
pub mod config;
pub mod demo;
pub mod detect;
pub mod diagnose;
pub mod doctor;
pub mod drain;
pub mod error;
pub mod explain;
pub mod fingerprint;
pub mod inject;
pub mod lint;
pub mod listen;
pub mod manifest;
pub mod models_config;
pub mod net;
pub mod observe;
pub mod proto;
pub mod replay;
pub mod report;
pub mod respond;
pub mod saved_model;
pub mod sieve;
pub mod skip;
pub mod stack;
pub mod state;
pub mod stream;
mod sync;
pub mod tap;
pub mod telemetry;
pub mod tls;
pub mod truth;
pub mod upstream;
pub mod visible;
#[cfg(feature = "webhook")]
pub mod webhook;
pub mod window;
