//! Which Secrets resources refer to, and which version of each the watch saw last.

use std::collections::HashMap;

use parking_lot::{Mutex, MutexGuard};

use super::secret_refs::referenced;
use crate::api::VodMessageCallbackSpec;
use crate::ownership::ObjectName;

/// What is known of a Secret without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretVersion {
    /// Not watched, or not seen yet.
    Unknown,
    /// It exists, at this resourceVersion.
    Present(String),
    /// It does not exist.
    Gone,
}

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

    /// Who refers to a Secret, by uid and name.
    pub fn users(&self, namespace: &str, name: &str) -> Vec<(String, ObjectName)> {
        let index = self.lock();
        let entry = index.by_secret.get(&(namespace.to_owned(), name.to_owned()));
        let users = entry.map(|entry| entry.users.clone()).unwrap_or_default();
        users.into_iter().collect()
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

#[cfg(test)]
mod tests;
