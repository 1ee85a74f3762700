use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::api::{AppliedHttp, CallbackType};
use crate::domain::{Auth, AuthKey, Field, Target};

const KEY: &str = "Abcd1xyz";

fn wanted() -> Setting {
    let auth = Auth::On(AuthKey::parse(KEY.as_bytes()).unwrap());
    Setting {
        target: Target::Http {
            url: "https://x.example.com/".into(),
            auth,
        },
        event_types: vec!["A".into(), "B".into()],
    }
}

fn without_key() -> Setting {
    Setting {
        target: Target::Http {
            url: "https://x.example.com/".into(),
            auth: Auth::Off,
        },
        ..wanted()
    }
}

fn key_secret(name: &str, version: &str) -> AppliedKeySecret {
    AppliedKeySecret {
        name: name.into(),
        key: "authKey".into(),
        resource_version: version.into(),
    }
}

fn applied() -> AppliedSetting {
    let http = AppliedHttp {
        url: "https://x.example.com/".into(),
        auth_enabled: true,
    };
    AppliedSetting {
        callback_type: CallbackType::Http,
        http: Some(http),
        mns: None,
        event_types: vec!["A".into(), "B".into()],
        auth_key_secret: Some(key_secret("sign", "7")),
    }
}

fn live() -> LiveSetting {
    LiveSetting {
        callback_type: Some("HTTP".into()),
        callback_url: Some("https://x.example.com/".into()),
        event_type_list: Some("B,A".into()),
        auth_switch: Some("on".into()),
        auth_key: Some(Zeroizing::new(KEY.into())),
        ..LiveSetting::default()
    }
}

fn moved() -> LiveSetting {
    LiveSetting {
        callback_url: Some("https://other.example.com/".into()),
        ..live()
    }
}

fn with_key(shown: Option<&str>) -> LiveSetting {
    LiveSetting {
        auth_key: shown.map(|key| Zeroizing::new(key.to_owned())),
        ..live()
    }
}

fn baseline(reported: &LiveSetting, key_form: Option<KeyForm>) -> Baseline {
    Baseline {
        reported: reported.without_key(),
        key_form,
    }
}

/// What a row changes about a resource at rest.
struct Row {
    applied: Option<AppliedSetting>,
    unconfirmed: bool,
    baseline: Option<Baseline>,
    key: KeyStanding,
    is_read_back: bool,
    policy: ManagementPolicy,
}

fn at_rest() -> Row {
    Row {
        applied: Some(applied()),
        unconfirmed: false,
        baseline: Some(baseline(&live(), Some(KeyForm::Clear))),
        key: KeyStanding::InForce,
        is_read_back: false,
        policy: ManagementPolicy::Enforce,
    }
}

fn new() -> Row {
    Row {
        applied: None,
        baseline: None,
        key: KeyStanding::Pending,
        ..at_rest()
    }
}

fn changed() -> Row {
    let old = AppliedSetting {
        event_types: vec!["A".into()],
        ..applied()
    };
    Row {
        applied: Some(old),
        ..at_rest()
    }
}

/// A key that changed under a service that shows keys in this form.
fn rotated(form: KeyForm) -> Row {
    Row {
        key: KeyStanding::Pending,
        baseline: Some(baseline(&live(), Some(form))),
        ..at_rest()
    }
}

fn read_back() -> Row {
    Row {
        baseline: None,
        is_read_back: true,
        ..at_rest()
    }
}

impl Row {
    fn form(self, form: KeyForm) -> Self {
        let baseline = Some(baseline(&live(), Some(form)));
        Self { baseline, ..self }
    }

    fn policy(self, policy: ManagementPolicy) -> Self {
        Self { policy, ..self }
    }

    fn facts<'a>(&'a self, wanted: &'a Setting, wanted_applied: &'a AppliedSetting) -> Observed<'a> {
        Observed {
            wanted,
            wanted_applied,
            applied: self.applied.as_ref(),
            unconfirmed: self.unconfirmed,
            baseline: self.baseline.as_ref(),
            key: self.key,
            is_read_back: self.is_read_back,
            policy: self.policy,
        }
    }

    fn plan(&self, live: Option<&LiveSetting>) -> Plan {
        self.facts(&wanted(), &applied()).decide(Some(live))
    }
}

