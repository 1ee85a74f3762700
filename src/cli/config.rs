use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use super::{RunArgs, values};
use crate::cloud::{EndpointNetwork, EndpointTemplate, EndpointUrl, SignatureStyle};
use crate::credentials::AmbientEnvironment;
use crate::telemetry::{self, LogFormat};

/// How the operator runs: every value checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Namespaces to watch; none means all.
    pub watch_namespaces: BTreeSet<String>,
    /// The service's endpoint for every resource; may hold `{region}`.
    pub vod_endpoint: Option<EndpointTemplate>,
    /// The endpoint of STS; may hold `{region}`.
    pub sts_endpoint: Option<EndpointTemplate>,
    /// Replaces the address of the ECS metadata service.
    pub metadata_endpoint: Option<EndpointUrl>,
    /// How requests are signed.
    pub signature: SignatureStyle,
    /// Which of the service's networks the default endpoints are on.
    pub endpoint_network: EndpointNetwork,
    /// Calls a second, for each account and operation.
    pub vod_qps: u32,
    /// How often a setting is checked, for resources that set none.
    pub check_interval: Duration,
    /// How long a deletion waits for what it needs.
    pub deletion_grace: Duration,
    /// Whether resources without a secretRef use the operator's own credentials.
    pub ambient_credentials: bool,
    /// Namespaces whose resources may use them; none means all.
    pub ambient_namespaces: BTreeSet<String>,
    /// The OIDC provider for a serviceAccountRef that names none.
    pub oidc_provider_arn: Option<String>,
    /// Whether one leader is elected.
    pub leader_elect: bool,
    /// Where the Lease is.
    pub lease_namespace: String,
    /// What it is called.
    pub lease_name: String,
    /// Reconciles at once.
    pub concurrency: u16,
    /// Where metrics and health are served.
    pub metrics_addr: SocketAddr,
    /// Whether resources that are not Ready have a series each.
    pub metrics_per_resource: bool,
    /// How log lines look; absent means by whether they go to a terminal.
    pub log_format: Option<LogFormat>,
    /// What `RUST_LOG` says, already checked.
    pub log_filter: telemetry::Filter,
    /// Whether the metadata of Secrets is watched.
    pub secret_watch: bool,
    /// How long a watch of the API server lasts before it is begun anew.
    pub watch_timeout: Duration,
}

/// A flag's or variable's value, and which of them it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// `--vod-qps` or `VOD_OPERATOR_VOD_QPS`: the words the user must look for.
    pub name: String,
    /// The text as given.
    pub value: String,
}

/// A flag or variable whose value cannot be used. The process ends with exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value '{}' for {}: {why}", shown(&given.value), given.name)]
pub struct BadValue {
    /// Which, and what it said.
    pub given: Given,
    /// What to write instead.
    pub why: String,
}

/// A value for a message: not endless, no control characters, and without the user info that a URL may carry.
fn shown(value: &str) -> String {
    let visible = match (value.find("://"), value.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            let (start, rest) = (value.get(..scheme), value.get(at..));
            format!("{}://…{}", start.unwrap_or_default(), rest.unwrap_or_default())
        }
        _ => value.to_owned(),
    };
    visible.chars().take(200).flat_map(char::escape_debug).collect()
}

/// Flags first, then their variables.
struct Sources<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Sources<'_> {
    /// An empty variable counts as unset: a chart cannot always leave one out. Other variables with our prefix are
    /// none of our business: Kubernetes itself sets some for a Service of our name (`VOD_OPERATOR_SERVICE_HOST`).
    fn variable(&self, name: &str) -> Option<Given> {
        let value = (self.variable)(name)?.to_string_lossy().into_owned();
        (!value.is_empty()).then(|| Given {
            name: name.to_owned(),
            value,
        })
    }

    fn get(&self, flag: &str, written: Option<String>) -> Option<Given> {
        match written {
            Some(value) => Some(Given {
                name: format!("--{flag}"),
                value,
            }),
            None => self.variable(&variable_name(flag)),
        }
    }

    fn parse<T>(
        &self,
        flag: &str,
        written: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, BadValue> {
        self.get(flag, written).map(|given| judge(given, parse)).transpose()
    }
}

