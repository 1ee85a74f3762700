//! `vod-operator manual`: one man page for each command, from the definitions that `--help` prints.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory as _};

use super::{Exit, Failure, Outcome, warn};
use crate::cli::{Cli, ManualArgs, VERSION};

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
        let page = page(command, &name)?;
        std::fs::write(dir.join(format!("{name}.1")), page)?;
        pages += 1;
    }
    Ok(pages)
}

fn page(command: Command, name: &str) -> io::Result<Vec<u8>> {
    let words = command.get_after_help().map(ToString::to_string);
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command)
        .title(name)
        .source(format!("vod-operator {VERSION}"))
        .manual("vod-operator manual");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if name == crate::NAME {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(words) = words {
        page.extend_from_slice(as_written(&words).as_bytes());
    }
    Ok(page)
}

/// The words after the options, examples mostly: line by line, where troff would fill them into paragraphs.
fn as_written(words: &str) -> String {
    let mut section = ".SH NOTES\n.nf\n".to_owned();
    for line in words.lines() {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        if line.starts_with(['.', '\'']) {
            section.push_str("\\&");
        }
        section.push_str(&line);
        section.push('\n');
    }
    section + ".fi\n"
}

fn with_sub_commands(command: Command) -> Vec<Command> {
    let within: Vec<Command> = command.get_subcommands().cloned().collect();
    let mut all = vec![command];
    all.extend(within.into_iter().flat_map(with_sub_commands));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_stay_as_they_are_written() {
        let section = as_written("Examples:\n  a --b \\\n.c");
        assert_eq!(section, ".SH NOTES\n.nf\nExamples:\n  a \\-\\-b \\e\n\\&.c\n.fi\n");
    }
}
