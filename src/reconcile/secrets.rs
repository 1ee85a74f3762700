//! Secrets: what is watched of them (metadata) and how one is read when it is needed.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use parking_lot::{Mutex, MutexGuard};
use zeroize::Zeroize;

use super::due::SecretVersion;
use super::facts;
use super::failure::Failure;
use crate::api::{ObservedSecret, VodMessageCallbackSpec};
use crate::domain::is_object_name;
use crate::ownership::ObjectName;
use crate::status::Reason;

/// The Secrets that resources refer to: which resources, and which version the watch saw last. Of other Secrets nothing
/// is kept, however many there are.
#[derive(Default)]
pub struct SecretIndex(Mutex<Referenced>);

#[derive(Default)]
struct Referenced {
    by_secret: HashMap<SecretName, Entry>,
    /// By the resource's uid: what it refers to.
    by_resource: HashMap<String, Vec<SecretName>>,
    /// The lists under way, by what they list.
    lists: HashMap<String, u64>,
    begun: u64,
}

/// Namespace and name.
type SecretName = (String, String);

struct Entry {
    version: SecretVersion,
    /// By uid: an object of the same name may come before its forerunner is known to be gone.
    users: HashMap<String, ObjectName>,
    /// The first list that could show it: of those begun before, it is not known whether they would have.
    since: u64,
    /// The last list that showed it, or a change while that list was under way.
    shown: u64,
}

impl SecretIndex {
    fn lock(&self) -> MutexGuard<'_, Referenced> {
        self.0.lock()
    }

    /// Notes what a resource refers to.
    pub fn refer(&self, uid: &str, resource: &ObjectName, spec: &VodMessageCallbackSpec) {
        let mut index = self.lock();
        let now: Vec<_> = referenced(spec)
            .into_iter()
            .map(|name| (resource.namespace.clone(), name))
            .collect();
        if index.by_resource.get(uid) == Some(&now) {
            return;
        }
        let before = index.by_resource.insert(uid.to_owned(), now.clone());
        let since = index.begun + 1;
        for secret in &now {
            let entry = index.by_secret.entry(secret.clone()).or_insert_with(|| Entry {
                version: SecretVersion::Unknown,
                users: HashMap::new(),
                since,
                shown: 0,
            });
            entry.users.insert(uid.to_owned(), resource.clone());
        }
        // After that, so that nothing is forgotten of a Secret that is referred to all along.
        let dropped = before.into_iter().flatten().filter(|secret| !now.contains(secret));
        dropped.for_each(|secret| index.let_go(uid, &secret));
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, uid: &str) {
        let mut index = self.lock();
        for secret in index.by_resource.remove(uid).unwrap_or_default() {
            index.let_go(uid, &secret);
        }
    }

    /// What is known of one Secret.
    pub fn version(&self, namespace: &str, name: &str) -> SecretVersion {
        let index = self.lock();
        let entry = index.by_secret.get(&(namespace.to_owned(), name.to_owned()));
        entry.map_or(SecretVersion::Unknown, |entry| entry.version.clone())
    }

    /// Notes a Secret's version. Returns who refers to it, if that is new.
    pub fn present(&self, namespace: &str, name: &str, version: &str) -> Vec<ObjectName> {
        let mut index = self.lock();
        let shown = index.begun;
        index.note(namespace, name, shown, SecretVersion::Present(version.to_owned()))
    }

    /// Notes that a Secret was deleted. Returns who refers to it, if that is new.
    pub fn gone(&self, namespace: &str, name: &str) -> Vec<ObjectName> {
        let mut index = self.lock();
        let shown = index.begun;
        index.note(namespace, name, shown, SecretVersion::Gone)
    }

    /// A list of `scope` (a namespace, or all when empty) begins.
    pub fn list_begins(&self, scope: &str) {
        let mut index = self.lock();
        index.begun += 1;
        let begun = index.begun;
        index.lists.insert(scope.to_owned(), begun);
    }

    /// The list of `scope` is complete: Secrets that were referred to when it began, and that it did not show, do not
    /// exist. Returns who refers to those that it newly knows to be gone.
    pub fn list_ends(&self, scope: &str) -> Vec<ObjectName> {
        let mut index = self.lock();
        let Some(list) = index.lists.remove(scope) else {
            return Vec::new();
        };
        let missing = |(namespace, _): &SecretName, entry: &Entry| {
            (scope.is_empty() || namespace == scope) && entry.since <= list && entry.shown < list
        };
        let gone = index.by_secret.iter_mut().filter(|(name, entry)| missing(name, entry));
        gone.filter(|(_, entry)| entry.version != SecretVersion::Gone)
            .flat_map(|(_, entry)| {
                entry.version = SecretVersion::Gone;
                entry.users.values().cloned()
            })
            .collect()
    }
}

impl Referenced {
    fn note(&mut self, namespace: &str, name: &str, shown: u64, version: SecretVersion) -> Vec<ObjectName> {
        let Some(entry) = self.by_secret.get_mut(&(namespace.to_owned(), name.to_owned())) else {
            return Vec::new();
        };
        entry.shown = shown;
        if entry.version == version {
            return Vec::new();
        }
        entry.version = version;
        entry.users.values().cloned().collect()
    }

    fn let_go(&mut self, uid: &str, secret: &SecretName) {
        if let Some(entry) = self.by_secret.get_mut(secret) {
            entry.users.remove(uid);
            if entry.users.is_empty() {
                self.by_secret.remove(secret);
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
pub fn line_of_the_credential(namespace: &str, spec: &VodMessageCallbackSpec) -> String {
    let credentials = spec.credentials.as_ref();
    let account = credentials.and_then(|c| c.service_account_ref.as_ref());
    let base = match (credentials_name(spec), account) {
        (Some(secret), _) => format!("{namespace}/{secret}"),
        (None, Some(account)) => format!("{namespace} {} {}", account.name, account.role_arn),
        (None, None) => "ambient".to_owned(),
    };
    let role = credentials.and_then(|c| c.assume_role.as_ref());
    role.map_or_else(|| base.clone(), |role| format!("{base} {}", role.role_arn))
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
        None => Err(facts::missing(namespace, name)),
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
mod tests;