fn name(plan: &Plan) -> &'static str {
    match plan {
        Plan::Set(Cause::First { replacing }) if replacing.is_empty() => "first",
        Plan::Set(Cause::First { .. }) => "replace",
        Plan::Set(Cause::Change) => "change",
        Plan::Set(Cause::Drift(_)) => "correct",
        Plan::Adopt(_) => "adopt",
        Plan::InSync(None) => "in sync",
        Plan::InSync(Some(_)) => "in sync, new baseline",
        Plan::TakeBaseline { .. } => "baseline",
        Plan::ReportDrift(_) => "drift",
        Plan::ReportObserved(found) if found.is_empty() => "observed equal",
        Plan::ReportObserved(_) => "observed other",
    }
}

fn check(table: Vec<(&str, Row, Option<LiveSetting>, &str)>) {
    for (case, row, live, expected) in table {
        assert_eq!(name(&row.plan(live.as_ref())), expected, "{case}");
    }
}

#[test]
fn what_becomes_of_a_spec_is_a_table() {
    use ManagementPolicy::{ApplyOnly, Observe};
    let old_words = |row: Row| Row { baseline: None, ..row };
    check(vec![
        ("nothing there", new(), None, "first"),
        ("something else there", new(), Some(moved()), "replace"),
        ("already so", new(), Some(live()), "adopt"),
        ("already so, apply only", new().policy(ApplyOnly), Some(live()), "adopt"),
        ("changed", changed(), Some(moved()), "change"),
        (
            "changed, apply only",
            changed().policy(ApplyOnly),
            Some(moved()),
            "change",
        ),
        ("changed, and made already", changed(), Some(live()), "adopt"),
        ("changed, and gone", changed(), None, "change"),
        ("observe, equal", new().policy(Observe), Some(live()), "observed equal"),
        ("observe, other", new().policy(Observe), Some(moved()), "observed other"),
        ("observe, nothing", new().policy(Observe), None, "observed other"),
        (
            "observe after enforce",
            changed().policy(Observe),
            Some(moved()),
            "observed other",
        ),
        (
            "observe, the key changed",
            rotated(KeyForm::Masked).policy(Observe),
            Some(with_key(None)),
            "observed equal",
        ),
        (
            "looked at only, equal",
            old_words(at_rest()),
            Some(live()),
            "in sync, new baseline",
        ),
    ]);
}

#[test]
fn what_becomes_of_drift_is_a_table() {
    use ManagementPolicy::ApplyOnly;
    let slash = LiveSetting {
        callback_url: Some("https://x.example.com".into()),
        ..live()
    };
    let own_words = |row: Row| Row {
        baseline: Some(baseline(&slash, Some(KeyForm::Clear))),
        ..row
    };
    let foreign_words = Row {
        baseline: Some(baseline(&moved(), Some(KeyForm::Clear))),
        ..at_rest()
    };
    let unconfirmed = |policy| Row {
        unconfirmed: true,
        ..at_rest().policy(policy)
    };
    check(vec![
        ("at rest", at_rest(), Some(live()), "in sync"),
        ("drifted", at_rest(), Some(moved()), "correct"),
        ("gone", at_rest(), None, "correct"),
        (
            "drifted, apply only",
            at_rest().policy(ApplyOnly),
            Some(moved()),
            "drift",
        ),
        ("gone, apply only", at_rest().policy(ApplyOnly), None, "drift"),
        (
            "reworded by the service",
            own_words(at_rest()),
            Some(slash.clone()),
            "in sync",
        ),
        ("reworded by somebody", at_rest(), Some(slash.clone()), "correct"),
        (
            "in the spec's own words at last",
            own_words(at_rest()),
            Some(live()),
            "in sync, new baseline",
        ),
        ("a baseline of another host", foreign_words, Some(moved()), "correct"),
        (
            "after a lost answer, ours",
            unconfirmed(ApplyOnly),
            Some(moved()),
            "change",
        ),
        (
            "after a lost answer, ours too",
            unconfirmed(ManagementPolicy::Enforce),
            Some(moved()),
            "change",
        ),
        (
            "after a lost answer, equal",
            unconfirmed(ApplyOnly),
            Some(live()),
            "in sync",
        ),
    ]);
}

