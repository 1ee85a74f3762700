//! Who owns a setting: of several resources that name the same account, region and app, the oldest.
//!
//! A plain index, no I/O. Resources whose account is not known neither win nor hold anybody up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::domain::{AccountKey, AppId, SettingRegion};

/// A resource's namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectName {
    /// A resource's own.
    pub fn of(resource: &impl ResourceExt) -> Self {
        Self {
            namespace: resource.namespace().unwrap_or_default(),
            name: resource.name_any(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The identity of one setting at the service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettingKey {
    /// Whose.
    pub account: AccountKey,
    /// Where.
    pub region: SettingRegion,
    /// Which app's.
    pub app: AppId,
}

/// What a resource lays contender to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// The resource's uid.
    pub uid: String,
    /// Its name.
    pub name: ObjectName,
    /// When it was created.
    pub created: Timestamp,
    /// The region that holds the setting.
    pub region: SettingRegion,
    /// The app.
    pub app: AppId,
    /// The account, once known.
    pub account: Option<AccountKey>,
    /// Whether it wants to own the setting; one that only observes does not.
    pub contends: bool,
}

impl Contender {
    fn key(&self) -> Option<SettingKey> {
        let account = self.account.clone()?;
        Some(SettingKey {
            account,
            region: self.region.clone(),
            app: self.app.clone(),
        })
    }

    fn rank(&self) -> Rank {
        (self.created, self.uid.clone())
    }
}

/// Whether a resource owns its setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It does, or its account is not known yet and nobody is known to be before it.
    Owner,
    /// An older one does.
    Loser {
        /// The owner.
        owner: ObjectName,
    },
    /// It only observes.
    NotContending,
    /// It is not in the index.
    Unknown,
}

type Rank = (Timestamp, String);

/// All index.
#[derive(Default)]
pub struct OwnershipIndex {
    by_uid: HashMap<String, Contender>,
    groups: BTreeMap<SettingKey, BTreeSet<Rank>>,
}

impl OwnershipIndex {
    /// Adds a contender or renews it. An account that was learned stays, unless `contender` names one for the first time.
    /// Returns the others whose ownership_of changed.
    pub fn upsert(&mut self, mut contender: Contender) -> Vec<ObjectName> {
        if let Some(before) = self.by_uid.get(&contender.uid) {
            contender.account = before.account.clone().or(contender.account);
            if *before == contender {
                return Vec::new();
            }
        }
        let uid = contender.uid.clone();
        self.change(&uid, Some(contender))
    }

    /// Removes a contender. Returns the others whose ownership_of changed.
    pub fn remove(&mut self, uid: &str) -> Vec<ObjectName> {
        self.change(uid, None)
    }

    /// Notes whose account it is. Returns the others whose ownership_of changed.
    pub fn set_account(&mut self, uid: &str, account: Option<AccountKey>) -> Vec<ObjectName> {
        match self.by_uid.get(uid) {
            Some(before) if before.account != account => {
                let contender = Contender {
                    account,
                    ..before.clone()
                };
                self.change(uid, Some(contender))
            }
            _ => Vec::new(),
        }
    }

    /// Whether a resource owns its setting.
    pub fn ownership_of(&self, uid: &str) -> Ownership {
        let Some(contender) = self.by_uid.get(uid) else {
            return Ownership::Unknown;
        };
        if !contender.contends {
            return Ownership::NotContending;
        }
        match contender.key().and_then(|key| self.owner(&key)) {
            Some(owner) if owner.uid != uid => Ownership::Loser {
                owner: owner.name.clone(),
            },
            _ => Ownership::Owner,
        }
    }

    /// The uid that times the checks of all resources of one setting: the oldest one's, so that they share a read.
    pub fn group_phase_uid(&self, uid: &str) -> String {
        let group = self
            .by_uid
            .get(uid)
            .and_then(Contender::key)
            .and_then(|key| self.groups.get(&key));
        group
            .and_then(BTreeSet::first)
            .map_or_else(|| uid.to_owned(), |(_, first)| first.clone())
    }

    fn owner(&self, key: &SettingKey) -> Option<&Contender> {
        let group = self.groups.get(key)?;
        group
            .iter()
            .filter_map(|(_, uid)| self.by_uid.get(uid))
            .find(|contender| contender.contends)
    }

    fn change(&mut self, uid: &str, contender: Option<Contender>) -> Vec<ObjectName> {
        let before = self.by_uid.get(uid).cloned();
        let keys: BTreeSet<SettingKey> = [&before, &contender]
            .into_iter()
            .filter_map(|c| c.as_ref().and_then(Contender::key))
            .collect();
        let owners = |index: &Self| -> Vec<Option<String>> {
            keys.iter()
                .map(|key| index.owner(key).map(|owner| owner.uid.clone()))
                .collect()
        };
        let owners_before = owners(self);
        if let Some(before) = &before
            && let Some(key) = before.key()
            && let Some(group) = self.groups.get_mut(&key)
        {
            group.remove(&before.rank());
            if group.is_empty() {
                self.groups.remove(&key);
            }
        }
        match contender {
            Some(contender) => {
                if let Some(key) = contender.key() {
                    self.groups.entry(key).or_default().insert(contender.rank());
                }
                self.by_uid.insert(uid.to_owned(), contender);
            }
            None => {
                self.by_uid.remove(uid);
            }
        }
        let owners_after = owners(self);
        // Where the owner is another now, everyone in the group must look again: the new owner takes over, the
        // former gives way, and the losers name the new one.
        keys.iter()
            .zip(owners_before.iter().zip(&owners_after))
            .filter(|(_, (before, after))| before != after)
            .filter_map(|(key, _)| self.groups.get(key))
            .flatten()
            .filter(|(_, member)| member != uid)
            .filter_map(|(_, member)| self.by_uid.get(member))
            .filter(|contender| contender.contends)
            .map(|contender| contender.name.clone())
            .collect()
    }
}

#[cfg(test)]
#[path = "ownership_tests.rs"]
mod tests;
