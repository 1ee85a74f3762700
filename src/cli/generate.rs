use std::path::PathBuf;

use clap::Args;

/// The arguments of `completion`.
#[derive(Clone, Debug, Args)]
#[command(after_help = COMPLETION_HELP)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// The arguments of `manual`.
#[derive(Clone, Debug, Default, Args)]
pub struct ManualArgs {
    /// Directory for the pages; made if it is not there
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

const COMPLETION_HELP: &str = "\
Examples:
  # bash, for this user
  vod-operator completion bash > ~/.local/share/bash-completion/completions/vod-operator

  # zsh: a directory of $fpath
  vod-operator completion zsh > ~/.zfunc/_vod-operator

  # fish
  vod-operator completion fish > ~/.config/fish/completions/vod-operator.fish";
