use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::domain::{AccountId, AppId, CredentialId, Region};

fn account(n: u8) -> AccountKey {
    AccountKey::Account(AccountId(n.to_string()))
}

fn proven(n: u8) -> AccountClaim {
    AccountClaim::Proven(account(n))
}

fn contender(name: u8, created: i64, claim: AccountClaim, contends: bool) -> Contender {
    Contender {
        uid: format!("uid-{name}"),
        name: called(&format!("r{name}")),
        created: Timestamp::from_second(created).unwrap(),
        region: Region("cn-shanghai".into()).setting_region(),
        app: AppId("app-1".into()),
        claim,
        contends,
        lost_to: None,
        lost_in: None,
    }
}

fn called(name: &str) -> ObjectName {
    ObjectName {
        namespace: "ns".into(),
        name: name.into(),
    }
}

fn names(woken: &[ObjectName]) -> Vec<&str> {
    woken.iter().map(|n| n.name.as_str()).collect()
}

fn loser(owner: &str) -> Ownership {
    Ownership::Loser { owner: called(owner) }
}

fn waits(name: &str) -> Ownership {
    Ownership::Waits {
        on: Pending::AccountOf(called(name)),
    }
}

#[test]
fn the_oldest_owns_and_the_next_takes_over() {
    let mut index = OwnershipIndex::default();
    assert!(index.upsert(contender(2, 20, proven(1), true)).is_empty());
    assert_eq!(
        names(&index.upsert(contender(1, 10, proven(1), true))),
        ["r2"],
        "the former owner must give way"
    );
    index.upsert(contender(3, 30, proven(1), true));
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
    index.upsert(contender(2, 10, proven(1), true));
    index.upsert(contender(1, 10, proven(1), true));
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
}

/// Both would make a Set: the younger one because nobody knows yet that the older one names the same account.
#[test]
fn of_two_rivals_found_at_a_start_only_the_older_is_judged_an_owner_whoever_is_asked_first() {
    for younger_first in [false, true] {
        let mut index = OwnershipIndex::default();
        index.upsert(contender(1, 10, AccountClaim::NotAsked, true));
        index.upsert(contender(2, 20, AccountClaim::NotAsked, true));
        assert_eq!(index.ownership_of("uid-1"), waits("r1"), "it was not asked itself");
        if younger_first {
            index.proven("uid-2", account(1));
            assert_eq!(index.ownership_of("uid-2"), waits("r1"));
            let older = [("uid-1".to_owned(), called("r1"))];
            assert_eq!(index.unasked_before("uid-2"), older);
            assert!(index.unasked_before("uid-1").is_empty());
            assert_eq!(names(&index.proven("uid-1", account(1))), ["r2"], "it waits no more");
        } else {
            index.proven("uid-1", account(1));
            index.proven("uid-2", account(1));
        }
        assert_eq!(index.ownership_of("uid-1"), Ownership::Owner);
        assert_eq!(index.ownership_of("uid-2"), loser("r1"));
    }
}

#[test]
fn one_that_waits_for_an_older_one_of_another_account_is_woken_and_owns() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, AccountClaim::NotAsked, true));
    index.upsert(contender(2, 20, proven(2), true));
    index.upsert(contender(3, 30, proven(3), true));
    assert_eq!(index.ownership_of("uid-3"), waits("r1"));
    assert_eq!(
        names(&index.proven("uid-1", account(1))),
        ["r3"],
        "only who was told to wait: one at rest is not read again"
    );
    assert_eq!(index.ownership_of("uid-3"), Ownership::Owner);
}

#[test]
fn a_younger_one_holds_no_older_one_up() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, proven(1), true));
    index.upsert(contender(2, 20, AccountClaim::NotAsked, true));
    assert_eq!(index.ownership_of("uid-1"), Ownership::Owner);
}

#[test]
fn an_account_that_cannot_be_known_holds_nobody_up_until_it_is_known() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, AccountClaim::NotAsked, true));
    index.upsert(contender(2, 20, proven(1), true));
    assert_eq!(index.ownership_of("uid-2"), waits("r1"));
    assert_eq!(names(&index.cannot_be_known("uid-1")), ["r2"]);
    assert_eq!(index.ownership_of("uid-1"), Ownership::NoClaim);
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
    assert_eq!(names(&index.proven("uid-1", account(1))), ["r2"]);
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
    assert_eq!(names(&index.proven("uid-1", account(9))), ["r2"], "moved away");
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
}