#[test]
fn what_is_read_back_is_believed_at_last() {
    let expanded = LiveSetting {
        event_type_list: Some("A,B,C".into()),
        ..live()
    };
    let third_form = with_key(Some("nhB9nTcrtoJr2B01QqQZ1g=="));
    let is_doubtful = |row: &Row, live: Option<&LiveSetting>| row.facts(&wanted(), &applied()).is_doubtful(live);
    for doubted in [Some(moved()), None, Some(third_form.clone())] {
        assert!(is_doubtful(&read_back(), doubted.as_ref()), "{doubted:?}");
        let overtaken = Row {
            is_read_back: true,
            ..changed()
        };
        for row in [at_rest(), overtaken, read_back().policy(ManagementPolicy::Observe)] {
            assert!(!is_doubtful(&row, doubted.as_ref()), "{doubted:?}");
        }
    }
    for believed in [live(), expanded.clone()] {
        assert!(!is_doubtful(&read_back(), Some(&believed)), "{believed:?}");
    }
    let apply_only = read_back().policy(ManagementPolicy::ApplyOnly);
    let restarted = || Row {
        is_read_back: false,
        ..read_back()
    };
    check(vec![
        ("as sent", read_back(), Some(live()), "baseline"),
        ("in its own words", read_back(), Some(expanded.clone()), "baseline"),
        ("of another host still", read_back(), Some(moved()), "correct"),
        ("of another host still, apply only", apply_only, Some(moved()), "drift"),
        ("gone still", read_back(), None, "correct"),
        ("a key like text still", read_back(), Some(third_form), "baseline"),
        // After a restart it is not known when it was applied: the spec decides.
        (
            "after a restart, equal",
            restarted(),
            Some(live()),
            "in sync, new baseline",
        ),
        ("after a restart, other words", restarted(), Some(expanded), "correct"),
        ("after a restart, another host", restarted(), Some(moved()), "correct"),
    ]);
}

/// Every way in which the service may show the key, and every way in which the key may have changed.
#[test]
fn a_key_that_changed_is_set_unless_it_is_seen_in_force() {
    use KeyForm::{Absent, Clear, Masked};
    use ManagementPolicy::{ApplyOnly, Enforce};
    for policy in [Enforce, ApplyOnly] {
        for (form, old, new) in [
            (Clear, Some("Older1key"), Some(KEY)),
            (Masked, Some("****"), Some("****")),
            (Masked, Some("Ab****yz"), Some("Ab****yz")),
            (
                Masked,
                Some("nhB9nTcrtoJr2B01QqQZ1g=="),
                Some("Zz1JKnhB9nTcrtoJr2B01QqQZ"),
            ),
            (Masked, Some("9e107d9d372bb6826bd81d3542a419d6"), Some("xxxxxx")),
            (Absent, None, None),
        ] {
            let rotated = || rotated(form).policy(policy);
            let seen = form == Clear;
            check(vec![
                ("the old one is shown", rotated(), Some(with_key(old)), "change"),
                (
                    "the new one may be",
                    rotated(),
                    Some(with_key(new)),
                    if seen { "in sync" } else { "change" },
                ),
                ("nothing is set", rotated(), None, "change"),
                (
                    "at rest",
                    at_rest().form(form).policy(policy),
                    Some(with_key(new)),
                    "in sync",
                ),
                (
                    "adopted only when it is seen",
                    super::tests::new().policy(policy),
                    Some(with_key(new)),
                    // What is hidden may be another key; what looks like one is another.
                    match (seen, new) {
                        (true, _) => "adopt",
                        (false, Some(text)) if AuthKey::parse(text.as_bytes()).is_ok() && !text.contains('*') => {
                            "replace"
                        }
                        (false, _) => "first",
                    },
                ),
            ]);
        }
        let other = Some(with_key(Some("Other2key")));
        let expected = if policy == Enforce { "correct" } else { "drift" };
        check(vec![
            ("somebody else's", at_rest().policy(policy), other.clone(), expected),
            (
                "somebody else's and ours changed",
                rotated(Clear).policy(policy),
                other,
                "change",
            ),
        ]);
    }
}

