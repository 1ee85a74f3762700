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

/// What a resource lays claim to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
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

impl Claim {
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
pub enum Verdict {
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

/// All claims.
#[derive(Default)]
pub struct Claims {
    by_uid: HashMap<String, Claim>,
    groups: BTreeMap<SettingKey, BTreeSet<Rank>>,
}

impl Claims {
    /// Adds a claim or renews it. An account that was learned stays, unless `claim` names one for the first time.
    /// Returns the others whose verdict changed.
    pub fn upsert(&mut self, mut claim: Claim) -> Vec<ObjectName> {
        if let Some(before) = self.by_uid.get(&claim.uid) {
            claim.account = before.account.clone().or(claim.account);
            if *before == claim {
                return Vec::new();
            }
        }
        let uid = claim.uid.clone();
        self.change(&uid, Some(claim))
    }

    /// Removes a claim. Returns the others whose verdict changed.
    pub fn remove(&mut self, uid: &str) -> Vec<ObjectName> {
        self.change(uid, None)
    }

    /// Notes whose account it is. Returns the others whose verdict changed.
    pub fn set_account(&mut self, uid: &str, account: Option<AccountKey>) -> Vec<ObjectName> {
        match self.by_uid.get(uid) {
            Some(before) if before.account != account => {
                let claim = Claim {
                    account,
                    ..before.clone()
                };
                self.change(uid, Some(claim))
            }
            _ => Vec::new(),
        }
    }

    /// Whether a resource owns its setting.
    pub fn verdict(&self, uid: &str) -> Verdict {
        let Some(claim) = self.by_uid.get(uid) else {
            return Verdict::Unknown;
        };
        if !claim.contends {
            return Verdict::NotContending;
        }
        match claim.key().and_then(|key| self.owner(&key)) {
            Some(owner) if owner.uid != uid => Verdict::Loser {
                owner: owner.name.clone(),
            },
            _ => Verdict::Owner,
        }
    }

    /// The uid that times the checks of all resources of one setting: the oldest one's, so that they share a read.
    pub fn group_phase_uid(&self, uid: &str) -> String {
        let group = self
            .by_uid
            .get(uid)
            .and_then(Claim::key)
            .and_then(|key| self.groups.get(&key));
        group
            .and_then(BTreeSet::first)
            .map_or_else(|| uid.to_owned(), |(_, first)| first.clone())
    }

    fn owner(&self, key: &SettingKey) -> Option<&Claim> {
        let group = self.groups.get(key)?;
        group
            .iter()
            .filter_map(|(_, uid)| self.by_uid.get(uid))
            .find(|claim| claim.contends)
    }

    fn change(&mut self, uid: &str, claim: Option<Claim>) -> Vec<ObjectName> {
        let before = self.by_uid.get(uid).cloned();
        let keys: BTreeSet<SettingKey> = [&before, &claim]
            .into_iter()
            .filter_map(|c| c.as_ref().and_then(Claim::key))
            .collect();
        let owners = |claims: &Self| -> Vec<Option<String>> {
            keys.iter()
                .map(|key| claims.owner(key).map(|owner| owner.uid.clone()))
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
        match claim {
            Some(claim) => {
                if let Some(key) = claim.key() {
                    self.groups.entry(key).or_default().insert(claim.rank());
                }
                self.by_uid.insert(uid.to_owned(), claim);
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
            .filter(|claim| claim.contends)
            .map(|claim| claim.name.clone())
            .collect()
    }
}

#[cfg(test)]
#[path = "ownership_tests.rs"]
mod tests;
