//! Secrets: what is watched of them (metadata) and how one is read when it is needed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use zeroize::Zeroize;

use super::failure::Failure;
use super::trigger::SecretVersion;
use crate::api::{ObservedSecret, VodMessageCallbackSpec};
use crate::ownership::ObjectName;
use crate::status::Reason;

/// The versions of all Secrets seen by the watch: names and versions, nothing else.
#[derive(Default)]
pub struct SecretIndex(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    versions: HashMap<String, HashMap<String, String>>,
    /// The namespaces of which a full list was seen; the empty name stands for all.
    complete: HashSet<String>,
}

impl SecretIndex {
    /// Notes a Secret's version; tells whether that is update.
    pub fn present(&self, namespace: &str, name: &str, version: &str) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let names = seen.versions.entry(namespace.to_owned()).or_default();
        let before = names.insert(name.to_owned(), version.to_owned());
        before.as_deref() != Some(version)
    }

    /// Forgets a Secret that is gone; tells whether that is update.
    pub fn gone(&self, namespace: &str, name: &str) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(names) = seen.versions.get_mut(namespace) else {
            return false;
        };
        let known = names.remove(name).is_some();
        if names.is_empty() {
            seen.versions.remove(namespace);
        }
        known
    }

    /// A full list of `scope` (a namespace, or all when empty) was seen: Secrets that were not in `listed` are gone.
    /// Returns those that it newly knows to be gone.
    pub fn complete(&self, scope: &str, listed: &HashSet<(String, String)>) -> Vec<(String, String)> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.complete.insert(scope.to_owned());
        let mut lost = Vec::new();
        seen.versions.retain(|namespace, names| {
            if scope.is_empty() || namespace == scope {
                names.retain(|name, _| {
                    let key = (namespace.clone(), name.clone());
                    let there = listed.contains(&key);
                    if !there {
                        lost.push(key);
                    }
                    there
                });
            }
            !names.is_empty()
        });
        lost
    }

    /// What is known of one Secret.
    pub fn version(&self, namespace: &str, name: &str) -> SecretVersion {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.versions.get(namespace).and_then(|names| names.get(name)) {
            Some(version) => SecretVersion::Present(version.clone()),
            None if seen.complete.contains("") || seen.complete.contains(namespace) => SecretVersion::Gone,
            None => SecretVersion::Unknown,
        }
    }
}

/// Which resources refer to which Secret.
#[derive(Default)]
pub struct SecretUsers(Mutex<Users>);

#[derive(Default)]
struct Users {
    by_secret: HashMap<(String, String), HashSet<ObjectName>>,
    by_resource: HashMap<String, Vec<(String, String)>>,
}

impl SecretUsers {
    /// Notes what a resource refers to.
    pub fn refer(&self, uid: &str, resource: &ObjectName, spec: &VodMessageCallbackSpec) {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now: Vec<_> = referenced(spec)
            .into_iter()
            .map(|name| (resource.namespace.clone(), name))
            .collect();
        if users.by_resource.get(uid) == Some(&now) {
            return;
        }
        users.let_go(uid, resource);
        for secret in &now {
            users
                .by_secret
                .entry(secret.clone())
                .or_default()
                .insert(resource.clone());
        }
        users.by_resource.insert(uid.to_owned(), now);
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, uid: &str, resource: &ObjectName) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .let_go(uid, resource);
    }

    /// The resources that refer to a Secret.
    pub fn of(&self, namespace: &str, name: &str) -> Vec<ObjectName> {
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = users.by_secret.get(&(namespace.to_owned(), name.to_owned()));
        found.map(|names| names.iter().cloned().collect()).unwrap_or_default()
    }
}

impl Users {
    fn let_go(&mut self, uid: &str, resource: &ObjectName) {
        for secret in self.by_resource.remove(uid).unwrap_or_default() {
            if let Some(names) = self.by_secret.get_mut(&secret) {
                names.remove(resource);
                if names.is_empty() {
                    self.by_secret.remove(&secret);
                }
            }
        }
    }
}

