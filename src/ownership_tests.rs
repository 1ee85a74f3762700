use proptest::prelude::*;

use super::*;
use crate::domain::{AccountId, Region};

fn account(n: u8) -> AccountKey {
    AccountKey::Account(AccountId(n.to_string()))
}

fn contender(name: u8, created: i64, owner: Option<u8>, contends: bool) -> Contender {
    Contender {
        uid: format!("uid-{name}"),
        name: ObjectName {
            namespace: "ns".into(),
            name: format!("r{name}"),
        },
        created: Timestamp::from_second(created).unwrap(),
        region: Region("cn-shanghai".into()).setting_region(),
        app: AppId("app-1".into()),
        account: owner.map(account),
        contends,
    }
}

fn names(woken: &[ObjectName]) -> Vec<&str> {
    woken.iter().map(|n| n.name.as_str()).collect()
}

fn loser(owner: &str) -> Ownership {
    Ownership::Loser {
        owner: ObjectName {
            namespace: "ns".into(),
            name: owner.into(),
        },
    }
}

#[test]
fn the_oldest_owns_and_the_next_takes_over() {
    let mut index = OwnershipIndex::default();
    assert!(index.upsert(contender(2, 20, Some(1), true)).is_empty());
    assert_eq!(
        names(&index.upsert(contender(1, 10, Some(1), true))),
        ["r2"],
        "the former owner must give way"
    );
    assert!(index.upsert(contender(3, 30, Some(1), true)).is_empty());
    assert_eq!(index.ownership_of("uid-1"), Ownership::Owner);
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
    assert_eq!(names(&index.remove("uid-1")), ["r2", "r3"]);
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
    assert_eq!(index.ownership_of("uid-3"), loser("r2"));
    assert_eq!(index.ownership_of("uid-1"), Ownership::Unknown);
}

#[test]
fn one_created_in_the_same_second_loses_by_uid() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(2, 10, Some(1), true));
    index.upsert(contender(1, 10, Some(1), true));
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
}

#[test]
fn an_unknown_account_holds_nobody_up_until_it_is_known() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, None, true));
    index.upsert(contender(2, 20, Some(1), true));
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
    assert_eq!(names(&index.set_account("uid-1", Some(account(1)))), ["r2"]);
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
    assert_eq!(
        names(&index.set_account("uid-1", Some(account(9)))),
        ["r2"],
        "moved away"
    );
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
}

#[test]
fn observers_own_nothing_and_share_the_phase() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, Some(1), false));
    index.upsert(contender(2, 20, Some(1), true));
    assert_eq!(index.ownership_of("uid-1"), Ownership::NotContending);
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
    assert_eq!(index.group_phase_uid("uid-2"), "uid-1");
    assert_eq!(index.group_phase_uid("uid-9"), "uid-9");
}

#[test]
fn hangzhou_is_shanghai() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, Some(1), true));
    index.upsert(Contender {
        region: Region("cn-hangzhou".into()).setting_region(),
        ..contender(2, 20, Some(1), true)
    });
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
}

#[test]
fn a_renewed_claim_keeps_the_account_that_was_learned() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, None, true));
    index.set_account("uid-1", Some(account(1)));
    assert!(index.upsert(contender(1, 10, None, true)).is_empty());
    index.upsert(contender(2, 20, Some(1), true));
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
}

proptest! {
    #[test]
    fn as_a_naive_model_says(steps in proptest::collection::vec((0..6u8, 0..4i64, proptest::option::of(0..3u8), any::<bool>(), any::<bool>()), 1..40)) {
        let mut index = OwnershipIndex::default();
        let mut model: HashMap<u8, Contender> = HashMap::new();
        let verdicts = |model: &HashMap<u8, Contender>| -> HashMap<u8, Ownership> {
            model.iter().map(|(n, c)| {
                let mut rivals: Vec<&Contender> = model.values()
                    .filter(|r| r.contends && r.account.is_some() && r.account == c.account).collect();
                rivals.sort_by_key(|r| (r.created, r.uid.clone()));
                let ownership_of = match rivals.first() {
                    _ if !c.contends => Ownership::NotContending,
                    Some(first) if first.uid != c.uid => Ownership::Loser { owner: first.name.clone() },
                    _ => Ownership::Owner,
                };
                (*n, ownership_of)
            }).collect()
        };
        for (n, created, owner, contends, remove) in steps {
            let before = verdicts(&model);
            let woken = if remove {
                model.remove(&n);
                index.remove(&format!("uid-{n}"))
            } else {
                let mut new = contender(n, created, owner, contends);
                if let Some(old) = model.get(&n) { new.account = old.account.clone().or(new.account); }
                model.insert(n, new.clone());
                index.upsert(new)
            };
            let after = verdicts(&model);
            for (other, ownership_of) in &after {
                prop_assert_eq!(&index.ownership_of(&format!("uid-{other}")), ownership_of);
                let changed = before.get(other).is_some_and(|b| b != ownership_of);
                if *other != n && changed {
                    let name = format!("r{other}");
                    prop_assert!(names(&woken).contains(&name.as_str()));
                }
            }
            let name = format!("r{n}");
            prop_assert!(!names(&woken).contains(&name.as_str()));
        }
    }
}
