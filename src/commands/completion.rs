//! `vod-operator completion`: a shell's completion script, from the definitions that `--help` prints.

use clap::CommandFactory as _;

use super::{Exit, Outcome, Output};
use crate::cli::{Cli, CompletionArgs};

/// Prints the script.
///
/// # Errors
/// When it cannot be written.
pub fn run(args: &CompletionArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), crate::NAME, &mut script);
    Output::stdout().text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