#[test]
fn refused_credentials_own_nothing_and_what_they_owned_is_free() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, AccountClaim::NotAsked, true));
    index.upsert(contender(2, 20, proven(1), true));
    assert!(index.refused("uid-1").is_empty(), "nobody was told to wait");
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
    index.proven("uid-1", account(1));
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
    assert_eq!(names(&index.refused("uid-1")), ["r2"], "the next takes over");
    assert_eq!(index.ownership_of("uid-1"), Ownership::NoClaim);
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
}

/// A Secret that is gone says nothing of whose setting it is.
#[test]
fn an_owner_that_stalls_keeps_its_ownership() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, proven(1), true));
    index.upsert(contender(2, 20, proven(1), true));
    assert!(index.cannot_be_known("uid-1").is_empty());
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
}

/// The same AccessKey ID with a guessed secret is a credential of its own.
#[test]
fn a_guessed_secret_shares_no_setting_with_the_real_one_while_sts_is_away() {
    let key = |secret| AccountKey::Credential(CredentialId::of_key("ExampleKnownId", secret, None));
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, AccountClaim::Proven(key("guess")), true));
    index.upsert(contender(2, 20, AccountClaim::Proven(key("real")), true));
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
    index.upsert(contender(3, 30, AccountClaim::Proven(key("real")), true));
    assert_eq!(index.ownership_of("uid-3"), loser("r2"));
}

#[test]
fn observers_own_nothing_hold_nobody_up_and_share_the_phase() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(0, 5, AccountClaim::NotAsked, false));
    index.upsert(contender(1, 10, proven(1), false));
    index.upsert(contender(2, 20, proven(1), true));
    assert_eq!(index.ownership_of("uid-1"), Ownership::NotContending);
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
    assert_eq!(index.group_phase_uid("uid-2"), "uid-1");
    assert_eq!(index.group_phase_uid("uid-9"), "uid-9");
}

#[test]
fn hangzhou_is_shanghai() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, proven(1), true));
    index.upsert(Contender {
        region: Region("cn-hangzhou".into()).setting_region(),
        ..contender(2, 20, proven(1), true)
    });
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
}

#[test]
fn a_renewed_contender_keeps_what_was_learned_and_takes_what_its_status_proves_when_nothing_was() {
    let mut index = OwnershipIndex::default();
    index.upsert(contender(1, 10, AccountClaim::NotAsked, true));
    index.upsert(contender(1, 10, proven(1), true));
    assert!(index.upsert(contender(1, 10, AccountClaim::NotAsked, true)).is_empty());
    index.upsert(contender(2, 20, proven(1), true));
    assert_eq!(index.ownership_of("uid-2"), loser("r1"));
    index.refused("uid-1");
    index.upsert(contender(1, 10, proven(1), true));
    index.told("uid-1", proven(1));
    assert_eq!(
        index.ownership_of("uid-1"),
        Ownership::NoClaim,
        "its status is older than the refusal"
    );
}

#[test]
fn all_is_seen_once_each_watched_namespace_was_listed_or_refused() {
    let mut index = OwnershipIndex::default();
    index.expect(["ns".to_owned(), "other".to_owned()]);
    index.listed("ns");
    assert!(!index.sees_all(), "the other one is waited for");
    index.cannot_list("other");
    assert!(index.sees_all(), "what there is to be seen");
    let mut index = OwnershipIndex::default();
    index.expect(["ns".to_owned()]);
    index.cannot_list("ns");
    assert!(!index.sees_all(), "nothing at all");
    index.listed("ns");
    assert!(index.sees_all());
}

#[test]
fn nobody_is_judged_an_owner_before_every_watched_namespace_was_listed() {
    let mut index = OwnershipIndex::default();
    index.expect(["ns".to_owned(), "other".to_owned()]);
    index.listed("ns");
    index.upsert(contender(2, 20, proven(1), true));
    let on = Pending::Namespace("other".into());
    assert_eq!(index.ownership_of("uid-2"), Ownership::Waits { on });
    let mut older = contender(1, 10, proven(1), true);
    older.name.namespace = "other".into();
    index.upsert(older);
    assert_eq!(names(&index.listed("other")), ["r2"]);
    assert!(matches!(index.ownership_of("uid-2"), Ownership::Loser { .. }));
}

