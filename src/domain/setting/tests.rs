use proptest::prelude::*;

use super::*;

fn key(text: &str) -> AuthKey {
    AuthKey::parse(text.as_bytes()).unwrap()
}

fn http(auth: Auth, types: &[&str]) -> Setting {
    let url = "https://hooks.example.com/vod".to_owned();
    Setting {
        target: Target::Http { url, auth },
        event_types: types.iter().map(|t| (*t).to_owned()).collect(),
    }
}

fn mns() -> Setting {
    let target = Target::Mns {
        endpoint: "http://1.mns.example.com/".to_owned(),
        queue_name: "q".to_owned(),
    };
    Setting {
        target,
        event_types: vec!["ALL".to_owned()],
    }
}

fn live_of(setting: &Setting) -> LiveSetting {
    let parameters = setting.to_parameters(&AppId("app-1000000".to_owned()));
    let get = |name: &str| parameters.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string());
    LiveSetting {
        callback_type: get("CallbackType"),
        callback_url: get("CallbackURL"),
        event_type_list: get("EventTypeList"),
        auth_switch: get("AuthSwitch"),
        auth_key: get("AuthKey").map(Zeroizing::new),
        mns_endpoint: get("MnsEndpoint"),
        mns_queue_name: get("MnsQueueName"),
    }
}

fn fields(differences: &[FieldDifference]) -> Vec<&'static str> {
    differences.iter().map(|d| d.field.path()).collect()
}

#[test]
fn the_mapping() {
    let shown = |s: &Setting| -> Vec<(&'static str, String)> {
        s.to_parameters(&AppId("app-1".to_owned()))
            .into_iter()
            .map(|(n, v)| (n, v.to_string()))
            .collect()
    };
    let text = |pairs: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        pairs.iter().map(|(n, v)| (*n, (*v).to_owned())).collect()
    };
    let url = ("CallbackURL", "https://hooks.example.com/vod");
    assert_eq!(
        shown(&http(Auth::Off, &["B", "A"])),
        text(&[
            ("CallbackType", "HTTP"),
            url,
            ("AuthSwitch", "off"),
            ("EventTypeList", "B,A"),
            ("AppId", "app-1")
        ])
    );
    assert_eq!(
        shown(&http(Auth::OffWithKey(key("Aa1")), &[])),
        text(&[
            ("CallbackType", "HTTP"),
            url,
            ("AuthSwitch", "off"),
            ("AuthKey", "Aa1"),
            ("EventTypeList", ""),
            ("AppId", "app-1")
        ])
    );
    assert_eq!(
        shown(&mns()),
        text(&[
            ("CallbackType", "MNS"),
            ("MnsEndpoint", "http://1.mns.example.com/"),
            ("MnsQueueName", "q"),
            ("EventTypeList", "ALL"),
            ("AppId", "app-1")
        ])
    );
}

#[test]
fn what_differs() {
    let wanted = http(Auth::On(key("Aa1")), &["A", "B"]);
    let equal = live_of(&wanted);
    let cases: Vec<(&str, LiveSetting, Vec<&str>)> = vec![
        ("equal", equal.clone(), vec![]),
        (
            "another order",
            LiveSetting {
                event_type_list: Some("B, A".into()),
                ..equal.clone()
            },
            vec![],
        ),
        (
            "a masked key",
            LiveSetting {
                auth_key: Some(Zeroizing::new("****".into())),
                ..equal.clone()
            },
            vec![],
        ),
        (
            "no key",
            LiveSetting {
                auth_key: None,
                ..equal.clone()
            },
            vec![],
        ),
        (
            "stale fields",
            LiveSetting {
                mns_queue_name: Some("old".into()),
                ..equal.clone()
            },
            vec![],
        ),
        (
            "another key",
            LiveSetting {
                auth_key: Some(Zeroizing::new("Bb2".into())),
                ..equal.clone()
            },
            vec!["http.auth.keySecretRef"],
        ),
        (
            "another url",
            LiveSetting {
                callback_url: Some("https://x/".into()),
                ..equal.clone()
            },
            vec!["http.url"],
        ),
        (
            "switched off",
            LiveSetting {
                auth_switch: None,
                ..equal.clone()
            },
            vec!["http.auth.enabled"],
        ),
        (
            "a queue",
            LiveSetting {
                callback_type: Some("MNS".into()),
                callback_url: None,
                ..equal.clone()
            },
            vec!["callbackType", "http.url"],
        ),
    ];
    for (name, live, expected) in cases {
        assert_eq!(fields(&wanted.differences(Some(&live), None)), expected, "{name}");
    }
    assert_eq!(
        fields(&wanted.differences(None, None)),
        ["callbackType", "http.url", "http.auth.enabled", "eventTypes"]
    );
}

fn baseline(reported: &LiveSetting) -> Baseline {
    Baseline {
        reported: reported.without_key(),
        key_form: None,
    }
}

