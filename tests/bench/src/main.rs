//! Parts of the benchmarks: an upstream that does a fixed amount of work, a bare hyper relay to
//! compare with, a load generator, and the speed of fingerprinting.

mod fingerprint;
mod load;
mod relay;
mod upstream;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer every Predict call with ten floats that follow its input
    Upstream,
    /// Relay with hyper on both sides, one upstream connection per client connection
    Relay { upstream: SocketAddr },
    /// Send calls, each with inputs of its own, and print one line of JSON
    Load(load::Args),
    /// Read and fingerprint one call again and again on one core
    Fingerprint,
}

fn main() {
    let cli = Cli::parse();
    if let Command::Fingerprint = cli.command {
        return fingerprint::run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match cli.command {
            Command::Upstream => upstream::run().await,
            Command::Relay { upstream } => relay::run(upstream).await,
            Command::Load(args) => load::run(&args).await,
            Command::Fingerprint => {}
        }
    });
}
