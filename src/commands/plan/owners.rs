//! Who would own which setting, among the files and with the cluster: by the operator's own index.

use k8s_openapi::jiff::Timestamp;

use crate::api::{ManagementPolicy, VodMessageCallbackSpec};
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

/// Who owns what.
#[derive(Default)]
pub struct Owners(OwnershipIndex);

impl Owners {
    /// Takes a resource in; `account` is absent where its credentials are refused or cannot be had: it owns nothing.
    pub fn add(
        &mut self,
        name: &ObjectName,
        spec: &VodMessageCallbackSpec,
        birth: &Birth,
        account: Option<&AccountKey>,
    ) {
        let Some(account) = account else { return };
        self.0.upsert(Contender {
            uid: birth.uid.clone(),
            name: name.clone(),
            created: birth.created,
            region: convert::region(spec).setting_region(),
            app: convert::app(spec),
            claim: AccountClaim::Proven(account.clone()),
            contends: spec.management_policy != ManagementPolicy::Observe,
            lost_to: None,
            lost_in: None,
        });
    }

    /// The one that owns the setting instead.
    pub fn owner_before(&mut self, birth: &Birth) -> Option<ObjectName> {
        match self.0.ownership_of(&birth.uid) {
            Ownership::Loser { owner } => Some(owner),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AccountId;

    fn spec(app: &str, policy: &str) -> VodMessageCallbackSpec {
        serde_json::from_value(serde_json::json!({
            "region": "cn-shanghai", "appId": app, "callbackType": "HTTP", "http": { "url": "https://a.example.com/" },
            "eventTypes": [], "managementPolicy": policy,
        }))
        .unwrap()
    }

    #[test]
    fn the_oldest_owns_and_a_file_is_younger_than_the_cluster() {
        let account = AccountKey::Account(AccountId("1".into()));
        let name = |name: &str| ObjectName {
            namespace: "media".into(),
            name: name.into(),
        };
        let stored = Birth::stored("zzz", Timestamp::from_second(1_800_000_000).unwrap());
        let (first, second, observes) = (Birth::to_come(0), Birth::to_come(1), Birth::to_come(2));
        let mut owners = Owners::default();
        owners.add(&name("second"), &spec("a", "Enforce"), &second, Some(&account));
        owners.add(&name("first"), &spec("a", "Enforce"), &first, Some(&account));
        owners.add(&name("observes"), &spec("a", "Observe"), &observes, Some(&account));
        assert_eq!(owners.owner_before(&first), None);
        assert_eq!(owners.owner_before(&second), Some(name("first")));
        assert_eq!(owners.owner_before(&observes), None);
        owners.add(&name("stored"), &spec("a", "Enforce"), &stored, Some(&account));
        assert_eq!(owners.owner_before(&first), Some(name("stored")));
        assert_eq!(owners.owner_before(&stored), None);
        let other = Birth::to_come(3);
        owners.add(&name("refused"), &spec("a", "Enforce"), &other, None);
        assert_eq!(
            owners.owner_before(&other),
            None,
            "who has no account lays claim to nothing"
        );
    }
}