#[test]
fn a_namespace_that_is_refused_keeps_the_owner_that_a_loser_names() {
    let mut index = OwnershipIndex::default();
    let mut owner = called("r1");
    owner.namespace = "other".into();
    index.expect(["other".to_owned()]);
    index.upsert(Contender {
        lost_to: Some(owner.clone()),
        ..contender(2, 20, proven(1), true)
    });
    index.upsert(contender(3, 30, proven(3), true));
    assert!(matches!(index.ownership_of("uid-3"), Ownership::Waits { .. }));
    assert_eq!(names(&index.cannot_list("other")), ["r3"]);
    let lost = Ownership::Loser { owner };
    assert_eq!(index.ownership_of("uid-2"), lost);
    assert_eq!(index.ownership_of("uid-3"), Ownership::Owner, "it names no owner there");
    index.upsert(contender(2, 20, proven(1), true));
    assert_eq!(index.ownership_of("uid-2"), lost, "whatever its status says meanwhile");
    assert_eq!(names(&index.listed("other")), ["r2"], "the owner is gone");
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
}

/// It did what the message asks for: its credentials are another account's now.
#[test]
fn a_loser_that_moved_to_another_account_is_no_loser_any_more() {
    let mut index = OwnershipIndex::default();
    let mut owner = called("r1");
    owner.namespace = "other".into();
    let AccountKey::Account(lost_in) = account(1) else {
        panic!()
    };
    index.upsert(Contender {
        lost_to: Some(owner.clone()),
        lost_in: Some(lost_in),
        ..contender(2, 20, AccountClaim::NotAsked, true)
    });
    index.cannot_list("other");
    index.proven("uid-2", account(1));
    assert_eq!(index.ownership_of("uid-2"), Ownership::Loser { owner });
    index.proven("uid-2", account(2));
    assert_eq!(index.ownership_of("uid-2"), Ownership::Owner);
}

/// While no operator ran, an older one came, or the owner that a loser's status names went.
#[test]
fn a_loser_whose_status_does_not_name_the_owner_is_woken_at_a_start() {
    let says = |name: u8, owner: Option<&str>, claim| Contender {
        lost_to: owner.map(called),
        ..contender(name, 10 * i64::from(name), claim, true)
    };
    for statuses_first in [true, false] {
        let mut index = OwnershipIndex::default();
        let claim = if statuses_first {
            proven(1)
        } else {
            AccountClaim::NotAsked
        };
        let mut woken = Vec::new();
        for (name, owner) in [(1, None), (2, Some("r1")), (3, Some("r0")), (4, None)] {
            woken.extend(index.upsert(says(name, owner, claim.clone())));
        }
        for name in 1..5 {
            woken.extend(index.told(&format!("uid-{name}"), proven(1)));
        }
        assert_eq!(names(&woken), ["r3", "r4"], "statuses first: {statuses_first}");
    }
}

/// So that a restart without any change has nothing to do.
#[test]
fn at_a_start_nobody_is_woken_before_it_is_certain_who_owns() {
    let mut index = OwnershipIndex::default();
    index.expect(["ns".to_owned(), "other".to_owned()]);
    let mut owner = contender(1, 10, AccountClaim::NotAsked, true);
    owner.name.namespace = "other".into();
    let says = |name: u8, owner: &ObjectName| Contender {
        lost_to: Some(owner.clone()),
        ..contender(name, 10 * i64::from(name), proven(1), true)
    };
    assert!(index.upsert(says(2, &owner.name)).is_empty());
    assert!(
        index.upsert(says(3, &owner.name)).is_empty(),
        "its owner may be listed yet"
    );
    assert!(index.upsert(says(4, &called("r9"))).is_empty());
    assert!(index.listed("ns").is_empty());
    index.upsert(owner.clone());
    assert!(index.listed("other").is_empty(), "its account is not known yet");
    let woken = index.told("uid-1", proven(1));
    // Of the group all look whose owner is another now; what was certain is told to nobody again.
    assert!(names(&woken).contains(&"r4"), "{woken:?}");
    assert_eq!(index.ownership_of("uid-3"), Ownership::Loser { owner: owner.name });
}

#[test]
fn a_losers_message_names_the_owner_so_that_it_can_be_read_again() {
    let owner = called("media.events-1");
    assert_eq!(owner_in(&lost_message(&owner)), Some(owner));
    assert_eq!(owner_in("somebody else's words: a/b"), None);
}

#[derive(Clone, Debug)]
enum Step {
    Upsert {
        created: i64,
        claim: AccountClaim,
        contends: bool,
    },
    Remove,
    Proven(u8),
    Refused,
    CannotBeKnown,
}

