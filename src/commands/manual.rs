//! `vod-operator manual`: one man page for each command, from the definitions that `--help` prints.

use super::{Exit, Failure, Outcome, warn};
use crate::cli::{Cli, ManualArgs};
use clap::{Command, CommandFactory as _};
use std::{io, path::Path};

/// Writes the pages: `vod-operator.1`, `vod-operator-run.1` and so on.
///
/// # Errors
/// When the directory or a page cannot be written.
pub fn run(args: &ManualArgs) -> Outcome {
    let pages = write(&args.dir)
        .map_err(|error| Failure::unknown(format!("cannot write man pages to {}: {error}", args.dir.display())))?;
    warn(format!("{pages} man pages written to {}", args.dir.display()));
    Ok(Exit::Done)
}

fn write(dir: &Path) -> io::Result<usize> {
    std::fs::create_dir_all(dir)?;
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let mut pages = 0;
    for command in with_sub_commands(cli) {
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .title(name.as_str())
            .manual("vod-operator manual")
            .render(&mut page)?;
        std::fs::write(dir.join(format!("{name}.1")), page)?;
        pages += 1;
    }
    Ok(pages)
}

fn with_sub_commands(command: Command) -> Vec<Command> {
    let within: Vec<Command> = command.get_subcommands().cloned().collect();
    let mut all = vec![command];
    all.extend(within.into_iter().flat_map(with_sub_commands));
    all
}
