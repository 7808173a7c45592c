//! The running proxy that a subcommand asks.

use crate::admin;
use crate::config::Address;

#[derive(Debug, clap::Args)]
pub(super) struct Proxy {
    /// The admin address of the running proxy: HOST:PORT, http://HOST:PORT or unix:/path
    #[arg(
        long,
        env = "FLATLINE_ADMIN",
        value_name = "ADDR",
        value_parser = admin::address,
        default_value = "127.0.0.1:9464"
    )]
    pub(super) admin: Address,
}
