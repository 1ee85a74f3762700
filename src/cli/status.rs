use clap::Args;

use super::{OutputArgs, values};

/// The flags of `status`.
#[derive(Clone, Debug, Default, Args)]
pub struct StatusArgs {
    /// Namespace to look at
    #[arg(short, long, value_name = "NS", value_parser = values::namespace, conflicts_with = "all_namespaces")]
    pub namespace: Option<String>,
    /// Look at all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Keep looking, and show each change
    #[arg(short, long)]
    pub watch: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub output: OutputArgs,
}

pub(super) const HELP: &str = "\
Examples:
  # The namespace of the kubeconfig's context
  vod-operator status

  # Everything, drawn anew with each change
  vod-operator status -A --watch

The fix of each reason is also in docs/troubleshooting.md. The cluster is the one of KUBECONFIG, else of ~/.kube/config.
Colours only on a terminal, and not with NO_COLOR.
Exit code: 0 all are Ready, 1 some are not, 2 wrong usage, 3 the cluster could not be asked.";
