//! Who would own which setting, among the files and with the cluster: by the operator's own index.

use k8s_openapi::jiff::Timestamp;

use super::subject::Subject;
use crate::domain::AccountKey;
use crate::ownership::{AccountClaim, Contender, ObjectName, Ownership, OwnershipIndex};
use crate::reconcile::convert;

/// When and as what an object was made; one that only a file holds is younger than anything in the cluster, and of two
/// such the one that comes first is applied first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Birth {
    uid: String,
    created: Timestamp,
}

impl Birth {
    /// Of an object of the cluster.
    pub fn stored(uid: &str, created: Timestamp) -> Self {
        Self {
            uid: uid.to_owned(),
            created,
        }
    }

    /// Of an object that is yet to come.
    pub fn to_come(index: usize) -> Self {
        Self {
            uid: format!("{index:012}"),
            created: Timestamp::MAX,
        }
    }
}

/// Who owns what, now and once those are gone that are being deleted.
#[derive(Default)]
pub struct Owners {
    now: OwnershipIndex,
    then: OwnershipIndex,
}

/// Who owns the setting instead of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// This one.
    Owner(ObjectName),
    /// This one until it is gone, which it is about to be; then nobody.
    Predecessor(ObjectName),
}

impl Owners {
    /// Takes a resource in; `account` is absent where its credentials are refused or cannot be had: it owns nothing.
    pub fn add(&mut self, subject: &Subject, account: Option<&AccountKey>) {
        let Some(account) = account else { return };
        let contender = Contender {
            uid: subject.birth.uid.clone(),
            name: subject.name.clone(),
            created: subject.birth.created,
            region: convert::region(&subject.spec).setting_region(),
            app: convert::app(&subject.spec),
            claim: AccountClaim::Proven(account.clone()),
            contends: subject.spec.management_policy.contends(),
            lost_to: None,
            lost_in: None,
        };
        if !subject.is_going() {
            self.then.upsert(contender.clone());
        }
        self.now.upsert(contender);
    }

    /// The one that owns the setting instead.
    pub fn owner_before(&mut self, birth: &Birth) -> Option<Before> {
        let Ownership::Loser { owner } = self.now.ownership_of(&birth.uid) else {
            return None;
        };
        Some(match self.then.ownership_of(&birth.uid) {
            Ownership::Loser { owner } => Before::Owner(owner),
            Ownership::Owner => Before::Predecessor(owner),
            _ => Before::Owner(owner),
        })
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::VodMessageCallback;
    use crate::domain::AccountId;

    fn subject(name: &str, policy: &str, birth: Birth) -> Subject {
        let spec = serde_json::json!({
            "region": "cn-shanghai", "callbackType": "HTTP", "http": { "url": "https://a.example.com/" },
            "eventTypes": [], "managementPolicy": policy,
        });
        Subject {
            name: ObjectName {
                namespace: "media".into(),
                name: name.into(),
            },
            spec: serde_json::from_value(spec).unwrap(),
            source: None,
            birth,
            stored: None,
        }
    }

    fn going(name: &str, birth: Birth) -> Subject {
        let subject = subject(name, "Enforce", birth);
        let mut stored = VodMessageCallback::new(name, subject.spec.clone());
        stored.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        Subject {
            stored: Some(Box::new(stored)),
            ..subject
        }
    }

    #[test]
    fn the_oldest_owns_and_a_file_is_younger_than_the_cluster() {
        let account = AccountKey::Account(AccountId("1".into()));
        let owner = |name: &str| Some(Before::Owner(subject(name, "Enforce", Birth::to_come(0)).name));
        let stored = Birth::stored("zzz", Timestamp::from_second(1_800_000_000).unwrap());
        let (first, second, observes) = (Birth::to_come(0), Birth::to_come(1), Birth::to_come(2));
        let mut owners = Owners::default();
        owners.add(&subject("second", "Enforce", second.clone()), Some(&account));
        owners.add(&subject("first", "Enforce", first.clone()), Some(&account));
        owners.add(&subject("observes", "Observe", observes.clone()), Some(&account));
        assert_eq!(owners.owner_before(&first), None);
        assert_eq!(owners.owner_before(&second), owner("first"));
        assert_eq!(owners.owner_before(&observes), None);
        owners.add(&subject("stored", "Enforce", stored.clone()), Some(&account));
        assert_eq!(owners.owner_before(&first), owner("stored"));
        assert_eq!(owners.owner_before(&stored), None);
        let other = Birth::to_come(3);
        owners.add(&subject("refused", "Enforce", other.clone()), None);
        assert_eq!(
            owners.owner_before(&other),
            None,
            "who has no account lays claim to nothing"
        );
    }

    #[test]
    fn after_one_that_goes_the_next_owns() {
        let account = AccountKey::Account(AccountId("1".into()));
        let born = |uid: &str, second| Birth::stored(uid, Timestamp::from_second(second).unwrap());
        let (goes, heir, late) = (born("a", 1), born("b", 2), born("c", 3));
        let mut owners = Owners::default();
        let goes_too = born("d", 4);
        owners.add(&going("goes", goes.clone()), Some(&account));
        owners.add(&subject("heir", "Enforce", heir.clone()), Some(&account));
        owners.add(&subject("late", "Enforce", late.clone()), Some(&account));
        owners.add(&going("goes-too", goes_too.clone()), Some(&account));
        let name = |name: &str| subject(name, "Enforce", heir.clone()).name;
        assert_eq!(owners.owner_before(&goes), None);
        assert_eq!(owners.owner_before(&heir), Some(Before::Predecessor(name("goes"))));
        assert_eq!(owners.owner_before(&late), Some(Before::Owner(name("heir"))));
        assert_eq!(owners.owner_before(&goes_too), Some(Before::Owner(name("goes"))));
    }
}