#[test]
fn the_baseline_forgives_only_what_it_showed() {
    let wanted = http(Auth::Off, &["ALL"]);
    let mut expanded = live_of(&wanted);
    expanded.event_type_list = Some("A,B,C".into());
    expanded.callback_url = Some("https://hooks.example.com/vod/".into());
    assert_eq!(
        fields(&wanted.differences(Some(&expanded), None)),
        ["http.url", "eventTypes"]
    );
    let before = baseline(&expanded);
    assert!(wanted.differences(Some(&expanded), Some(&before)).is_empty());
    let changed = LiveSetting {
        event_type_list: Some("A".into()),
        ..expanded.clone()
    };
    assert_eq!(
        fields(&wanted.differences(Some(&changed), Some(&before))),
        ["eventTypes"]
    );
}

/// Such a baseline was taken by versions before 0.2, from an answer of before or of somebody else's setting.
#[test]
fn a_baseline_of_another_place_forgives_nothing() {
    let wanted = http(Auth::Off, &["A"]);
    for (field, foreign) in [
        (
            "http.url",
            LiveSetting {
                callback_url: Some("https://other.example.com/vod".into()),
                ..live_of(&wanted)
            },
        ),
        (
            "callbackType",
            LiveSetting {
                callback_type: Some("MNS".into()),
                ..live_of(&wanted)
            },
        ),
    ] {
        assert_eq!(
            fields(&wanted.differences(Some(&foreign), Some(&baseline(&foreign)))),
            [field]
        );
    }
    let queue = LiveSetting {
        mns_queue_name: Some("other".into()),
        ..live_of(&mns())
    };
    assert_eq!(
        fields(&mns().differences(Some(&queue), Some(&baseline(&queue)))),
        ["mns.queueName"]
    );
}

#[test]
fn a_foreign_key_is_a_difference_unless_ours_was_shown_as_another_text_too() {
    let wanted = http(Auth::On(key("Aa1")), &[]);
    let other = LiveSetting {
        auth_key: Some(Zeroizing::new("Bb2".into())),
        ..live_of(&wanted)
    };
    let found = |form| {
        let before = Baseline {
            key_form: form,
            ..baseline(&other)
        };
        fields(&wanted.differences(Some(&other), Some(&before)))
    };
    for form in [None, Some(KeyForm::Clear), Some(KeyForm::Absent)] {
        assert_eq!(found(form), ["http.auth.keySecretRef"], "{form:?}");
    }
    assert!(found(Some(KeyForm::Masked)).is_empty());
}

#[test]
fn signing_is_compared_without_the_key() {
    let wanted = http(Auth::Off, &[]);
    let on = LiveSetting {
        auth_switch: Some("ON".into()),
        ..live_of(&wanted)
    };
    assert!(wanted.differences_when_signed(&on, None, true).is_empty());
    assert_eq!(
        fields(&wanted.differences_when_signed(&on, None, false)),
        ["http.auth.enabled"]
    );
    assert!(
        wanted
            .differences_when_signed(&on, Some(&baseline(&on)), false)
            .is_empty()
    );
    assert!(mns().differences_when_signed(&live_of(&mns()), None, true).is_empty());
}

#[test]
fn the_order_of_events_and_the_key_do_not_make_another_answer() {
    let wanted = http(Auth::On(key("Aa1")), &["A", "B"]);
    let reordered = LiveSetting {
        event_type_list: Some("B,A".into()),
        auth_key: None,
        ..live_of(&wanted)
    };
    assert!(live_of(&wanted).says_the_same(&reordered));
    let other = LiveSetting {
        auth_switch: None,
        ..reordered
    };
    assert!(!live_of(&wanted).says_the_same(&other));
}

#[test]
fn keys_are_never_printed() {
    let wanted = http(Auth::On(key("Sesame123")), &["A"]);
    let mut live = live_of(&wanted);
    live.auth_key = Some(Zeroizing::new("Other456".into()));
    let printed = format!("{wanted:?} {live:?} {:?}", wanted.differences(Some(&live), None));
    assert!(
        !printed.contains("Sesame123") && !printed.contains("Other456"),
        "{printed}"
    );
}

prop_compose! {
    fn any_setting()(
        kind in 0..4u8, path in "[a-z/]{0,20}", queue in "[a-z-]{1,20}",
        types in proptest::collection::vec("[A-Za-z0-9]{1,12}", 0..6), secret in "[a-z]{1,10}[A-Z]{1,10}[0-9]{1,10}",
    ) -> Setting {
        let url = format!("https://example.com/{path}");
        let target = match kind {
            0 => Target::Http { url, auth: Auth::Off },
            1 => Target::Http { url, auth: Auth::OffWithKey(key(&secret)) },
            2 => Target::Http { url, auth: Auth::On(key(&secret)) },
            _ => Target::Mns { endpoint: url, queue_name: queue },
        };
        Setting { target, event_types: types }
    }
}

proptest! {
    #[test]
    fn what_was_applied_does_not_differ(setting in any_setting()) {
        prop_assert!(setting.differences(Some(&live_of(&setting)), None).is_empty());
    }

    #[test]
    fn two_settings_differ_or_are_the_same_to_the_service(a in any_setting(), b in any_setting()) {
        let differences = a.differences(Some(&live_of(&b)), None);
        let same_for_the_service = live_of(&a) == live_of(&b);
        prop_assert!(!same_for_the_service || differences.is_empty());
        prop_assert!(differences.iter().all(|d| d.field != Field::AuthKey || d.desired == REDACTED));
    }
}
