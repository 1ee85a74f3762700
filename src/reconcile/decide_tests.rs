use proptest::prelude::*;

use super::*;
use crate::api::{AppliedHttp, CallbackType};
use crate::domain::{Auth, AuthKey, Target};
use zeroize::Zeroizing;

fn wanted() -> Setting {
    let auth = Auth::On(AuthKey::parse(b"Aa1").unwrap());
    Setting {
        target: Target::Http {
            url: "https://x.example.com/".into(),
            auth,
        },
        event_types: vec!["A".into(), "B".into()],
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
    }
}

fn live() -> LiveSetting {
    LiveSetting {
        callback_type: Some("HTTP".into()),
        callback_url: Some("https://x.example.com/".into()),
        event_type_list: Some("B,A".into()),
        auth_switch: Some("on".into()),
        auth_key: Some(Zeroizing::new("Aa1".into())),
        ..LiveSetting::default()
    }
}

fn moved() -> LiveSetting {
    LiveSetting {
        callback_url: Some("https://other.example.com/".into()),
        ..live()
    }
}

fn name(plan: &Plan) -> &'static str {
    match plan {
        Plan::Set(Cause::First { replacing }) if replacing.is_empty() => "first",
        Plan::Set(Cause::First { .. }) => "replace",
        Plan::Set(Cause::Change) => "change",
        Plan::Set(Cause::Drift(_)) => "correct",
        Plan::Adopt => "adopt",
        Plan::InSync => "in sync",
        Plan::TakeBaseline(_) => "baseline",
        Plan::ReportDrift(_) => "drift",
        Plan::ReportObserved(found) if found.is_empty() => "observed equal",
        Plan::ReportObserved(_) => "observed other",
    }
}

#[test]
fn the_table() {
    use ManagementPolicy::{ApplyOnly, Enforce, Observe};
    let hidden = LiveSetting {
        auth_key: None,
        ..live()
    };
    let other_key = LiveSetting {
        auth_key: Some(Zeroizing::new("Bb2".into())),
        ..live()
    };
    let rewritten = LiveSetting {
        callback_url: Some("https://x.example.com".into()),
        ..live()
    };
    let old = AppliedSetting {
        event_types: vec!["A".into()],
        ..applied()
    };
    let (now, before) = (applied(), Some(live().without_key()));
    let own_words = Some(rewritten.without_key());
    // what was applied, the baseline, whether the key may have changed, the policy, what is live, the plan
    type Row<'a> = (
        &'a str,
        Option<&'a AppliedSetting>,
        &'a Option<LiveSetting>,
        bool,
        ManagementPolicy,
        Option<LiveSetting>,
        &'a str,
    );
    let none = None;
    let table: Vec<Row<'_>> = vec![
        ("nothing there", None, &none, true, Enforce, None, "first"),
        (
            "something else there",
            None,
            &none,
            true,
            Enforce,
            Some(moved()),
            "replace",
        ),
        ("already so", None, &none, true, Enforce, Some(live()), "adopt"),
        (
            "already so, key hidden",
            None,
            &none,
            true,
            Enforce,
            Some(hidden.clone()),
            "first",
        ),
        (
            "already so, apply only",
            None,
            &none,
            true,
            ApplyOnly,
            Some(live()),
            "adopt",
        ),
        ("at rest", Some(&now), &before, false, Enforce, Some(live()), "in sync"),
        (
            "at rest, key hidden",
            Some(&now),
            &before,
            false,
            Enforce,
            Some(hidden.clone()),
            "in sync",
        ),
        ("drifted", Some(&now), &before, false, Enforce, Some(moved()), "correct"),
        ("gone", Some(&now), &before, false, Enforce, None, "correct"),
        (
            "drifted, apply only",
            Some(&now),
            &before,
            false,
            ApplyOnly,
            Some(moved()),
            "drift",
        ),
        ("gone, apply only", Some(&now), &before, false, ApplyOnly, None, "drift"),
        (
            "rewritten by the service",
            Some(&now),
            &own_words,
            false,
            Enforce,
            Some(rewritten.clone()),
            "in sync",
        ),
        (
            "rewritten by somebody",
            Some(&now),
            &before,
            false,
            Enforce,
            Some(rewritten.clone()),
            "correct",
        ),
        (
            "read-back due",
            Some(&now),
            &none,
            false,
            Enforce,
            Some(rewritten),
            "baseline",
        ),
        (
            "read-back due, gone",
            Some(&now),
            &none,
            false,
            Enforce,
            None,
            "correct",
        ),
        (
            "key rotated",
            Some(&now),
            &before,
            true,
            Enforce,
            Some(other_key.clone()),
            "change",
        ),
        (
            "key rotated, apply only",
            Some(&now),
            &before,
            true,
            ApplyOnly,
            Some(other_key.clone()),
            "change",
        ),
        (
            "key rotated, hidden",
            Some(&now),
            &before,
            true,
            Enforce,
            Some(hidden),
            "change",
        ),
        (
            "Secret touched only",
            Some(&now),
            &before,
            true,
            Enforce,
            Some(live()),
            "in sync",
        ),
        (
            "key drifted",
            Some(&now),
            &before,
            false,
            Enforce,
            Some(other_key),
            "correct",
        ),
        (
            "changed, and made already",
            Some(&old),
            &before,
            false,
            Enforce,
            Some(live()),
            "adopt",
        ),
        ("changed", Some(&old), &before, false, Enforce, Some(moved()), "change"),
        (
            "changed, apply only",
            Some(&old),
            &before,
            false,
            ApplyOnly,
            Some(moved()),
            "change",
        ),
        (
            "observe, equal",
            None,
            &none,
            true,
            Observe,
            Some(live()),
            "observed equal",
        ),
        (
            "observe, other",
            None,
            &none,
            true,
            Observe,
            Some(moved()),
            "observed other",
        ),
        ("observe, nothing", None, &none, true, Observe, None, "observed other"),
        (
            "observe after enforce",
            Some(&old),
            &before,
            true,
            Observe,
            Some(moved()),
            "observed other",
        ),
    ];
    let (wanted, wanted_applied) = (wanted(), applied());
    for (case, applied, baseline, key_may_have_changed, policy, live, expected) in table {
        let facts = Observed {
            wanted: &wanted,
            wanted_applied: &wanted_applied,
            applied,
            baseline: baseline.as_ref(),
            key_may_have_changed,
            policy,
        };
        assert_eq!(name(&facts.decide(Some(live.as_ref()))), expected, "{case}");
    }
}

