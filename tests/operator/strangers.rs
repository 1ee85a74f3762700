//! Contract 7, "Whose credential": what somebody in the cluster gains who knows another's AccessKey ID, but not the
//! secret that goes with it. Nothing.

use harness::{Operator, Vmc};
use serde_json::{Value, json};
use vod_endpoint::{ACCOUNT, Fault, KEY_ID};

use crate::stage::{Stage, URL, app};

const AUTH_KEY: &str = "RealAuthKey1";

/// The stranger's namespace, with the known ID and a secret of its own, and an operator over both.
async fn with_a_stranger(stage: &Stage) -> (Operator, String) {
    let strange = stage.cluster.namespace("stranger").await.unwrap();
    stage
        .cluster
        .access_key(&strange, KEY_ID, "ExampleGuess")
        .await
        .unwrap();
    let operator = stage
        .operator(&["--watch-namespace", &strange, "--check-interval", "1h"])
        .await;
    (operator, strange)
}

/// A resource of the stranger's about the same setting as `name`.
fn squatter(namespace: &str, name: &str) -> Vmc {
    Vmc::http(namespace, "squatter", URL)
        .app_id(&app(name))
        .events(["SnapshotComplete"])
}

async fn is_refused(stage: &Stage, namespace: &str) -> Value {
    let refused = ("Ready", "False", "InvalidCredentials");
    let found = stage
        .cluster
        .wait_condition(namespace, "squatter", refused)
        .await
        .unwrap();
    let status = found["status"].clone();
    for field in ["accountId", "reported", "differences", "applied", "requestId"] {
        assert!(status.get(field).is_none(), "{field}: {status}");
    }
    let told = status.to_string();
    assert!(!told.contains(ACCOUNT) && !told.contains(AUTH_KEY), "{told}");
    status
}

async fn set_by_its_owner(stage: &Stage, name: &str) {
    stage.secret("key", &[("authKey", AUTH_KEY)]).await;
    stage.apply(&stage.http(name).auth("key", "authKey")).await;
    stage.ready(name, "Applied").await;
}

#[tokio::test]
async fn an_older_resource_with_a_guessed_secret_squats_no_setting_and_uses_no_quota() {
    let stage = Stage::set().await;
    let (_operator, strange) = with_a_stranger(&stage).await;
    stage.apply(&squatter(&strange, "squat")).await;
    is_refused(&stage, &strange).await;
    set_by_its_owner(&stage, "squat").await;
    is_refused(&stage, &strange).await;
    assert_eq!(stage.sets("squat"), 1);
    let refused = |action: &str| {
        let world = stage.endpoint.world();
        let calls = world.calls().iter().filter(|c| c.code != "OK");
        calls.filter(|c| c.action.ends_with(action)).count()
    };
    assert_eq!(refused("Callback"), 0, "no call to VOD was spent on it");
    assert!(refused("GetCallerIdentity") >= 1);
}

/// Also while STS cannot tell, the same ID with another secret is somebody else.
#[tokio::test]
async fn without_sts_a_guessed_secret_takes_nothing_and_sees_nothing_either() {
    let stage = Stage::set().await;
    stage.fault(Fault::code(503, "ServiceUnavailable").action("GetCallerIdentity"));
    let (_operator, strange) = with_a_stranger(&stage).await;
    stage.apply(&squatter(&strange, "nosts")).await;
    is_refused(&stage, &strange).await;
    set_by_its_owner(&stage, "nosts").await;
    let owner = json!({ "metadata": { "annotations": { "vod-operator.dev/reconcile-requested-at": "now" } } });
    // Both read at about the same time; what the owner may see is not shared.
    stage.cluster.patch_vmc(&strange, "squatter", &owner).await.unwrap();
    stage.check_now("nosts", "now").await;
    is_refused(&stage, &strange).await;
    stage.ready("nosts", "").await;
    assert_eq!((stage.sets("nosts"), stage.deletes("nosts")), (1, 0));
}

/// `Observe` compares: with another's live setting to look at, it would tell whether a guess of the AuthKey is right.
#[tokio::test]
async fn an_observer_with_a_guessed_secret_cannot_try_auth_keys() {
    let stage = Stage::set().await;
    let (_operator, strange) = with_a_stranger(&stage).await;
    set_by_its_owner(&stage, "keys").await;
    stage
        .cluster
        .secret(&strange, "guess", &[("authKey", AUTH_KEY)])
        .await
        .unwrap();
    let observer = squatter(&strange, "keys")
        .auth("guess", "authKey")
        .management_policy("Observe");
    stage.apply(&observer).await;
    let status = is_refused(&stage, &strange).await;
    let in_sync = harness::condition(&json!({ "status": status }), "InSync").unwrap()["status"].clone();
    assert_eq!(in_sync, "Unknown");
}

