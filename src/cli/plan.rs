use clap::Args;

use super::{CredentialArgs, FileArgs, OutputArgs, ServiceArgs};

/// The flags of `plan`.
#[derive(Clone, Debug, Default, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub files: FileArgs,
    /// Namespace whose resources are planned, and of manifests that name none
    #[arg(short, long, value_name = "NS", conflicts_with = "all_namespaces")]
    pub namespace: Option<String>,
    /// Plan the resources of all namespaces
    #[arg(short = 'A', long, conflicts_with = "filenames")]
    pub all_namespaces: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub output: OutputArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub account: CredentialArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub service: ServiceArgs,
}