#[test]
fn the_key_in_force_is_the_one_that_was_applied_not_the_one_that_was_read() {
    use KeyStanding::{InForce, Pending};
    let at = |version| Some(key_secret("sign", version));
    let other_key = Some(AppliedKeySecret {
        key: "next".into(),
        ..key_secret("sign", "7")
    });
    // wanted, applied, what the status says of this generation, and what follows
    let table = [
        ("no key", None, None, false, InForce),
        ("the same", at("7"), at("7"), false, InForce),
        (
            "rotated, read while stalled or observing",
            at("8"),
            at("7"),
            true,
            Pending,
        ),
        ("another key of the Secret", other_key, at("7"), true, Pending),
        ("another Secret", Some(key_secret("other", "7")), at("7"), true, Pending),
        ("a key where there was none", at("7"), None, false, Pending),
        ("none where there was a key", None, at("7"), true, Pending),
        ("0.1, nothing changed since", at("7"), None, true, InForce),
    ];
    for (case, wanted, applied, spoken_for, expected) in table {
        assert_eq!(
            KeyStanding::of(wanted.as_ref(), applied.as_ref(), spoken_for),
            expected,
            "{case}"
        );
    }
}

/// A status of 0.1 has no record; what it says of this very generation is what there is.
#[test]
fn a_status_without_the_record_speaks_only_for_the_generation_that_it_is_ready_at() {
    let old = AppliedSetting {
        auth_key_secret: None,
        ..applied()
    };
    let status = |generation, reason: Reason, version: &str| VodMessageCallbackStatus {
        observed_generation: Some(generation),
        conditions: crate::status::conditions(
            &[],
            &crate::status::Outcome::new(reason, ""),
            generation,
            k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
        ),
        observed_secrets: vec![crate::api::ObservedSecret {
            name: "sign".into(),
            resource_version: version.into(),
        }],
        ..VodMessageCallbackStatus::default()
    };
    let standing = |status| KeyStanding::by_status(&applied(), Some(&old), &status, 3);
    assert_eq!(standing(status(3, Reason::Applied, "7")), KeyStanding::InForce);
    assert_eq!(
        standing(status(3, Reason::Applied, "6")),
        KeyStanding::Pending,
        "rotated"
    );
    assert_eq!(
        standing(status(2, Reason::Applied, "7")),
        KeyStanding::Pending,
        "another reference"
    );
    assert_eq!(
        standing(status(3, Reason::InvalidSpec, "7")),
        KeyStanding::Pending,
        "refused"
    );
}

#[test]
fn a_key_is_pending_while_another_one_may_have_been_set_after_it() {
    let sent = |key_secret| VodMessageCallbackStatus {
        unconfirmed: Some(AppliedSetting {
            auth_key_secret: key_secret,
            ..applied()
        }),
        ..VodMessageCallbackStatus::default()
    };
    let standing = |status| KeyStanding::by_status(&applied(), Some(&applied()), &status, 3);
    assert_eq!(standing(sent(applied().auth_key_secret)), KeyStanding::InForce);
    assert_eq!(standing(sent(None)), KeyStanding::Pending);
    let other = AppliedKeySecret {
        name: "other".into(),
        ..applied().auth_key_secret.unwrap()
    };
    assert_eq!(standing(sent(Some(other))), KeyStanding::Pending);
}

