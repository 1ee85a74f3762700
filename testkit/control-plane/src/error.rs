//! What can go wrong in the test kit.

use std::path::Path;
use std::{fmt, io};

/// The result of test kit operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the test kit. The message is for the person who reads the test's output.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A binary is missing and could not be built.
    #[error("{0}")]
    Binaries(String),
    /// A process did not start, did not become ready or did not stop.
    #[error("{0}")]
    Process(String),
    /// Something on this machine failed.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The API server refused or could not be reached.
    #[error("{what}: {source}")]
    Kube {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// A document is not what it should be.
    #[error("{0}")]
    Invalid(String),
    /// Something awaited did not come about in time.
    #[error("{0}")]
    Timeout(String),
}

/// As [`Display`](fmt::Display): a test that returns an error prints this, and the ends of logs in it
/// are to be read.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Error {
    /// An [`Error::Io`] maker for `map_err`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// An [`Error::Io`] maker that names a file.
    pub fn file(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(format!("cannot {verb} {}", path.display()))
    }

    /// An [`Error::Kube`] maker for `map_err`.
    pub fn kube(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Kube {
            what,
            source: Box::new(source),
        }
    }
}
