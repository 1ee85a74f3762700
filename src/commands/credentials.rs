//! Whose name a command calls in: a Secret of the cluster, or what the caller's own environment holds.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::Failure;
use super::cluster::Cluster;
use super::service::Service;
use crate::cli::CredentialArgs;
use crate::credentials::profile::{self, Profile, ProfileError};
use crate::credentials::{AssumeRole, Base, CredentialError, Credentials, from_secret_data};
use crate::domain::Region;
use crate::ownership::ObjectName;

/// What a user can do who has none.
const NONE: &str = "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, name a Secret of the cluster with \
    --credentials-secret NS/NAME, or a profile of the aliyun command-line tool with --profile NAME";

/// Where the command's own credentials come from.
pub enum Own {
    /// A Secret of the cluster, already read.
    Secret(Credentials),
    /// The environment, RRSA, or the ECS instance's role; where there is none, the current profile.
    Environment(OnceLock<Profile>),
    /// A profile of the vendor's command-line tool.
    Profile(Profile),
}

impl Own {
    /// By the flags. Only what they name is read now.
    ///
    /// # Errors
    /// A flag that cannot be used, or a Secret that cannot be read or is incomplete.
    pub async fn find(args: &CredentialArgs) -> Result<Self, Failure> {
        if let Some(name) = &args.profile {
            return Self::of_profile(Some(name));
        }
        match &args.credentials_secret {
            Some(written) => {
                let name = secret_name(written)?;
                let cluster = Cluster::find().await?;
                Ok(Self::Secret(read(&cluster, &name).await?))
            }
            None => Ok(Self::Environment(OnceLock::new())),
        }
    }

    fn of_profile(name: Option<&str>) -> Result<Self, Failure> {
        profile(name).map(Self::Profile)
    }

    /// The credentials to call with in `region`.
    ///
    /// # Errors
    /// When there are none.
    pub async fn credentials(&self, service: &Service, region: &Region) -> Result<Arc<Credentials>, Failure> {
        match self {
            Self::Secret(key) => resolve(service, &Base::Given(key.clone()), None, region).await,
            Self::Profile(profile) => of(profile, service, region).await,
            Self::Environment(instead) => {
                if let Some(profile) = instead.get() {
                    return of(profile, service, region).await;
                }
                match service.credentials.resolve(&Base::Ambient, None, region).await {
                    Ok(credentials) => Ok(credentials),
                    // The last resort: what the user has told the vendor's own tool.
                    Err(CredentialError::NoneFound(_) | CredentialError::Metadata(_)) if profile::exists(var) => {
                        let profile = profile(None)?;
                        of(instead.get_or_init(|| profile), service, region).await
                    }
                    Err(error) => Err(told(error)),
                }
            }
        }
    }
}

/// A profile, and on stderr what the user should know of its file.
fn profile(name: Option<&str>) -> Result<Profile, Failure> {
    let found = profile::read(var, name).map_err(|error| match (name, &error) {
        (Some(name), ProfileError::NoProfile { .. }) => Failure::usage(format!("--profile {name}: {error}")),
        _ => Failure::unknown(error),
    })?;
    if let Some(warning) = &found.warning {
        // Standard error may be closed: no reason to panic.
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    Ok(found.profile)
}

async fn of(profile: &Profile, service: &Service, region: &Region) -> Result<Arc<Credentials>, Failure> {
    let (base, role) = match profile {
        Profile::Key(key) => (Base::Given(key.clone()), None),
        Profile::Role { key, role } => (Base::Given(key.clone()), Some(role)),
        Profile::EcsRole(name) => (Base::EcsRole(name.clone()), None),
    };
    resolve(service, &base, role, region).await
}

async fn resolve(
    service: &Service,
    base: &Base,
    role: Option<&AssumeRole>,
    region: &Region,
) -> Result<Arc<Credentials>, Failure> {
    service.credentials.resolve(base, role, region).await.map_err(told)
}

fn told(error: CredentialError) -> Failure {
    match error {
        CredentialError::NoneFound(_) => Failure::unknown(format!("no credentials were found: {NONE}")),
        CredentialError::Metadata(why) => Failure::unknown(format!("no credentials were found ({why}): {NONE}")),
        CredentialError::Remembered { error, .. } => told(*error),
        other => Failure::unknown(other),
    }
}

fn var(name: &str) -> Option<String> {
    std::env::var(name).ok()
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
