use proptest::prelude::*;

use super::super::setting::{Found, Wish, import};
use super::*;
use crate::domain::{AppId, LiveSetting, Region};

fn imported(live: LiveSetting, wish: Wish) -> Imported {
    let found = Found {
        region: Region("cn-shanghai".into()),
        app: AppId("app-1000000".into()),
        live,
    };
    import(&found, wish).unwrap()
}

fn signed(key: &str) -> LiveSetting {
    LiveSetting {
        callback_type: Some("HTTP".into()),
        callback_url: Some("https://hooks.example.com/vod?a=b&c".into()),
        event_type_list: Some("FileUploadComplete,TranscodeComplete".into()),
        auth_switch: Some("on".into()),
        auth_key: Some(Zeroizing::new(key.to_owned())),
        ..LiveSetting::default()
    }
}

fn wish(with_auth_key: bool) -> Wish {
    Wish {
        name: "media-events".into(),
        namespace: Some("media".into()),
        credentials: Some("alibaba-cloud".into()),
        with_auth_key,
    }
}

#[test]
fn a_manifest_to_commit() {
    let text = yaml(&imported(signed("****"), wish(false)));
    assert_eq!(
        text,
        "\
apiVersion: vod-operator.dev/v1alpha1
kind: VodMessageCallback
metadata:
  name: media-events
  namespace: media
spec:
  region: cn-shanghai
  appId: app-1000000
  credentials:
    secretRef:
      name: alibaba-cloud
  callbackType: HTTP
  http:
    url: https://hooks.example.com/vod?a=b&c
    # Callbacks are signed, and the service does not show the key: put the key in force into the Secret named
    # here. Applying makes one SetMessageCallback, because only that makes sure of a hidden key.
    auth:
      keySecretRef:
        name: media-events-auth-key
        key: authKey
  eventTypes:
    - FileUploadComplete
    - TranscodeComplete
"
    );
}

#[test]
fn the_key_is_in_the_secret_and_nowhere_else() {
    let imported = imported(signed("Visible\"1\\ ~"), wish(true));
    let secret = imported.secret.clone().unwrap();
    let text = secret_yaml(&imported, &secret);
    let read: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(
        read,
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "media-events-auth-key", "namespace": "media" },
            "type": "Opaque",
            "stringData": { "authKey": "Visible\"1\\ ~" },
        })
    );
    for shown in [yaml(&imported), object(&imported).to_string(), format!("{imported:?}")] {
        assert!(!shown.contains("Visible"), "{shown}");
    }
}

/// A word of the service's goes into a comment: it must not end the comment.
#[test]
fn a_comment_stays_one() {
    let live = LiveSetting {
        callback_type: Some("X\nkind: Secret\u{85}\u{2028}a: b".into()),
        auth_switch: None,
        auth_key: None,
        ..signed("")
    };
    let text = yaml(&imported(live, wish(false)));
    assert!(text.lines().any(|line| line == "kind: VodMessageCallback"), "{text}");
    assert!(!text.contains(['\u{85}', '\u{2028}']), "{text}");
    let read: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(read["kind"], "VodMessageCallback");
}

#[test]
fn scalars_that_older_readers_take_for_something_else_are_quoted() {
    for plain in ["cn-shanghai", "https://a.b/c?d=e", "FileUploadComplete"] {
        assert_eq!(scalar(plain), plain);
    }
    for value in [
        "",
        "yes",
        "No",
        "ON",
        "null",
        "1",
        "1e3",
        "0x1",
        "-a",
        "a: b",
        "a:",
        "a #b",
        "a#b",
        "~",
        "é",
        "\u{7f}",
        "\u{85}",
        "\u{1f600}",
        "*a",
        "!a",
        "'a'",
    ] {
        let text = scalar(value);
        assert!(text.starts_with('"') && text.is_ascii(), "{text}");
        assert_eq!(serde_saphyr::from_str::<String>(&text).unwrap(), value);
    }
}

fn field(pattern: &'static str) -> impl Strategy<Value = Option<String>> {
    proptest::option::of(pattern.prop_filter("blank counts as absent", |t: &String| !t.trim().is_empty()))
}

prop_compose! {
    fn live()(
        callback_type in proptest::option::of(proptest::sample::select(vec!["HTTP", "MNS", "mns", "other\n"])),
        callback_url in field("https?://[!-~ é\n]{0,20}"),
        event_type_list in field("[A-Za-z, :#é\n]{0,30}"),
        auth_switch in proptest::option::of(proptest::sample::select(vec!["on", "off"])),
        auth_key in proptest::option::of("(Aa1[ -~é]{0,10}|\\*{4})"),
        mns_endpoint in field("http://[!-~é]{0,20}"),
        mns_queue_name in field("[!-~é\n]{1,20}"),
    ) -> LiveSetting {
        LiveSetting {
            callback_type: callback_type.map(str::to_owned),
            callback_url,
            event_type_list,
            auth_switch: auth_switch.map(str::to_owned),
            auth_key: auth_key.map(Zeroizing::new),
            mns_endpoint,
            mns_queue_name,
        }
    }
}

proptest! {
    /// Whatever the service holds, the text is the resource, for the types and for any reader of YAML.
    #[test]
    fn the_text_is_the_resource(live in live(), with_auth_key: bool, named: bool) {
        let found = Found { region: Region("cn-shanghai".into()), app: AppId("1e3".into()), live };
        let wish = Wish {
            name: "media-events".into(),
            namespace: named.then(|| "media".into()),
            credentials: named.then(|| "alibaba-cloud".into()),
            with_auth_key,
        };
        if let Ok(imported) = import(&found, wish) {
            let text = yaml(&imported);
            let resource: VodMessageCallback = serde_saphyr::from_str(&text).unwrap();
            prop_assert_eq!(&resource.spec, &imported.spec, "{}", text);
            prop_assert_eq!(resource.metadata.namespace, imported.wish.namespace.clone());
            let same: VodMessageCallback = serde_json::from_value(object(&imported)).unwrap();
            prop_assert_eq!(&same.spec, &imported.spec);
            if let Some(secret) = &imported.secret {
                let read: Value = serde_saphyr::from_str(&secret_yaml(&imported, secret)).unwrap();
                prop_assert_eq!(&read["stringData"]["authKey"], secret.value.expose());
            }
        }
    }
}
