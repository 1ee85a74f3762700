use std::path::PathBuf;

use clap::Args;

use super::{CredentialArgs, OutputArgs, ServiceArgs};

/// The flags of `import`.
#[derive(Clone, Debug, Default, Args)]
pub struct ImportArgs {
    /// Region whose setting is read; repeatable
    #[arg(long, value_name = "REGION", required = true)]
    pub region: Vec<String>,
    /// VOD application whose setting is read; repeatable [default: app-1000000]
    #[arg(long, value_name = "APP")]
    pub app_id: Vec<String>,
    /// Name of the resource; with several settings, what their names begin with
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Namespace of the resource
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// Secret that the resource names for its AccessKey [default: none, the operator's own credentials]
    #[arg(long, value_name = "NAME")]
    pub credentials: Option<String>,
    /// Write the AuthKey to FILE (mode 0600), as the manifest of a Secret
    #[arg(long, value_name = "FILE")]
    pub with_auth_key: Option<PathBuf>,
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
  # The setting of one region, as a manifest to commit
  vod-operator import --region cn-shanghai --namespace media --name media-events --credentials alibaba-cloud

  # Several, with their AuthKeys as Secrets in a file of their own
  vod-operator import --region cn-shanghai --region ap-southeast-1 --app-id app-1000000 --with-auth-key auth-keys.yaml

Nothing is changed at the service. Applying what is printed makes no SetMessageCallback, but for one where the service
hides the AuthKey: comments and stderr say where. docs/adoption.md goes through an adoption step by step.
The variables of `run` (VOD_OPERATOR_VOD_ENDPOINT and so on) stand for the flags of the service here, too.
Exit code: 0 done, or nothing is set; 1 something is set that no manifest can say; 2 wrong usage; 3 it could not be read.";