/// The names of the Secrets that a spec refers to, each once.
pub fn referenced(spec: &VodMessageCallbackSpec) -> Vec<String> {
    let mut names: Vec<String> = [credentials_name(spec), key_ref(spec).map(|(name, _)| name)]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

/// The Secret with the AccessKey, where the spec names one.
pub fn credentials_name(spec: &VodMessageCallbackSpec) -> Option<&str> {
    spec.credentials.as_ref()?.secret_ref.as_ref().map(|r| r.name.as_str())
}

/// What a spec's credentials go by until their account is known, for those who wait in line.
pub fn credential_name(namespace: &str, spec: &VodMessageCallbackSpec) -> String {
    let credentials = spec.credentials.as_ref();
    let secret = credentials_name(spec).map_or_else(String::new, |name| format!("{namespace}/{name}"));
    let role = credentials.and_then(|c| c.assume_role.as_ref());
    role.map_or_else(|| secret.clone(), |role| format!("{secret} {}", role.role_arn))
}

/// The Secret and the key in it with the AuthKey, where the spec names one.
pub fn key_ref(spec: &VodMessageCallbackSpec) -> Option<(&str, &str)> {
    let http = spec
        .http
        .as_ref()
        .filter(|_| spec.callback_type == crate::api::CallbackType::Http)?;
    let key_ref = &http.auth.as_ref()?.key_secret_ref;
    Some((key_ref.name.as_str(), key_ref.key.as_str()))
}

/// A Secret's values, zeroed when dropped.
pub struct Values {
    data: BTreeMap<String, ByteString>,
    /// Which version was read.
    pub observed: ObservedSecret,
}

impl Values {
    /// All values.
    pub fn data(&self) -> &BTreeMap<String, ByteString> {
        &self.data
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        self.data.values_mut().for_each(|value| value.0.zeroize());
    }
}

/// Reads one Secret of the resource's namespace.
pub async fn read(client: &kube::Client, namespace: &str, name: &str) -> Result<Values, Failure> {
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
            return Err(Failure::Waiting {
                reason: Reason::ServiceUnavailable,
                message: format!(
                    "Secret {name} in namespace {namespace} could not be read: {}; it is tried again by itself",
                    crate::telemetry::in_words(&error)
                ),
                not_before: None,
                call: None,
            });
        }
        Ok(found) => found,
    };
    match found {
        None => Err(Failure::stalled(
            Reason::SecretNotFound,
            format!("Secret {name} does not exist in namespace {namespace}: create it"),
        )),
        Some(secret) => {
            let version = secret.metadata.resource_version.unwrap_or_default();
            let observed = ObservedSecret {
                name: name.to_owned(),
                resource_version: version,
            };
            Ok(Values {
                data: secret.data.unwrap_or_default(),
                observed,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_forgotten_and_known_to_be_gone() {
        let index = SecretIndex::default();
        assert_eq!(index.version("a", "x"), SecretVersion::Unknown, "no list was seen yet");
        assert!(index.present("a", "x", "1") && !index.present("a", "x", "1") && index.present("a", "x", "2"));
        assert!(index.present("a", "y", "3") && index.present("b", "z", "4"));
        let listed = HashSet::from([("a".to_owned(), "x".to_owned())]);
        assert_eq!(index.complete("a", &listed), [("a".to_owned(), "y".to_owned())]);
        assert_eq!(index.version("a", "x"), SecretVersion::Present("2".into()));
        assert_eq!(index.version("a", "y"), SecretVersion::Gone);
        assert_eq!(
            index.version("b", "other"),
            SecretVersion::Unknown,
            "that list was of another namespace"
        );
        assert!(index.gone("a", "x") && !index.gone("a", "x"));
        assert_eq!(index.version("a", "x"), SecretVersion::Gone);
        assert_eq!(index.complete("", &HashSet::new()), [("b".to_owned(), "z".to_owned())]);
        assert!(
            index.0.lock().unwrap().versions.is_empty(),
            "nothing is kept of what is gone"
        );
    }
}