/// Judges the value of a flag that has no variable.
pub(super) fn flag<T>(name: &str, value: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, BadValue> {
    let given = Given {
        name: format!("--{name}"),
        value: value.to_owned(),
    };
    judge(given, parse)
}

fn judge<T>(given: Given, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, BadValue> {
    parse(&given.value).map_err(|why| BadValue { given, why })
}

/// `vod-qps` is `VOD_OPERATOR_VOD_QPS`.
fn variable_name(flag: &str) -> String {
    format!("VOD_OPERATOR_{}", flag.to_ascii_uppercase().replace('-', "_"))
}

impl Config {
    /// Judges the flags and the variables of the process.
    ///
    /// # Errors
    /// The first flag or variable that cannot be used.
    pub fn from_process(args: RunArgs) -> Result<Self, BadValue> {
        Self::gather(args, &|name| std::env::var_os(name))
    }

    /// Judges flags and variables: a pure function of its arguments.
    ///
    /// # Errors
    /// The first flag or variable that cannot be used.
    pub fn gather(args: RunArgs, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, BadValue> {
        let from = Sources { variable };
        let ambient_credentials = from
            .parse("ambient-credentials", args.ambient_credentials, values::boolean)?
            .unwrap_or(false);
        own_credentials(&from, ambient_credentials)?;
        Ok(Self {
            watch_namespaces: namespaces(&from, "watch-namespace", args.watch_namespace)?,
            vod_endpoint: from.parse("vod-endpoint", args.service.vod_endpoint, values::endpoint_template)?,
            sts_endpoint: from.parse("sts-endpoint", args.service.sts_endpoint, values::endpoint_template)?,
            metadata_endpoint: from.parse("metadata-endpoint", args.service.metadata_endpoint, values::endpoint)?,
            signature: from
                .parse("signature", args.service.signature, values::signature)?
                .unwrap_or(SignatureStyle::Acs3),
            endpoint_network: from
                .parse(
                    "endpoint-network",
                    args.service.endpoint_network,
                    values::endpoint_network,
                )?
                .unwrap_or(EndpointNetwork::Public),
            vod_qps: from.parse("vod-qps", args.service.vod_qps, values::qps)?.unwrap_or(15),
            check_interval: from
                .parse("check-interval", args.check_interval, values::interval)?
                .unwrap_or(Duration::from_secs(600)),
            deletion_grace: from
                .parse("deletion-grace", args.deletion_grace, values::duration)?
                .unwrap_or(Duration::from_secs(300)),
            ambient_credentials,
            ambient_namespaces: namespaces(&from, "ambient-namespace", args.ambient_namespace)?,
            oidc_provider_arn: from.parse("oidc-provider-arn", args.oidc_provider_arn, values::oidc_provider_arn)?,
            leader_elect: from
                .parse("leader-elect", args.leader_elect, values::boolean)?
                .unwrap_or(false),
            lease_namespace: lease_namespace(&from, args.lease_namespace)?,
            lease_name: from
                .parse("lease-name", args.lease_name, values::object_name)?
                .unwrap_or_else(|| crate::NAME.to_owned()),
            concurrency: from
                .parse("concurrency", args.concurrency, values::concurrency)?
                .unwrap_or(64),
            metrics_addr: from
                .parse("metrics-addr", args.metrics_addr, values::socket_addr)?
                .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 8080))),
            metrics_per_resource: from
                .parse("metrics-per-resource", args.metrics_per_resource, values::boolean)?
                .unwrap_or(false),
            log_format: from.parse("log-format", args.log_format, values::log_format)?,
            log_filter: from
                .variable("RUST_LOG")
                .map(|given| judge(given, telemetry::Filter::parse))
                .transpose()?
                .unwrap_or_default(),
            secret_watch: from
                .parse("secret-watch", args.secret_watch, values::boolean)?
                .unwrap_or(true),
            watch_timeout: from
                .parse("watch-timeout", args.watch_timeout, values::watch_timeout)?
                .unwrap_or(Duration::from_secs(120)),
        })
    }
}

/// RRSA by halves would fall through to the node's role, and so would half an AccessKey where it is to be used.
fn own_credentials(from: &Sources<'_>, to_be_used: bool) -> Result<(), BadValue> {
    let read = AmbientEnvironment::read(|name| from.variable(name).map(|given| given.value));
    let read = read.and_then(|read| if to_be_used { read.for_use() } else { Ok(read) });
    read.map(drop).map_err(|half| BadValue {
        given: Given {
            name: half.missing.to_owned(),
            value: String::new(),
        },
        why: half.to_string(),
    })
}

/// A repeatable flag's namespaces, or its variable's.
fn namespaces(from: &Sources<'_>, flag: &str, written: Vec<String>) -> Result<BTreeSet<String>, BadValue> {
    if written.is_empty() {
        let listed = from.parse(flag, None, values::namespaces)?;
        return Ok(listed.into_iter().flatten().collect());
    }
    let judged = written.into_iter().map(|value| {
        let name = format!("--{flag}");
        judge(Given { name, value }, values::namespace)
    });
    judged.collect()
}

/// The Pod's own namespace wins: there the chart's Role is. The flag serves an operator outside of a Pod.
fn lease_namespace(from: &Sources<'_>, written: Option<String>) -> Result<String, BadValue> {
    let flag = from.parse("lease-namespace", written, values::namespace)?;
    let pod = from
        .variable("POD_NAMESPACE")
        .map(|given| judge(given, values::namespace))
        .transpose()?;
    Ok(pod.or(flag).unwrap_or_else(|| "default".to_owned()))
}

#[cfg(test)]
mod tests;
