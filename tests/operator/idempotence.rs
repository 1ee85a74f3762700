//! A property: whatever the spec, and however the service words what it holds, a resource that was applied is at rest.
//! Further reconciles make no Set and write nothing.

use std::collections::BTreeMap;

use harness::{Vmc, until};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::stage::{Stage, app};

const SPECS: usize = 18;
const EVENT_TYPES: [&str; 6] = [
    "FileUploadComplete",
    "TranscodeComplete",
    "SnapshotComplete",
    "AIComplete",
    "StreamTranscodeComplete",
    "DeleteMediaComplete",
];

fn event_types() -> impl Strategy<Value = Vec<&'static str>> {
    let some = subsequence(EVENT_TYPES.to_vec(), 0..=EVENT_TYPES.len()).prop_shuffle();
    prop_oneof![4 => some, 1 => Just(vec!["ALL"])]
}

fn http() -> impl Strategy<Value = Value> {
    let url = "https?://[a-z]{1,12}[.]example[.]com(:[1-9][0-9]{1,3})?(/[A-Za-z0-9._~-]{0,12}){0,3}([?][a-z]=[A-Za-z0-9%+&=]{0,8})?";
    (url, proptest::option::of(any::<bool>())).prop_map(|(url, enabled)| {
        let auth = enabled.map(|enabled| json!({ "enabled": enabled, "keySecretRef": { "name": "sign" } }));
        let mut http = json!({ "url": url });
        if let Some(auth) = auth {
            http["auth"] = auth;
        }
        json!({ "callbackType": "HTTP", "http": http })
    })
}

fn mns() -> impl Strategy<Value = Value> {
    let endpoint = "https?://[0-9]{5,16}[.]mns[.]cn-[a-z]{4,9}[.]aliyuncs[.]com/?";
    (endpoint, "[A-Za-z0-9-]{1,40}").prop_map(
        |(endpoint, queue)| json!({ "callbackType": "MNS", "mns": { "endpoint": endpoint, "queueName": queue } }),
    )
}

fn spec() -> impl Strategy<Value = Value> {
    let target = prop_oneof![3 => http().boxed(), 1 => mns().boxed()];
    let policy = select(vec!["Enforce", "ApplyOnly", "Observe"]);
    (target, event_types(), policy).prop_map(|(mut spec, types, policy)| {
        spec["eventTypes"] = json!(types);
        spec["managementPolicy"] = json!(policy);
        spec
    })
}

fn resource(stage: &Stage, name: &str, spec: &Value) -> Vmc {
    let mut vmc = stage.http(name).without("http");
    for (field, value) in spec.as_object().unwrap() {
        vmc = vmc.field(field, value.clone());
    }
    vmc
}

async fn versions(stage: &Stage) -> BTreeMap<String, String> {
    let all = stage
        .cluster
        .vmcs(&stage.ns)
        .list(&kube::api::ListParams::default())
        .await
        .unwrap();
    all.into_iter()
        .map(|v| (v.metadata.name.unwrap(), v.metadata.resource_version.unwrap()))
        .collect()
}

#[tokio::test]
async fn apply_then_reconcile_makes_no_set_and_no_write() {
    let mut runner = TestRunner::default();
    for own_words in [false, true] {
        let stage = Stage::set().await;
        stage.secret("sign", &[("authKey", "Resting123")]).await;
        if own_words {
            let mut world = stage.endpoint.world();
            world.behaviour.sort_events = true;
            world.behaviour.expand_all = true;
            world.behaviour.add_slash = true;
            world.behaviour.key = vod_endpoint::ShowKey::Masked;
            world.behaviour.keep_stale = true;
        }
        let specs: Vec<Value> = (0..SPECS)
            .map(|_| spec().new_tree(&mut runner).unwrap().current())
            .collect();
        let name = |n: usize| format!("spec{n}");
        let _operator = stage.operator(&["--check-interval", "2s"]).await;
        for (n, spec) in specs.iter().enumerate() {
            stage.apply(&resource(&stage, &name(n), spec)).await;
        }
        for n in 0..SPECS {
            stage.ready(&name(n), "").await;
        }
        // A read-back that was refused is made up for within the next checks.
        let ready: Vec<usize> = (0..SPECS).map(|n| stage.gets(&name(n))).collect();
        until("two checks of each", async || {
            (0..SPECS).all(|n| stage.gets(&name(n)) >= ready[n] + 2)
        })
        .await;
        let (before, reads) = (
            versions(&stage).await,
            (0..SPECS).map(|n| stage.gets(&name(n))).collect::<Vec<_>>(),
        );
        until("three more checks of each", async || {
            (0..SPECS).all(|n| stage.gets(&name(n)) >= reads[n] + 3)
        })
        .await;
        let after = versions(&stage).await;
        for (n, spec) in specs.iter().enumerate() {
            let expected = usize::from(spec["managementPolicy"] != "Observe");
            assert_eq!(
                stage.sets(&name(n)),
                expected,
                "{} {spec:#} {:?}",
                app(&name(n)),
                stage.calls(&name(n))
            );
            assert_eq!(after[&name(n)], before[&name(n)], "written at rest: {spec:#}");
        }
    }
}

/// A backup tool, or somebody's `kubectl replace`, took the status away; it is said again at once, whatever the resource's state.
#[tokio::test]
async fn a_status_that_somebody_wiped_is_said_again() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("works").await;
    stage.apply(&stage.http("paused").field("suspend", json!(true))).await;
    stage.suspended("paused").await;
    let sets = stage.sets("works");
    for name in ["works", "paused"] {
        stage.cluster.wipe_status(&stage.ns, name).await.unwrap();
    }
    stage.ready("works", "").await;
    stage.suspended("paused").await;
    assert_eq!(stage.sets("works"), sets);
}

/// Also the empty one is a new value.
#[tokio::test]
async fn an_annotation_is_answered_whatever_its_value() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("asked").await;
    for token in ["one", "", "two"] {
        let gets = stage.gets("asked");
        stage.check_now("asked", token).await;
        assert!(stage.gets("asked") > gets, "{token:?}");
    }
}
