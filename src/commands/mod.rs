//! The sub-commands for people and pipelines, one module each. Results go to stdout, everything else to stderr.

pub mod callback;
pub mod check;
mod cluster;
pub mod completion;
mod credentials;
mod exit;
pub mod import;
pub mod manual;
mod output;
pub mod plan;
mod service;
pub mod status;

pub use exit::{Exit, Failure, Outcome};
pub use output::{Output, warn};

use std::future::Future;

use crate::cli::BadValue;
use crate::telemetry;

/// Runs a command that waits for files, the network or a cluster. Nothing is logged unless `RUST_LOG` asks for it: what
/// the user wants to know is the command's own output, which says what failed, too.
///
/// # Errors
/// What the command failed with, or why it could not be begun.
pub fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let filter = std::env::var("RUST_LOG").ok().filter(|words| !words.is_empty());
    let filter = telemetry::Filter::parse(filter.as_deref().unwrap_or("off"))
        .map_err(|why| Failure::usage(format!("invalid value for RUST_LOG: {why}")))?;
    telemetry::init(Some(telemetry::LogFormat::Text), &filter).map_err(Failure::unknown)?;
    /// An unoptimised build's futures are large.
    const STACK: usize = 8 << 20;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .map_err(|error| Failure::unknown(format!("cannot start: {error}")))?;
    runtime.block_on(command)
}

impl From<BadValue> for Failure {
    fn from(bad: BadValue) -> Self {
        Self::usage(bad)
    }
}
