//! Who may own a setting, and what is said of it.

use std::fmt;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::domain::{AccountId, AccountKey, AppId, SettingRegion};

/// Older comes first; of two in one second, the lower uid.
pub(super) type Rank = (Timestamp, String);
/// Where only one may own, for each account.
pub(super) type Place = (SettingRegion, AppId);

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

/// What is known of a contender's account.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum AccountClaim {
    /// Nobody has asked yet.
    #[default]
    NotAsked,
    /// It was asked for, and there is none to lay claim to: the credentials cannot be had, or are refused.
    None,
    /// Credentials that were accepted stand for it.
    Proven(AccountKey),
}

impl AccountClaim {
    pub(super) fn account(&self) -> Option<&AccountKey> {
        match self {
            Self::Proven(account) => Some(account),
            Self::NotAsked | Self::None => None,
        }
    }
}

/// A resource that names a setting.
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
    /// Whose setting.
    pub claim: AccountClaim,
    /// Whether it wants to own the setting; one that only observes does not.
    pub contends: bool,
    /// The owner that its status names, while it is in conflict.
    pub lost_to: Option<ObjectName>,
    /// The account in which it lost, as far as its status names one.
    pub lost_in: Option<AccountId>,
}

impl Contender {
    pub(super) fn key(&self) -> Option<SettingKey> {
        let account = self.claim.account()?.clone();
        Some(SettingKey {
            account,
            region: self.region.clone(),
            app: self.app.clone(),
        })
    }

    pub(super) fn place(&self) -> Place {
        (self.region.clone(), self.app.clone())
    }

    pub(super) fn rank(&self) -> Rank {
        (self.created, self.uid.clone())
    }

    /// The owner that its status names, unless its credentials are another account's by now.
    pub(super) fn still_lost_to(&self) -> Option<&ObjectName> {
        let moved = match (self.claim.account().and_then(AccountKey::account), &self.lost_in) {
            (Some(now), Some(then)) => now != then,
            _ => false,
        };
        self.lost_to.as_ref().filter(|_| !moved)
    }

    pub(super) fn is_unasked(&self) -> bool {
        self.contends && self.claim == AccountClaim::NotAsked
    }
}

/// Whether a resource owns its setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It does.
    Owner,
    /// An older one does.
    Loser {
        /// Which.
        owner: ObjectName,
    },
    /// It cannot be said yet.
    Waits {
        /// What must be known first.
        on: Pending,
    },
    /// Its credentials were refused or cannot be had: it owns nothing.
    NoClaim,
    /// It only observes.
    NotContending,
    /// It is not in the index.
    Unknown,
}

/// What must be known before ownership can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// The account of this one, which is older, or the resource itself.
    AccountOf(ObjectName),
    /// What there is in this namespace.
    Namespace(String),
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountOf(name) => write!(f, "the account of the older VodMessageCallback {name}"),
            Self::Namespace(namespace) => write!(f, "the list of VodMessageCallbacks in namespace {namespace}"),
        }
    }
}

const LOST: &str = "the setting of this account, region and app belongs to the older VodMessageCallback ";

/// What a loser's status says of the owner.
pub fn lost_message(owner: &ObjectName) -> String {
    format!("{LOST}{owner}: delete one of the two, or name another app or region in a new one")
}

/// The owner that [`lost_message`] names: a restarted operator has nothing else to know it by.
pub fn owner_in(message: &str) -> Option<ObjectName> {
    let (owner, _) = message.strip_prefix(LOST)?.split_once(':')?;
    let (namespace, name) = owner.split_once('/')?;
    Some(ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}
