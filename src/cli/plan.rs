use clap::Args;

use super::{CredentialArgs, FileArgs, OutputArgs, ServiceArgs, values};

/// The flags of `plan`.
#[derive(Clone, Debug, Default, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub files: FileArgs,
    /// Namespace whose resources are planned, and of manifests that name none
    #[arg(short, long, value_name = "NS", value_parser = values::namespace, conflicts_with = "all_namespaces")]
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

pub(super) const HELP: &str = "\
Examples:
  # What applying these files would change at the service
  vod-operator plan -f callback.yaml -f secrets.yaml

  # What an overlay would change
  kustomize build overlays/production | vod-operator plan -f -

  # What the operator has to do for the resources of the cluster
  vod-operator plan --all-namespaces

Nothing is changed. Each resource is read with the credentials that it names, from the files or from the cluster;
--credentials-secret stands for all of them, and where there is no cluster, or a resource names none, your own: the
environment (ALIBABA_CLOUD_ACCESS_KEY_ID and so on), RRSA, an ECS instance's role, the aliyun tool's profile.
The variables of `run` (VOD_OPERATOR_VOD_ENDPOINT and so on) stand for the flags of the service here, too.
Exit code: 0 nothing would change; 1 something would, differs, or is in the way; 2 wrong usage; 3 it could not be found
out.";
