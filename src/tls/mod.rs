//! TLS: what a server shows, and how it is changed while connections stand.

mod identity;
mod reload;

pub use identity::{Identity, Mistake, Shown};
pub use reload::{FileMistake, Files};

use std::sync::Arc;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

/// The cryptography of every connection: ring, because it builds with a C compiler alone, for musl
/// as for glibc.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