#[test]
fn a_key_that_is_no_longer_wanted_is_taken_away() {
    let (wanted, mut now) = (without_key(), applied());
    now.http.as_mut().unwrap().auth_enabled = false;
    now.auth_key_secret = None;
    let off = |key: Option<&str>| LiveSetting {
        auth_switch: Some("off".into()),
        ..with_key(key)
    };
    let row = Row {
        applied: Some(AppliedSetting {
            auth_key_secret: Some(key_secret("sign", "7")),
            ..now.clone()
        }),
        baseline: Some(baseline(&off(None), Some(KeyForm::Clear))),
        key: KeyStanding::Pending,
        ..at_rest()
    };
    let plan = |live: &LiveSetting| name(&row.facts(&wanted, &now).decide(Some(Some(live))));
    assert_eq!(plan(&off(Some(KEY))), "change");
    assert_eq!(plan(&off(Some("****"))), "change");
    assert!(plan(&off(None)).starts_with("in sync"));
}

#[test]
fn a_plain_change_needs_no_read() {
    let (wanted, now) = (wanted(), applied());
    let needs = |row: Row, known| row.facts(&wanted, &now).needs_live(known);
    assert!(!needs(changed(), true));
    assert!(needs(changed(), false), "after a restart it may be made already");
    assert!(needs(new(), true), "what is replaced must be told");
    assert!(needs(at_rest(), true));
    assert!(
        needs(rotated(KeyForm::Clear), true),
        "the new key may be in force already"
    );
    assert!(needs(changed().policy(ManagementPolicy::Observe), true));
    assert_eq!(changed().facts(&wanted, &now).decide(None), Plan::Set(Cause::Change));
}

#[test]
fn only_what_this_resource_may_have_applied_is_removed() {
    let before = baseline(&live(), None);
    let ours = |setting: Setting, auth_enabled| Ours {
        setting,
        auth_enabled,
        baseline: Some(&before),
        was_taken: true,
    };
    let ask = |live: Option<&LiveSetting>| cleanup(&[ours(without_key(), true)], live);
    let off = LiveSetting {
        auth_switch: Some("off".into()),
        ..live()
    };
    assert_eq!(ask(None), Cleanup::AlreadyGone);
    assert_eq!(ask(Some(&live())), Cleanup::Delete);
    assert_eq!(ask(Some(&with_key(Some("Other2key")))), Cleanup::Delete);
    assert!(matches!(ask(Some(&moved())), Cleanup::NotOurs(_)));
    assert!(matches!(ask(Some(&off)), Cleanup::NotOurs(found) if found[0].field == Field::AuthEnabled));
    // The answer to a Set of another address was lost: both are ours.
    let sent = Setting {
        target: Target::Http {
            url: "https://other.example.com/".into(),
            auth: Auth::Off,
        },
        ..wanted()
    };
    let both = [ours(without_key(), true), ours(sent, true)];
    assert_eq!(cleanup(&both, Some(&live())), Cleanup::Delete);
    assert_eq!(cleanup(&both, Some(&moved())), Cleanup::Delete);
    assert!(matches!(cleanup(&both, Some(&off)), Cleanup::NotOurs(_)));
}

/// A read-back that never came must not leave behind what the service only writes in another way.
#[test]
fn before_its_own_words_are_known_another_way_to_write_it_is_still_ours() {
    let all = Setting {
        event_types: vec![ALL.to_owned()],
        ..without_key()
    };
    let asked = |live: &LiveSetting, before: Option<&Baseline>, was_taken| {
        let ours = Ours {
            setting: all.clone(),
            auth_enabled: true,
            baseline: before,
            was_taken,
        };
        cleanup(&[ours], Some(live))
    };
    let ask = |live: &LiveSetting, before: Option<&Baseline>| asked(live, before, true);
    let expanded = LiveSetting {
        event_type_list: Some("FileUploadComplete,TranscodeComplete".into()),
        ..live()
    };
    assert_eq!(ask(&expanded, None), Cleanup::Delete);
    let before = baseline(&live(), None);
    assert!(matches!(ask(&expanded, Some(&before)), Cleanup::NotOurs(_)));
    assert!(matches!(ask(&moved(), None), Cleanup::NotOurs(_)));
    // A Set that may never have arrived says nothing of somebody else's list.
    assert!(matches!(asked(&expanded, None, false), Cleanup::NotOurs(_)));
}

