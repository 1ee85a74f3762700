//! Whose name a command calls in: a Secret of the cluster, or what the caller's own environment holds.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::Failure;
use super::cluster::Cluster;
use super::service::Service;
use crate::cli::CredentialArgs;
use crate::credentials::{Base, CredentialError, Credentials, from_secret_data};
use crate::domain::Region;
use crate::ownership::ObjectName;

/// What a user can do who has none.
const NONE: &str = "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, name a Secret of the cluster with \
    --credentials-secret NS/NAME, or a profile of the aliyun command-line tool with --profile NAME";

/// Where the command's own credentials come from.
pub enum Own {
    /// A Secret of the cluster, already read.
    Secret(Credentials),
    /// The environment, RRSA, the ECS instance's role, or the vendor's command-line tool.
    Environment,
}

impl Own {
    /// By the flags. Only what they name is read now.
    ///
    /// # Errors
    /// A flag that cannot be used, or a Secret that cannot be read or is incomplete.
    pub async fn find(args: &CredentialArgs) -> Result<Self, Failure> {
        if let Some(profile) = &args.profile {
            return Err(Failure::usage(format!(
                "--profile {profile}: profiles cannot be read yet"
            )));
        }
        match &args.credentials_secret {
            Some(written) => {
                let name = secret_name(written)?;
                let cluster = Cluster::find().await?;
                Ok(Self::Secret(read(&cluster, &name).await?))
            }
            None => Ok(Self::Environment),
        }
    }

    /// The credentials to call with in `region`.
    ///
    /// # Errors
    /// When there are none.
    pub async fn credentials(&self, service: &Service, region: &Region) -> Result<Arc<Credentials>, Failure> {
        let base = match self {
            Self::Secret(credentials) => Base::Given(credentials.clone()),
            Self::Environment => Base::Ambient,
        };
        service
            .credentials
            .resolve(&base, None, region)
            .await
            .map_err(|error| match error {
                CredentialError::NoneFound(_) => Failure::unknown(format!("no credentials were found: {NONE}")),
                CredentialError::Metadata(why) => {
                    Failure::unknown(format!("no credentials were found ({why}): {NONE}"))
                }
                other => Failure::unknown(other),
            })
    }
}

fn secret_name(written: &str) -> Result<ObjectName, Failure> {
    match written.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => Ok(ObjectName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        _ => Err(Failure::usage(format!(
            "invalid value '{written}' for --credentials-secret: write it as namespace/name"
        ))),
    }
}

async fn read(cluster: &Cluster, name: &ObjectName) -> Result<Credentials, Failure> {
    let api: Api<Secret> = Api::namespaced(cluster.client.clone(), &name.namespace);
    let found = api.get_opt(&name.name).await.map_err(|error| cluster.failure(&error))?;
    let Some(secret) = found else {
        return Err(Failure::unknown(format!("Secret {name} does not exist in the cluster")));
    };
    let data = secret.data.unwrap_or_default();
    let credentials = from_secret_data(&data);
    wipe(data);
    credentials.map_err(|incomplete| Failure::unknown(format!("Secret {name}: {incomplete}")))
}

fn wipe(data: std::collections::BTreeMap<String, k8s_openapi::ByteString>) {
    use zeroize::Zeroize as _;
    data.into_values().for_each(|mut value| value.0.zeroize());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_with_its_namespace() {
        assert_eq!(secret_name("a/b").unwrap().to_string(), "a/b");
        for bad in ["", "a", "/a", "a/", "a/b/c"] {
            assert_eq!(secret_name(bad).unwrap_err().exit(), super::super::Exit::Usage, "{bad}");
        }
    }
}
