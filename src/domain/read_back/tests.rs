use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::domain::{Auth, AuthKey, Target};

const KEY: &str = "Abcd1xyz";

fn wanted() -> Setting {
    Setting {
        target: Target::Http {
            url: "https://hooks.example.com/vod".into(),
            auth: Auth::On(AuthKey::parse(KEY.as_bytes()).unwrap()),
        },
        event_types: vec!["A".into(), "B".into()],
    }
}

fn live() -> LiveSetting {
    LiveSetting {
        callback_type: Some("HTTP".into()),
        callback_url: Some("https://hooks.example.com/vod".into()),
        event_type_list: Some("A,B".into()),
        auth_switch: Some("on".into()),
        auth_key: Some(Zeroizing::new(KEY.into())),
        ..LiveSetting::default()
    }
}

fn with_key(shown: &str) -> LiveSetting {
    LiveSetting {
        auth_key: Some(Zeroizing::new(shown.into())),
        ..live()
    }
}

fn first_word(live: Option<&LiveSetting>, form: Option<KeyForm>) -> String {
    if wanted().doubts_read_back(live, form) {
        "doubtful".to_owned()
    } else {
        word(live, form)
    }
}

fn word(live: Option<&LiveSetting>, form: Option<KeyForm>) -> String {
    let judged = wanted().judge_read_back(live, form);
    match &judged {
        ReadBack::Held { reworded, baseline } if reworded.is_empty() => {
            format!("held, key {:?}", baseline.key_form.unwrap())
        }
        ReadBack::Held { reworded, .. } => format!("reworded {}", reworded[0].field.path()),
        ReadBack::Foreign(found) => format!("foreign {}", found[0].field.path()),
    }
}

#[test]
fn what_is_read_after_a_set_is_believed_by_a_table() {
    let changed = |change: &dyn Fn(&mut LiveSetting)| {
        let mut live = live();
        change(&mut live);
        Some(live)
    };
    // what was read, what that is at first, and when it is read again
    let table: Vec<(&str, Option<LiveSetting>, &str, &str)> = vec![
        ("as sent", Some(live()), "held, key Clear", "held, key Clear"),
        ("nothing", None, "doubtful", "foreign callbackType"),
        (
            "another type",
            changed(&|l| l.callback_type = Some("MNS".into())),
            "doubtful",
            "foreign callbackType",
        ),
        (
            "another host",
            changed(&|l| l.callback_url = Some("https://other.example.com/vod".into())),
            "doubtful",
            "foreign http.url",
        ),
        (
            "another path",
            changed(&|l| l.callback_url = Some("https://hooks.example.com/old".into())),
            "doubtful",
            "foreign http.url",
        ),
        (
            "a slash",
            changed(&|l| l.callback_url = Some("https://hooks.example.com/vod/".into())),
            "reworded http.url",
            "reworded http.url",
        ),
        (
            "fewer events",
            changed(&|l| l.event_type_list = Some("A".into())),
            "reworded eventTypes",
            "reworded eventTypes",
        ),
        (
            "other events",
            changed(&|l| l.event_type_list = Some("C".into())),
            "doubtful",
            "reworded eventTypes",
        ),
        (
            "no switch",
            changed(&|l| l.auth_switch = None),
            "reworded http.auth.enabled",
            "reworded http.auth.enabled",
        ),
        (
            "no key",
            changed(&|l| l.auth_key = None),
            "held, key Absent",
            "held, key Absent",
        ),
        ("a mask", Some(with_key("****")), "held, key Masked", "held, key Masked"),
        (
            "a part",
            Some(with_key("Ab****yz")),
            "held, key Masked",
            "held, key Masked",
        ),
        (
            "a hash",
            Some(with_key("9e107d9d372bb6826bd81d3542a419d6")),
            "held, key Masked",
            "held, key Masked",
        ),
        (
            "a text like a key",
            Some(with_key("nhB9nTcrtoJr2B01QqQZ1g==")),
            "doubtful",
            "held, key Masked",
        ),
    ];
    for (case, live, first, second) in table {
        let live = live.as_ref();
        assert_eq!(
            (first_word(live, None), word(live, None)),
            (first.into(), second.into()),
            "{case}"
        );
    }
}

#[test]
fn where_keys_are_shown_in_clear_another_one_right_after_ours_is_somebody_elses() {
    let other = with_key("Other2key");
    assert_eq!(first_word(Some(&other), Some(KeyForm::Clear)), "doubtful");
    assert_eq!(
        word(Some(&other), Some(KeyForm::Clear)),
        "foreign http.auth.keySecretRef"
    );
    assert_eq!(
        first_word(Some(&other), Some(KeyForm::Masked)),
        "held, key Masked",
        "as it was shown before"
    );
}

#[test]
fn a_check_learns_that_keys_are_shown_and_unlearns_nothing() {
    let form = |live: &LiveSetting, before| {
        let before = Baseline {
            key_form: before,
            ..Baseline::default()
        };
        wanted().baseline_of_equal(live, Some(&before)).key_form
    };
    assert_eq!(form(&live(), Some(KeyForm::Masked)), Some(KeyForm::Clear));
    assert_eq!(form(&with_key("****"), Some(KeyForm::Clear)), Some(KeyForm::Clear));
    assert_eq!(form(&with_key("****"), None), None);
    assert_eq!(
        wanted().baseline_of_equal(&live(), None).reported.auth_key,
        None,
        "no key is kept"
    );
}

proptest! {
    /// However the service shows keys, a correction is followed by rest: at the latest its second one.
    #[test]
    fn no_form_of_a_key_is_corrected_for_ever(shown in "[ -~]{0,40}", before in 0..4usize) {
        let mut form = [None, Some(KeyForm::Clear), Some(KeyForm::Masked), Some(KeyForm::Absent)][before];
        let live = with_key(&shown);
        let mut corrections = 0;
        loop {
            let baseline = match wanted().judge_read_back(Some(&live), form) {
                ReadBack::Held { baseline, .. } => Some(baseline),
                ReadBack::Foreign(_) => None,
            };
            if wanted().differences(Some(&live), baseline.as_ref()).is_empty() {
                break;
            }
            form = baseline.and_then(|b| b.key_form);
            corrections += 1;
            prop_assert!(corrections <= 1, "{shown}");
        }
    }

    /// Nothing of a key is left in what is remembered.
    #[test]
    fn a_baseline_never_holds_a_key(shown in "[ -~]{1,40}") {
        if let ReadBack::Held { baseline, .. } = wanted().judge_read_back(Some(&with_key(&shown)), None) {
            prop_assert_eq!(baseline.reported.auth_key, None);
        }
    }
}
