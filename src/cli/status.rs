use super::OutputArgs;
use clap::Args;

/// The flags of `status`.
#[derive(Clone, Debug, Default, Args)]
pub struct StatusArgs {
    /// Namespace to look at
    #[arg(short, long, value_name = "NS", conflicts_with = "all_namespaces")]
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
