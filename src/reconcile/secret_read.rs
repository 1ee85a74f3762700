//! Reads a Secret when it is needed; its values are dropped, and zeroed, with the pass.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use zeroize::Zeroize;

use super::facts::{self, SecretValues};
use super::failure::Failure;
use crate::api::ObservedSecret;
use crate::domain::is_object_name;
use crate::status::Reason;

/// A Secret's values, zeroed when dropped.
pub struct SecretRead {
    data: SecretValues,
    /// Which version was read.
    pub observed: ObservedSecret,
}

impl SecretRead {
    /// All values.
    pub fn data(&self) -> &SecretValues {
        &self.data
    }
}

impl Drop for SecretRead {
    fn drop(&mut self) {
        self.data.values_mut().for_each(|value| value.0.zeroize());
    }
}

/// Reads one Secret of the resource's namespace.
pub async fn read(client: &kube::Client, namespace: &str, name: &str) -> Result<SecretRead, Failure> {
    // It becomes part of an address.
    if !is_object_name(name) {
        return Err(Failure::stalled(
            Reason::SecretNotFound,
            format!("no Secret can have the name {name:?}: correct it in the spec"),
        ));
    }
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = match api.get_opt(name).await {
        // Said to the user, and a deletion does not wait for it for ever.
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            return Err(Failure::stalled(
                Reason::SecretNotFound,
                format!(
                    "Secret {name} in namespace {namespace} may not be read by the operator: allow its ServiceAccount \
                     to get Secrets there"
                ),
            ));
        }
        Err(error) => {
            return Err(Failure::waiting(
                Reason::ServiceUnavailable,
                format!(
                    "Secret {name} in namespace {namespace} could not be read: {}; it is tried again by itself",
                    crate::telemetry::in_words(&error)
                ),
            ));
        }
        Ok(found) => found,
    };
    let secret = found.ok_or_else(|| facts::missing(namespace, name))?;
    Ok(SecretRead {
        data: secret.data.unwrap_or_default(),
        observed: ObservedSecret {
            name: name.to_owned(),
            resource_version: secret.metadata.resource_version.unwrap_or_default(),
        },
    })
}
