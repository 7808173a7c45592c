//! The `flatline` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    flatline::cli::run().unwrap_or_else(|error| {
        eprintln!("{}", error.to_string().trim_end());
        error.exit_code()
    })
}
