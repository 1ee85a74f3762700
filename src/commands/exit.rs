use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::domain::one_line;

/// How a command ended, as its exit code tells pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Nothing to do, or done.
    Done = 0,
    /// There are findings or differences.
    Findings = 1,
    /// The command line was wrong.
    Usage = 2,
    /// It could not be found out.
    Unknown = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command has no result: one line for stderr, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Failure {
    exit: Exit,
    words: String,
}

/// What a command ends with.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// The command line asks for what cannot be.
    pub fn usage(words: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Usage,
            words: one_line(&words.to_string()),
        }
    }

    /// A file, the network, the cluster or the service stood in the way.
    pub fn unknown(words: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Unknown,
            words: one_line(&words.to_string()),
        }
    }

    /// A client for HTTPS cannot be had. The last of the causes says why; the first only that it is so.
    pub fn no_tls(error: &dyn Error) -> Self {
        let mut cause = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Self::unknown(format!(
            "cannot set up TLS: {cause}; install ca-certificates, or name a bundle in SSL_CERT_FILE"
        ))
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        let failure = Failure::unknown("no\nsuch\r\n  file: \u{1b}[31mx");
        assert_eq!(failure.to_string(), "no such file: [31mx");
        assert_eq!(failure.exit(), Exit::Unknown);
    }
}
