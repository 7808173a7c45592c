//! Capture files: written while calls pass, read back through the same analyzer.

mod capture;
mod exchanges;
mod learned;
mod tfrecord;

pub use capture::{CaptureWriter, Limits};
pub use exchanges::{Recorded, exchange, recorded};
pub use learned::Truths;
pub use tfrecord::{Damage, Records, write_record};
