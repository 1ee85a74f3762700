//! The command line: the sub-commands, and the flags of `run` with their environment variables, validated into a
//! [`Config`].
//!
//! clap only splits the words. What a value of `run` means is judged in one place ([`Config::gather`]), so that a flag
//! and its variable obey the same rules, and a message can name the one that was really given.

mod callback;
mod check;
mod config;
mod generate;
mod import;
mod plan;
mod shared;
mod status;
mod values;

pub use callback::{CallbackCommand, ListenArgs, SendArgs};
pub use check::CheckArgs;
pub use config::{BadValue, Config, Given};
pub use generate::{CompletionArgs, ManualArgs};
pub use import::ImportArgs;
pub use plan::PlanArgs;
pub use shared::{CredentialArgs, FileArgs, OutputArgs, OutputFormat, ServiceArgs};
pub use status::StatusArgs;

use clap::{Args, Parser, Subcommand};

/// The commit it was built from, for `--version`, the first log line and the metrics.
pub const COMMIT: &str = match option_env!("VOD_OPERATOR_COMMIT") {
    Some(commit) => commit,
    None => "unknown commit",
};

/// The crate's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the binary was asked to do.
#[derive(Debug, Parser)]
#[command(
    name = crate::NAME,
    version = full_version(),
    about = "Keeps the ApsaraVideo VOD message callback as declared",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `--version` prints: which commit it was, too.
fn full_version() -> String {
    format!("{VERSION} ({COMMIT})")
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator
    #[command(after_help = ENVIRONMENT_HELP)]
    Run(Box<RunArgs>),
    /// Print the CustomResourceDefinition as YAML
    Crd,
    /// Print the service's live settings as manifests ready to commit
    #[command(after_help = import::HELP)]
    Import(Box<ImportArgs>),
    /// Check manifests as the API server would, offline
    Check(CheckArgs),
    /// Show what the operator would do, field by field, without doing it
    #[command(after_help = plan::HELP)]
    Plan(Box<PlanArgs>),
    /// Receive callbacks, or send a sample of one
    #[command(subcommand)]
    Callback(CallbackCommand),
    /// Show the cluster's resources, the worst first, and what to do about each
    #[command(after_help = status::HELP)]
    Status(StatusArgs),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Write the man pages into a directory
    Manual(ManualArgs),
}

const ENVIRONMENT_HELP: &str = "\
Every flag is also an environment variable: VOD_OPERATOR_ and the flag's name in capitals, with _ for -;
a repeatable flag's variable is comma-separated; a flag wins over its variable; an empty variable counts as unset.
POD_NAMESPACE wins over --lease-namespace. RUST_LOG sets the log level. Durations are written like 90s, 10m or 1h30m.";

/// The flags of `run`, as they were written. See [`Config::gather`] for what they mean.
///
/// Values may begin with a hyphen as far as clap is concerned: `--vod-qps -1` is then refused by our own words, which
/// name the flag.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// Namespace to watch; repeatable; needs only a Role there [default: all namespaces]
    #[arg(long, value_name = "NS", allow_hyphen_values = true)]
    pub watch_namespace: Vec<String>,
    /// Where the service is.
    #[command(flatten)]
    pub service: ServiceArgs,
    /// How often a setting is checked, for resources that set none [default: 10m]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub check_interval: Option<String>,
    /// How long a deletion waits for credentials, permission or the service [default: 5m]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub deletion_grace: Option<String>,
    /// Let resources without a secretRef use the operator's own credentials [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ambient_credentials: Option<String>,
    /// Namespace whose resources may use the operator's own credentials; repeatable [default: all namespaces]
    #[arg(long, value_name = "NS", allow_hyphen_values = true)]
    pub ambient_namespace: Vec<String>,
    /// OIDC provider that trusts the cluster's ServiceAccounts, for a serviceAccountRef that names none
    #[arg(long, value_name = "ARN", allow_hyphen_values = true)]
    pub oidc_provider_arn: Option<String>,
    /// Elect one leader among the replicas through a Lease [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub leader_elect: Option<String>,
    /// Namespace of the Lease, where POD_NAMESPACE is not set [default: default]
    #[arg(long, value_name = "NS", allow_hyphen_values = true)]
    pub lease_namespace: Option<String>,
    /// Name of the Lease; two operators in one namespace need two [default: vod-operator]
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub lease_name: Option<String>,
    /// Reconciles at once [default: 64]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub concurrency: Option<String>,
    /// Where /metrics, /healthz and /readyz are served [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR", allow_hyphen_values = true)]
    pub metrics_addr: Option<String>,
    /// Also serve a series for each resource that is not Ready [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub metrics_per_resource: Option<String>,
    /// text or json [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true)]
    pub log_format: Option<String>,
    /// Watch the metadata of Secrets, to act on a change at once; with false they are only read with get
    /// [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub secret_watch: Option<String>,
    /// How long a watch of the API server lasts before it is begun anew; shorter than the idle timeout of a load
    /// balancer in between [default: 2m]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub watch_timeout: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn run_args(words: &[&str]) -> Result<RunArgs, clap::Error> {
        let all = ["vod-operator", "run"].iter().chain(words);
        Cli::try_parse_from(all).map(|cli| match cli.command {
            Command::Run(args) => *args,
            other => panic!("asked for run: {other:?}"),
        })
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn booleans_stand_alone_or_with_a_value() {
        let table = [
            ("--leader-elect", "true"),
            ("--leader-elect=false", "false"),
            ("--leader-elect=off", "off"),
        ];
        for (word, expected) in table {
            assert_eq!(
                run_args(&[word]).unwrap().leader_elect.as_deref(),
                Some(expected),
                "{word}"
            );
        }
        // A bare word after it is not its value: it would be swallowed silently otherwise.
        assert!(run_args(&["--leader-elect", "false"]).is_err());
    }

    #[test]
    fn words_that_are_not_flags_are_usage_errors() {
        for words in [
            &["--nope"][..],
            &["--vod-qps"],
            &["stray"],
            &["--vod-qps=1", "--vod-qps=2"],
        ] {
            assert_eq!(run_args(words).unwrap_err().exit_code(), 2, "{words:?}");
        }
        assert_eq!(Cli::try_parse_from(["vod-operator"]).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn repeatable_namespace() {
        let args = run_args(&["--watch-namespace", "a", "--watch-namespace=b"]).unwrap();
        assert_eq!(args.watch_namespace, ["a", "b"]);
    }

    #[test]
    fn version_names_the_commit() {
        let shown = Cli::try_parse_from(["vod-operator", "--version"]).unwrap_err();
        assert_eq!(shown.exit_code(), 0);
        assert_eq!(shown.to_string().trim(), format!("vod-operator {VERSION} ({COMMIT})"));
    }
}
