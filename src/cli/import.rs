use super::{CredentialArgs, ServiceArgs};
use clap::Args;
use std::path::PathBuf;

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
    pub account: CredentialArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "its own type says it")]
    pub service: ServiceArgs,
}
