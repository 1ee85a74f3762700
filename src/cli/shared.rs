//! What several sub-commands take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::RunArgs;

/// How a result is written to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// For programs and for people
    Yaml,
}

/// `--output`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct OutputArgs {
    /// How the result is written
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Where manifests are read from.
#[derive(Clone, Debug, Default, Args)]
pub struct FileArgs {
    /// File or directory with manifests, or - for stdin; repeatable
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", num_args = 1..)]
    pub filenames: Vec<PathBuf>,
    /// Read the directories within a directory too
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

/// Whose account is looked at.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Credentials")]
pub struct CredentialArgs {
    /// Secret of the cluster that holds the AccessKey, as namespace/name
    #[arg(long, value_name = "NS/NAME", conflicts_with = "profile")]
    pub credentials_secret: Option<String>,
    /// Profile of the aliyun command-line tool (~/.aliyun/config.json) [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// Where the service is, and how it is called; [`super::Config::gather`] judges them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Service")]
pub struct ServiceArgs {
    /// Service endpoint; may hold {region} [default: from the region]
    #[arg(long, value_name = "URL", allow_hyphen_values = true)]
    pub vod_endpoint: Option<String>,
    /// STS endpoint; may hold {region} [default: from the region]
    #[arg(long, value_name = "URL", allow_hyphen_values = true)]
    pub sts_endpoint: Option<String>,
    /// Replaces the address of the ECS metadata service
    #[arg(long, value_name = "URL", allow_hyphen_values = true)]
    pub metadata_endpoint: Option<String>,
    /// How requests are signed: acs3, or hmac-sha1 for the older RPC style [default: acs3]
    #[arg(long, value_name = "STYLE", allow_hyphen_values = true)]
    pub signature: Option<String>,
    /// Which of the service's networks to use: public or vpc [default: public]
    #[arg(long, value_name = "NETWORK", allow_hyphen_values = true)]
    pub endpoint_network: Option<String>,
    /// Calls a second, for each account and operation [default: 15]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub vod_qps: Option<String>,
}

impl From<ServiceArgs> for RunArgs {
    fn from(service: ServiceArgs) -> Self {
        Self {
            service,
            ..Self::default()
        }
    }
}