#[test]
fn a_plain_change_needs_no_read() {
    let (wanted, now) = (wanted(), applied());
    let old = AppliedSetting {
        event_types: vec![],
        ..applied()
    };
    let facts = |applied, policy| Observed {
        wanted: &wanted,
        wanted_applied: &now,
        applied,
        baseline: None,
        key_may_have_changed: false,
        policy,
    };
    assert!(!facts(Some(&old), ManagementPolicy::Enforce).needs_live(true));
    assert!(
        facts(Some(&old), ManagementPolicy::Enforce).needs_live(false),
        "after a restart it may be made already"
    );
    assert!(
        facts(None, ManagementPolicy::Enforce).needs_live(true),
        "what is replaced must be told"
    );
    assert!(facts(Some(&now), ManagementPolicy::Enforce).needs_live(true));
    assert!(facts(Some(&old), ManagementPolicy::Observe).needs_live(true));
    assert_eq!(
        facts(Some(&old), ManagementPolicy::Enforce).decide(None),
        Plan::Set(Cause::Change)
    );
}

#[test]
fn the_farewell_table() {
    let unsigned = Setting {
        target: Target::Http {
            url: "https://x.example.com/".into(),
            auth: Auth::Off,
        },
        ..wanted()
    };
    let baseline = live().without_key();
    let off = LiveSetting {
        auth_switch: Some("off".into()),
        ..live()
    };
    let other_key = LiveSetting {
        auth_key: Some(Zeroizing::new("Bb2".into())),
        ..live()
    };
    let ask = |live: Option<&LiveSetting>| cleanup(&unsigned, true, Some(&baseline), live);
    assert_eq!(ask(None), Cleanup::AlreadyGone);
    assert_eq!(ask(Some(&live())), Cleanup::Delete);
    assert_eq!(ask(Some(&other_key)), Cleanup::Delete);
    assert!(matches!(ask(Some(&moved())), Cleanup::NotOurs(_)));
    assert!(matches!(ask(Some(&off)), Cleanup::NotOurs(found) if found[0].field == Field::AuthEnabled));
}

proptest! {
    /// Applying and looking again changes nothing, whatever the service makes of the words.
    #[test]
    fn apply_then_look_is_at_rest(types in proptest::collection::vec("[A-Z][a-z]{1,6}", 0..5), slash in any::<bool>(), hidden in any::<bool>()) {
        let wanted = Setting { event_types: types.clone(), ..wanted() };
        let now = AppliedSetting { event_types: types.clone(), ..applied() };
        let mut reported = live();
        let mut sorted = types;
        sorted.sort();
        reported.event_type_list = Some(sorted.join(","));
        if slash { reported.callback_url = Some("https://x.example.com//".into()); }
        if hidden { reported.auth_key = None; }
        let baseline = reported.without_key();
        for policy in [ManagementPolicy::Enforce, ManagementPolicy::ApplyOnly] {
            let facts = Observed {
                wanted: &wanted, wanted_applied: &now, applied: Some(&now), baseline: Some(&baseline),
                key_may_have_changed: false, policy,
            };
            prop_assert_eq!(facts.decide(Some(Some(&reported))), Plan::InSync);
        }
    }
}
