//! Secrets as the operator would find them once the files are applied.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::load::SecretData;
use crate::commands::cluster::Cluster;
use crate::ownership::ObjectName;

/// Stands for the version that a Secret will have once a file is applied that changes it.
const TO_COME: &str = "to come";

/// A Secret.
pub struct Known {
    /// Its values.
    pub data: SecretData,
    /// The version that the operator would see.
    pub version: String,
}

/// Why a Secret is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is in no file and not in the cluster.
    Missing,
    /// It is in no file, and there is no cluster to ask.
    NoCluster,
    /// The cluster does not give it.
    Unreadable(String),
}

type Found = Arc<Result<Known, Trouble>>;

/// All Secrets, each read once, when it is asked for.
pub struct Secrets {
    files: HashMap<ObjectName, SecretData>,
    cluster: Option<Cluster>,
    found: Mutex<HashMap<ObjectName, Arc<OnceCell<Found>>>>,
}

impl Secrets {
    /// Of the files first, else of the cluster.
    pub fn new(files: HashMap<ObjectName, SecretData>, cluster: Option<Cluster>) -> Self {
        Self {
            files,
            cluster,
            found: Mutex::default(),
        }
    }

    /// One Secret.
    pub async fn get(&self, name: &ObjectName) -> Found {
        let cell = {
            let mut found = self.found.lock();
            Arc::clone(found.entry(name.clone()).or_default())
        };
        let found = cell.get_or_init(|| async { Arc::new(self.read(name).await) });
        Arc::clone(found.await)
    }

    /// Whether applying the files changes one of these Secrets.
    pub async fn any_changes(&self, namespace: &str, names: &[String]) -> bool {
        for name in names {
            let name = ObjectName {
                namespace: namespace.to_owned(),
                name: name.clone(),
            };
            let is_changed =
                |found: &Result<Known, Trouble>| found.as_ref().is_ok_and(|known| known.version == TO_COME);
            if self.files.contains_key(&name) && is_changed(&*self.get(&name).await) {
                return true;
            }
        }
        false
    }

    async fn read(&self, name: &ObjectName) -> Result<Known, Trouble> {
        let stored = self.stored(name).await;
        match (self.files.get(name), stored) {
            (Some(file), Ok(stored)) => Ok(together(file, stored)),
            (Some(file), Err(_)) => Ok(Known {
                data: SecretData(file.0.clone()),
                version: TO_COME.to_owned(),
            }),
            (None, stored) => stored,
        }
    }

    async fn stored(&self, name: &ObjectName) -> Result<Known, Trouble> {
        let Some(cluster) = &self.cluster else {
            return Err(Trouble::NoCluster);
        };
        let api: Api<Secret> = Api::namespaced(cluster.client.clone(), &name.namespace);
        match api.get_opt(&name.name).await {
            Ok(Some(secret)) => Ok(Known {
                version: secret.metadata.resource_version.unwrap_or_default(),
                data: SecretData(secret.data.unwrap_or_default()),
            }),
            Ok(None) => Err(Trouble::Missing),
            Err(error) => Err(Trouble::Unreadable(cluster.failure(&error).to_string())),
        }
    }
}

/// A file over what the cluster has: applying what is there already changes no version.
fn together(file: &SecretData, mut stored: Known) -> Known {
    let changes = file.0.iter().any(|(key, value)| stored.data.0.get(key) != Some(value));
    if changes {
        stored.version = TO_COME.to_owned();
        stored.data.0.extend(file.0.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    stored
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn data(pairs: &[(&str, &str)]) -> SecretData {
        let pair = |(k, v): &(&str, &str)| ((*k).to_owned(), ByteString(v.as_bytes().to_vec()));
        SecretData(pairs.iter().map(pair).collect())
    }

    #[test]
    fn a_file_that_says_what_is_there_already_changes_no_version() {
        let stored = || Known {
            data: data(&[("authKey", "a"), ("other", "b")]),
            version: "7".into(),
        };
        assert_eq!(together(&data(&[("authKey", "a")]), stored()).version, "7");
        let changed = together(&data(&[("authKey", "c")]), stored());
        assert_eq!(changed.version, TO_COME);
        assert_eq!(changed.data.0["authKey"].0, b"c");
        assert_eq!(changed.data.0["other"].0, b"b");
    }
}
