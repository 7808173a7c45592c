//! Capture files: written while calls pass, read back through the same analyzer.

mod capture;
mod exchanges;
mod tfrecord;

pub use capture::{CaptureWriter, Limits};
pub use exchanges::exchange;
pub use tfrecord::{Damage, Records, write_record};
