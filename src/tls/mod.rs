//! TLS: what clients are shown, how the upstream is spoken to, and how both change while
//! connections stand.

mod client;
mod identity;
mod live;
mod reload;
mod server;
mod ssl_config;

pub use client::Client;
pub use identity::{Identity, Mistake, Shown};
pub use live::{Change, Live, Refused, Source};
pub use reload::{FileMistake, Files};
pub use server::{Server, Unmet};
pub use ssl_config::SslConfig;

use std::sync::Arc;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

/// The cryptography of every connection: ring, because it builds with a C compiler alone, for musl
/// as for glibc.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