/// What an owner whose secret became wrong held is free for the next, and comes back to it with the right one.
#[tokio::test]
async fn refused_credentials_lose_what_they_owned_until_they_are_good_again() {
    let stage = Stage::set().await;
    stage.endpoint.world().add_key("SecondKey", "SecondSecret", ACCOUNT);
    stage.access_key("second", "SecondKey", "SecondSecret").await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("lost").await;
    stage.older("lost").await;
    let next = stage.http("heir").app_id(&app("lost")).secret("second");
    stage.apply(&next.events(["SnapshotComplete"])).await;
    stage.not_ready("heir", "Conflict").await;
    stage.access_key("alibaba-cloud", KEY_ID, "ExampleGuess").await;
    stage.not_ready("lost", "InvalidCredentials").await;
    assert!(stage.status("lost").await.get("accountId").is_none());
    stage.ready("heir", "Applied").await;
    stage
        .access_key("alibaba-cloud", KEY_ID, vod_endpoint::KEY_SECRET)
        .await;
    stage.ready("lost", "").await;
    stage.not_ready("heir", "Conflict").await;
}

/// A Secret is often edited in two steps, the ID first.
#[tokio::test]
async fn an_account_is_left_behind_with_a_word_also_when_the_new_key_was_wrong_at_first() {
    edited_in_two_steps(false).await;
}

#[tokio::test]
async fn an_account_is_left_behind_with_a_word_also_over_a_restart() {
    edited_in_two_steps(true).await;
}

async fn edited_in_two_steps(restart_between: bool) {
    let stage = Stage::set().await;
    let (id, secret, other) = ("OtherAccountsKey", "OtherAccountsSecret", "6543210987654321");
    stage.endpoint.world().add_key(id, secret, other);
    let first = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("steps").await;
    stage.access_key("alibaba-cloud", id, vod_endpoint::KEY_SECRET).await;
    stage.not_ready("steps", "InvalidCredentials").await;
    let _operator = if restart_between {
        drop(first);
        stage.operator(&["--check-interval", "1h"]).await
    } else {
        first
    };
    stage.access_key("alibaba-cloud", id, secret).await;
    stage.ready("steps", "Applied").await;
    assert_eq!(stage.status("steps").await["accountId"], other);
    let event = stage.event("steps", "AccountChanged").await;
    assert!(event.contains(ACCOUNT));
    assert!(stage.live("steps").is_some(), "the old account's setting stays");
}

/// After a restart nothing rests on the account that a status names beside a Secret that did not prove it.
#[tokio::test]
async fn a_restarted_operator_takes_no_word_for_proof_that_another_secret_gave() {
    let stage = Stage::set().await;
    stage.endpoint.world().add_key("SecondKey", "SecondSecret", ACCOUNT);
    stage.access_key("second", "SecondKey", "SecondSecret").await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("elder").await;
    stage.older("elder").await;
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    stage.access_key("alibaba-cloud", KEY_ID, "ExampleGuess").await;
    let next = stage.http("younger").app_id(&app("elder")).secret("second");
    stage.apply(&next.events(["SnapshotComplete"])).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.not_ready("elder", "InvalidCredentials").await;
    stage.ready("younger", "Applied").await;
}

/// The schema refuses such names; one that is stored all the same becomes no part of an address.
#[tokio::test]
async fn a_name_that_no_secret_can_have_leads_nowhere() {
    let stage = Stage::set_apart().await;
    let crd = std::fs::read_to_string(control_plane::repo_root().join("crds/vodmessagecallbacks.yaml")).unwrap();
    let mut crd: Value = serde_saphyr::from_str(&crd).unwrap();
    let name = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/credentials/properties/secretRef/properties/name";
    let name = crd.pointer_mut(name).unwrap().as_object_mut().unwrap();
    name.remove("x-kubernetes-validations").unwrap();
    stage.cluster.apply_object(&crd).await.unwrap();
    let odd = [
        ("space", "a b"),
        ("up", "../secrets/alibaba-cloud"),
        ("query", "alibaba-cloud?x=y"),
    ];
    for (name, secret) in odd {
        harness::until("the older CRD is served", async || {
            stage.cluster.apply_vmc(&stage.http(name).secret(secret)).await
        })
        .await;
    }
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for (name, secret) in odd {
        let found = stage.not_ready(name, "SecretNotFound").await;
        let told = harness::condition(&found, "Ready").unwrap()["message"]
            .as_str()
            .unwrap();
        assert!(told.contains(&format!("{secret:?}")), "{told}");
    }
    assert!(stage.endpoint.world().calls().is_empty());
}
