//! `flatline demo`

use super::runtime;
use crate::config::Address;
use crate::demo::server::Fault;
use crate::demo::{self, Parts, Script};
use crate::error::{Error, findings};
use std::process::ExitCode;

/// See it work: a model server, clients, the proxy in between, and a fault
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  flatline demo --fault near-constant\n\nExit code 0 when the verdict is the one that the fault should bring, 1 otherwise."
)]
pub(super) struct Args {
    /// What goes wrong after a healthy while
    #[arg(long, env = "FLATLINE_DEMO_FAULT", value_enum, default_value_t = Fault::Rollout)]
    fault: Fault,
    /// Rows sent before the fault
    #[arg(
        long,
        env = "FLATLINE_DEMO_ROWS",
        value_name = "N",
        default_value_t = 4000
    )]
    rows: u64,
    /// Most rows sent after it
    #[arg(
        long,
        env = "FLATLINE_DEMO_FAULT_ROWS",
        value_name = "N",
        default_value_t = 2000
    )]
    fault_rows: u64,
    /// Rows a second, 0 for no limit
    #[arg(
        long,
        env = "FLATLINE_DEMO_RATE",
        value_name = "N",
        default_value_t = 500
    )]
    rate: u64,
    /// Stay after the verdict, so that the status page can be looked at, until interrupted
    #[arg(long, env = "FLATLINE_DEMO_KEEP")]
    keep: bool,
    /// Seed of the traffic
    #[arg(
        long,
        env = "FLATLINE_DEMO_SEED",
        value_name = "N",
        default_value_t = 1
    )]
    seed: u64,
    /// Run only the model server, on this address, and its clients; faults are named on standard
    /// input, one a line
    #[arg(
        long,
        env = "FLATLINE_DEMO_MODEL_SERVER",
        value_name = "ADDR",
        requires = "through"
    )]
    model_server: Option<String>,
    /// The running Flatline through which those clients call
    #[arg(
        long,
        env = "FLATLINE_DEMO_THROUGH",
        value_name = "ADDR",
        requires = "model_server"
    )]
    through: Option<Address>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    if let Some((model_server, through)) = args.model_server.clone().zip(args.through.clone()) {
        let parts = Parts {
            model_server,
            through,
            rate: args.rate,
            seed: args.seed,
        };
        runtime()?.block_on(demo::run_parts(parts))?;
        return Ok(ExitCode::SUCCESS);
    }
    let script = Script {
        fault: args.fault,
        healthy_rows: args.rows,
        faulty_rows: args.fault_rows,
        rate: args.rate,
        seed: args.seed,
        keep: args.keep,
    };
    let outcome = runtime()?.block_on(demo::play(script))?;
    Ok(if outcome.as_scripted {
        ExitCode::SUCCESS
    } else {
        findings()
    })
}
