//! What the CRD's rules accept, the reconciler can handle: there is no spec that the API server takes and that ends in
//! `InvalidSpec` without a call. The rules are judged as `check` does, which has the API server's own cases as its tests.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Map, Value, json};

use crate::api::VodMessageCallbackSpec;
use crate::cloud::{EndpointNetwork, Endpoints};
use crate::commands::check::check;
use crate::domain::AuthKey;
use crate::manifests::Source;
use crate::reconcile::convert;

fn accepted(spec: &Value) -> bool {
    let manifest = json!({
        "apiVersion": "vod-operator.dev/v1alpha1",
        "kind": "VodMessageCallback",
        "metadata": { "name": "one", "namespace": "default" },
        "spec": spec,
    });
    let source = Source {
        name: "one.yaml".to_owned(),
        text: manifest.to_string(),
        in_directory: false,
        order: 0,
    };
    check(&[source]).unwrap().findings.is_empty()
}

/// A text that a user may type: sound, or nearly.
fn text(sound: &'static str) -> impl Strategy<Value = Value> {
    prop_oneof![
        30 => Just(json!(sound)),
        1 => Just(json!("")),
        1 => Just(json!(format!(" {sound}"))),
        1 => Just(json!(format!("{sound}\u{e9}"))),
        1 => Just(json!(format!("{sound}#x"))),
        1 => Just(json!(sound.to_uppercase())),
        1 => Just(json!(sound.repeat(20))),
        1 => "[ -~]{0,24}".prop_map(Value::from),
    ]
}

fn field(name: &'static str, value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<(String, Value)>> {
    prop_oneof![
        20 => value.prop_map(move |value| Some((name.to_owned(), value))),
        1 => Just(None),
    ]
    .boxed()
}

fn object(fields: Vec<BoxedStrategy<Option<(String, Value)>>>) -> impl Strategy<Value = Value> {
    fields.prop_map(|fields| Value::Object(fields.into_iter().flatten().collect::<Map<_, _>>()))
}

fn spec() -> impl Strategy<Value = Value> {
    let key_ref = object(vec![field("name", text("key")), field("key", text("authKey"))]);
    let auth = object(vec![
        field("enabled", any::<bool>().prop_map(Value::from)),
        field("keySecretRef", key_ref),
    ]);
    let url = prop_oneof![
        text("https://hooks.example.com/vod"),
        text("http://[::1]:8080/"),
        text("https://a,https://b")
    ];
    let http = object(vec![field("url", url), field("auth", auth)]);
    let mns = object(vec![
        field("endpoint", text("http://1234567.mns.cn-shanghai.aliyuncs.com/")),
        field("queueName", text("vod-events")),
    ]);
    let events = prop_oneof![
        Just(json!([])),
        Just(json!(["ALL"])),
        Just(json!(["ALL", "FileUploadComplete"])),
        Just(json!(["FileUploadComplete", "FileUploadComplete"])),
        proptest::collection::vec(text("TranscodeComplete"), 0..3).prop_map(Value::from),
    ];
    let of = |words: &'static [&'static str]| proptest::sample::select(words).prop_map(Value::from);
    object(vec![
        field(
            "region",
            prop_oneof![4 => of(&["cn-shanghai", "ap-southeast-1"]), 1 => text("cn-hangzhou")],
        ),
        field("appId", text("app-1000000")),
        field(
            "credentials",
            object(vec![field(
                "secretRef",
                object(vec![field("name", text("alibaba-cloud"))]),
            )]),
        ),
        field("callbackType", of(&["HTTP", "HTTP", "MNS", "http"])),
        prop_oneof![3 => field("http", http), 1 => Just(None)].boxed(),
        prop_oneof![1 => field("mns", mns), 2 => Just(None)].boxed(),
        field("eventTypes", events),
        field(
            "checkInterval",
            of(&["1m", "59s", "1h30m", "90s", "0.5h", "100000h", "1d", "60000ms"]),
        ),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_can_be_handled(spec in spec()) {
        if accepted(&spec) {
            let parsed: VodMessageCallbackSpec = serde_json::from_value(spec.clone())
                .map_err(|error| TestCaseError::fail(format!("{error}: {spec}")))?;
            let has_key = parsed.http.as_ref().is_some_and(|http| http.auth.is_some());
            let key = has_key.then(|| AuthKey::parse(b"ExampleKey1").unwrap());
            let setting = convert::setting(&parsed, key);
            prop_assert!(setting.is_some(), "{spec}");
            let setting = setting.unwrap();
            // The service's own rules for what it is sent.
            let parameters = setting.to_parameters(&convert::app(&parsed));
            for (name, value) in &parameters {
                let may_be_empty = *name == "EventTypeList";
                prop_assert!(may_be_empty || !value.trim().is_empty(), "{name} is empty: {spec}");
                prop_assert!(!value.chars().any(char::is_control), "{name} holds control characters: {spec}");
            }
            prop_assert!(convert::check_interval(&parsed, Duration::ZERO) >= Duration::from_secs(60) || parsed.check_interval.is_none());
            let region = convert::region(&parsed);
            let address = Endpoints { vod: None, sts: None, network: EndpointNetwork::Public }.vod(&region);
            prop_assert!(reqwest::Url::parse(address.as_str()).is_ok(), "{}", address.as_str());
        }
    }
}

/// The generator is not one that never meets a sound spec, or only those.
#[test]
fn some_specs_are_accepted_and_some_are_not() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = spec();
    let accepted = (0..300)
        .filter(|_| accepted(&strategy.new_tree(&mut runner).unwrap().current()))
        .count();
    assert!((3..290).contains(&accepted), "{accepted} of 300");
}
