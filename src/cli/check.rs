use clap::Args;

use super::{FileArgs, OutputArgs};

/// The flags of `check`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = HELP, mut_arg("filenames", |arg| arg.required(true)))]
pub struct CheckArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub files: FileArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub output: OutputArgs,
}

const HELP: &str = "\
Examples:
  # All manifests of a directory and those within it
  vod-operator check -R -f deploy/

  # What kustomize makes of them
  kustomize build overlays/production | vod-operator check -f -

Nothing is asked over the network: the schema and the rules are those of the CRD that `vod-operator crd` prints.
Exit code: 0 no finding, 1 findings, 2 wrong usage, 3 a file could not be read.";