fn shown_as(form: usize, key: &str) -> Option<String> {
    match form {
        0 => Some(key.to_owned()),
        1 => None,
        2 => Some("*".repeat(key.len())),
        3 => Some(format!("{}****{}", &key[..2], &key[key.len() - 2..])),
        4 => Some("xxxxxx".to_owned()),
        // Stands for a hash: another text for each key, which might be a key.
        _ => Some(key.chars().rev().chain("Zz9".chars()).collect()),
    }
}

proptest! {
    /// Applying and looking again changes nothing, whatever the service makes of the words.
    #[test]
    fn apply_then_look_is_at_rest(
        types in proptest::collection::vec("[A-Z][a-z]{1,6}", 1..5), slash in any::<bool>(), form in 0..6usize,
        enforce in any::<bool>(),
    ) {
        let wanted = Setting { event_types: types.clone(), ..wanted() };
        let now = AppliedSetting { event_types: types.clone(), ..applied() };
        let mut reported = with_key(shown_as(form, KEY).as_deref());
        let mut sorted = types;
        sorted.sort();
        reported.event_type_list = Some(sorted.join(","));
        if slash { reported.callback_url = Some("https://x.example.com".into()); }
        let policy = if enforce { ManagementPolicy::Enforce } else { ManagementPolicy::ApplyOnly };
        let mut row = Row { applied: Some(now.clone()), ..read_back().policy(policy) };
        let plan = row.facts(&wanted, &now).decide(Some(Some(&reported)));
        let Plan::TakeBaseline { baseline, .. } = plan else { panic!("{plan:?}") };
        row.baseline = Some(baseline);
        row.is_read_back = false;
        prop_assert_eq!(row.facts(&wanted, &now).decide(Some(Some(&reported))), Plan::InSync(None));
    }

    /// Whatever the service shows, and whatever was known of it: a key that changed is in force after one Set at most, and
    /// then nothing is done any more.
    #[test]
    fn a_new_key_is_in_force_after_one_set_and_then_there_is_rest(
        form in 0..6usize, known in 0..4usize, adopted in any::<bool>(), enforce in any::<bool>(),
    ) {
        let known = [None, Some(KeyForm::Clear), Some(KeyForm::Masked), Some(KeyForm::Absent)][known];
        let policy = if enforce { ManagementPolicy::Enforce } else { ManagementPolicy::ApplyOnly };
        let mut row = if adopted { new() } else { rotated(KeyForm::Clear) }.policy(policy);
        if let Some(baseline) = &mut row.baseline {
            baseline.key_form = known;
        }
        let mut set = "Older9key";
        let mut sets = 0;
        for _ in 0..8 {
            let live = with_key(shown_as(form, set).as_deref());
            match row.plan(Some(&live)) {
                Plan::Set(_) => {
                    set = KEY;
                    sets += 1;
                    // Until it is read back there is no baseline.
                    row = Row { key: KeyStanding::InForce, ..read_back().policy(policy) };
                }
                Plan::TakeBaseline { baseline, .. } | Plan::Adopt(baseline) | Plan::InSync(Some(baseline)) => {
                    row = Row { baseline: Some(baseline), ..at_rest().policy(policy) };
                }
                Plan::InSync(None) => row.key = KeyStanding::InForce,
                Plan::ReportDrift(found) => panic!("our own key is no drift: {found:?}"),
                Plan::ReportObserved(_) => unreachable!("it is not observed"),
            }
        }
        prop_assert_eq!(set, KEY);
        prop_assert!(sets <= 1, "{sets} Sets");
        let live = with_key(shown_as(form, set).as_deref());
        prop_assert_eq!(row.plan(Some(&live)), Plan::InSync(None));
    }
}
