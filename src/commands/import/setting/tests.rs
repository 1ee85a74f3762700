use zeroize::Zeroizing;

use super::*;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|t| !t.is_empty())
}

fn http(switch: &str, key: &str) -> LiveSetting {
    LiveSetting {
        callback_type: some("HTTP"),
        callback_url: some("https://hooks.example.com/vod"),
        event_type_list: some("TranscodeComplete,FileUploadComplete"),
        auth_switch: some(switch),
        auth_key: Some(Zeroizing::new(key.to_owned())).filter(|k| !k.is_empty()),
        ..LiveSetting::default()
    }
}

fn mns() -> LiveSetting {
    LiveSetting {
        callback_type: some("MNS"),
        mns_endpoint: some("http://1234567.mns.cn-shanghai.aliyuncs.com/"),
        mns_queue_name: some("vod-events"),
        event_type_list: some("ALL"),
        ..LiveSetting::default()
    }
}

fn imported(live: &LiveSetting, with_auth_key: bool) -> Result<Imported, Unsayable> {
    let found = Found {
        region: Region("cn-shanghai".into()),
        app: AppId("app-1000000".into()),
        live: live.clone(),
    };
    let wish = Wish {
        name: "media-events".into(),
        namespace: Some("media".into()),
        credentials: Some("alibaba-cloud".into()),
        with_auth_key,
    };
    import(&found, wish)
}

#[test]
fn what_is_said_of_the_key() {
    // AuthSwitch, AuthKey, asked for: auth.enabled, whether the key is written, the remark
    let (key, bad, masked) = ("Visible123", "12345678abc", "Vis****123");
    let table = [
        ("off", "", false, None, false, None),
        ("", "", true, None, false, None),
        ("off", key, false, None, false, Some(Remark::UnusedKeyLeftOut)),
        ("off", key, true, Some(false), true, None),
        ("off", masked, true, None, false, Some(Remark::UnusedKeyUnknown)),
        ("off", bad, true, None, false, Some(Remark::UnusedKeyUnknown)),
        ("on", key, false, Some(true), false, Some(Remark::KeyLeftOut)),
        ("on", key, true, Some(true), true, None),
        ("on", masked, false, Some(true), false, Some(Remark::HiddenKey)),
        ("on", masked, true, Some(true), false, Some(Remark::HiddenKey)),
        ("On", "", true, Some(true), false, Some(Remark::HiddenKey)),
        ("on", bad, true, Some(true), false, Some(Remark::KeyBreaksRule)),
    ];
    for (switch, key, asked, enabled, written, remark) in table {
        let imported = imported(&http(switch, key), asked).unwrap();
        let auth = imported.spec.http.unwrap().auth;
        let name = format!("switch {switch:?}, key {key:?}, asked {asked}");
        assert_eq!(auth.map(|a| a.enabled), enabled, "{name}");
        assert_eq!(imported.secret.is_some(), written, "{name}");
        // Nothing else: no remark says that one Set is made where the table says that there is none.
        assert_eq!(imported.remarks, Vec::from_iter(remark), "{name}");
    }
}

#[test]
fn stale_fields_of_the_other_kind_are_left_out() {
    let mut live = mns();
    live.callback_url = some("https://old.example.com/");
    live.auth_switch = some("on");
    live.auth_key = Some(Zeroizing::new("Visible123".into()));
    let queue = imported(&live, true).unwrap();
    assert!(queue.spec.http.is_none() && queue.secret.is_none(), "{queue:?}");
    assert_eq!(queue.remarks, []);
    live.callback_type = some("HTTP");
    let address = imported(&live, true).unwrap();
    assert!(address.spec.mns.is_none() && address.secret.is_some());
}

#[test]
fn event_types_as_they_are_listed_each_once() {
    for (list, expected, remarks) in [
        ("", &[][..], &[][..]),
        ("B, A,,B ", &["B", "A"], &[]),
        ("ALL", &["ALL"], &[]),
        (
            "A,ALL",
            &["ALL"],
            &[Remark::AllBesideOthers, Remark::OneSet(vec!["eventTypes"])],
        ),
    ] {
        let mut live = http("off", "");
        live.event_type_list = some(list);
        let imported = imported(&live, false).unwrap();
        assert_eq!(imported.spec.event_types, expected, "{list}");
        assert_eq!(imported.remarks, remarks, "{list}");
    }
}

#[test]
fn a_type_that_no_manifest_knows() {
    let mut live = http("off", "");
    live.callback_type = some("Simple Message Queue (formerly MNS)");
    let guessed = imported(&live, false).unwrap();
    assert_eq!(guessed.spec.callback_type, CallbackType::Http);
    let said = Remark::UnknownType("Simple Message Queue (formerly MNS)".into());
    assert_eq!(guessed.remarks, [said, Remark::OneSet(vec!["callbackType"])]);

    live.mns_endpoint = some("http://1.mns.cn-shanghai.aliyuncs.com/");
    live.mns_queue_name = some("q");
    assert!(matches!(imported(&live, false), Err(Unsayable::Both(_))));
    live.callback_type = some("http");
    assert!(imported(&live, false).is_ok(), "the case of letters says nothing");

    for nothing in [
        LiveSetting::default(),
        LiveSetting {
            callback_url: None,
            ..http("off", "")
        },
        LiveSetting {
            mns_queue_name: None,
            ..mns()
        },
    ] {
        assert!(matches!(imported(&nothing, false), Err(Unsayable::Nothing(_))));
    }
}

#[test]
fn without_credentials_it_is_said_whose_are_used() {
    let found = Found {
        region: Region("cn-shanghai".into()),
        app: AppId("app-1000000".into()),
        live: mns(),
    };
    let imported = import(&found, Wish::default()).unwrap();
    assert_eq!(imported.remarks, [Remark::OwnCredentials]);
    assert!(imported.spec.credentials.is_none());
}
