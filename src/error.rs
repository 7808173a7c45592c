//! Errors that end the program, and the exit code of each (sysexits).

use std::process::ExitCode;
use thiserror::Error;

/// Why the program ends without having done what it was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// Wrong flags or arguments: exit code 64.
    #[error("{0}")]
    Usage(String),
    /// The upstream is not there, or is not a model server: exit code 69.
    #[error("{0}")]
    Unavailable(String),
    /// A value or a file of the configuration is wrong: exit code 78.
    #[error("{0}")]
    Config(String),
    /// Anything else: exit code 70.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Error::Usage(_) => 64,
            Error::Unavailable(_) => 69,
            Error::Internal(_) => 70,
            Error::Config(_) => 78,
        })
    }
}

/// Exit code where something was found: 1.
#[must_use]
pub fn findings() -> ExitCode {
    ExitCode::from(1)
}