fn claims() -> impl Strategy<Value = AccountClaim> {
    prop_oneof![
        Just(AccountClaim::NotAsked),
        Just(AccountClaim::None),
        (0..3u8).prop_map(proven)
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4i64, claims(), any::<bool>()).prop_map(|(created, claim, contends)| Step::Upsert { created, claim, contends }),
        1 => Just(Step::Remove),
        2 => (0..3u8).prop_map(Step::Proven),
        1 => Just(Step::Refused),
        1 => Just(Step::CannotBeKnown),
    ]
}

/// The rule in its plainest form.
fn judged(all: &HashMap<u8, Contender>, of: &Contender) -> Ownership {
    let rank = |c: &Contender| (c.created, c.uid.clone());
    let mut rivals: Vec<&Contender> = all.values().filter(|c| c.contends).collect();
    rivals.sort_by_key(|c| rank(c));
    let owner = rivals
        .iter()
        .find(|c| matches!(c.claim, AccountClaim::Proven(_)) && c.claim == of.claim);
    let unasked = rivals
        .iter()
        .find(|c| c.claim == AccountClaim::NotAsked && rank(c) <= rank(of));
    match (owner, unasked) {
        _ if !of.contends => Ownership::NotContending,
        _ if of.claim == AccountClaim::None => Ownership::NoClaim,
        (Some(owner), _) if owner.uid != of.uid => Ownership::Loser {
            owner: owner.name.clone(),
        },
        (_, Some(unasked)) => Ownership::Waits {
            on: Pending::AccountOf(unasked.name.clone()),
        },
        _ => Ownership::Owner,
    }
}

proptest! {
    /// As a naive model says; whoever may be waiting or resting on what changed is woken; and of two of one account
    /// never both are owners.
    #[test]
    fn the_index_judges_and_wakes_as_the_plain_rule_does(
        steps in proptest::collection::vec((0..6u8, steps()), 1..50),
    ) {
        let mut index = OwnershipIndex::default();
        let mut model: HashMap<u8, Contender> = HashMap::new();
        for (n, step) in steps {
            let uid = format!("uid-{n}");
            let is_new = !model.contains_key(&n);
            let before: HashMap<u8, Ownership> = model.iter().map(|(m, c)| (*m, judged(&model, c))).collect();
            let woken = match step {
                Step::Upsert { created, claim, contends } => {
                    // An object's creation never changes.
                    let created = model.get(&n).map_or(created, |c| c.created.as_second());
                    let new = contender(n, created, claim, contends);
                    let known = model.get(&n).map(|c| c.claim.clone()).filter(|c| *c != AccountClaim::NotAsked);
                    model.insert(n, Contender { claim: known.unwrap_or(new.claim.clone()), ..new.clone() });
                    index.upsert(new)
                }
                Step::Remove => {
                    model.remove(&n);
                    index.remove(&uid)
                }
                Step::Proven(by) => {
                    model.entry(n).and_modify(|c| c.claim = proven(by));
                    index.proven(&uid, account(by))
                }
                Step::Refused => {
                    model.entry(n).and_modify(|c| c.claim = AccountClaim::None);
                    index.refused(&uid)
                }
                Step::CannotBeKnown => {
                    model.entry(n).and_modify(|c| if c.claim == AccountClaim::NotAsked { c.claim = AccountClaim::None });
                    index.cannot_be_known(&uid)
                }
            };
            let mut owners = HashSet::new();
            for (other, contender) in &model {
                let now = judged(&model, contender);
                prop_assert_eq!(&index.ownership_of(&format!("uid-{other}")), &now);
                let must_look = match (before.get(other), &now) {
                    (None, _) | (_, Ownership::Waits { .. }) => false,
                    (Some(was), now) => was != now,
                };
                if *other != n && must_look {
                    let name = format!("r{other}");
                    prop_assert!(names(&woken).contains(&name.as_str()), "{} is not woken", name);
                }
                if now == Ownership::Owner {
                    prop_assert!(owners.insert(format!("{:?}", contender.claim)), "two own one setting");
                }
            }
            let name = format!("r{n}");
            let is_loser = |c: &Contender| matches!(judged(&model, c), Ownership::Loser { .. });
            // None of these statuses names an owner.
            let is_news = is_new && model.get(&n).is_some_and(is_loser);
            prop_assert!(is_news || !names(&woken).contains(&name.as_str()));
        }
        for n in 0..6 {
            index.remove(&format!("uid-{n}"));
        }
        prop_assert!(index.by_uid.is_empty() && index.groups.is_empty());
        prop_assert!(index.unasked.is_empty() && index.waiting.is_empty(), "every map shrinks");
    }
}
