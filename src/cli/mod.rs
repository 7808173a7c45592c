//! The command line: one file a subcommand, no logic here.

mod analyze;
mod demo;
mod doctor;
mod explain;
mod health;
mod inject;
mod injection;
mod lint;
mod log;
mod proxy;
mod reset;
mod serve;
#[cfg(feature = "webhook")]
mod webhook;

use crate::error::Error;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// A transparent gRPC sidecar for TensorFlow Serving that notices when distinct inputs get the
/// same output, and says why.
#[derive(Debug, Parser)]
#[command(
    name = "flatline",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Demo(demo::Args),
    Analyze(analyze::Args),
    Doctor(doctor::Args),
    Explain(explain::Args),
    Health(health::Args),
    Inject(Box<inject::Args>),
    Lint(lint::Args),
    Reset(reset::Args),
    #[cfg(feature = "webhook")]
    Webhook(Box<webhook::Args>),
}

/// Prints a result. A reader that has seen enough may close the pipe; anything else, such as a full
/// disk, leaves half of it, which must not pass for the whole.
fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Internal(
            format!("stdout: {error}, what was printed is cut"),
        )),
        _ => Ok(()),
    }
}

/// Runs what the command line asks for.
///
/// # Errors
/// Why it could not be done; [`Error::exit_code`] says with which code to end.
pub fn run() -> Result<ExitCode, Error> {
    match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Serve(args) => serve::run(*args),
            Command::Demo(args) => demo::run(&args),
            Command::Analyze(args) => analyze::run(&args),
            Command::Doctor(args) => doctor::run(args),
            Command::Explain(args) => explain::run(&args),
            Command::Health(args) => health::run(&args),
            Command::Inject(args) => inject::run(*args),
            Command::Lint(args) => lint::run(&args),
            Command::Reset(args) => reset::run(&args),
            #[cfg(feature = "webhook")]
            Command::Webhook(args) => webhook::run(*args),
        },
        Err(error) if error.use_stderr() => Err(Error::Usage(error.render().to_string())),
        Err(help) => {
            let _ = help.print();
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The runtime of every subcommand that talks to the network. With one core there is nobody to
/// share work with, and a call costs less without the means to share it.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let alone = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = if alone {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("runtime: {error}")))
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn no_command_has_a_flag_twice() {
        Cli::command().debug_assert();
    }
}
