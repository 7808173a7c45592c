//! Parts of the benchmarks: an upstream that does a fixed amount of work, a bare hyper relay to
//! compare with, a load generator, and the speed of fingerprinting.

mod detection;
mod fingerprint;
mod load;
mod pieces;
mod relay;
mod start;
mod template;
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
    /// Start a proxy and call through it: print how long that took
    Start {
        flatline: std::path::PathBuf,
        upstream: SocketAddr,
    },
    /// Do one of the pieces of work of the micro-benchmarks so many times, to be counted
    Count { piece: String, times: u64 },
    /// Take labelled streams through the analyzer, and print what it found in each
    Detection { files: Vec<std::path::PathBuf> },
    /// Read and fingerprint one call again and again on one core
    Fingerprint,
}

fn main() {
    let cli = Cli::parse();
    match &cli.command {
        Command::Fingerprint => return fingerprint::run(),
        Command::Detection { files } => return detection::run(files),
        Command::Count { piece, times } => return pieces::repeat(piece, *times),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match cli.command {
            Command::Upstream => upstream::run().await,
            Command::Relay { upstream } => relay::run(upstream).await,
            Command::Load(args) => load::run(&args).await,
            Command::Start { flatline, upstream } => start::run(&flatline, upstream).await,
            Command::Fingerprint | Command::Detection { .. } | Command::Count { .. } => {}
        }
    });
}
