//! Contract 3, "Deletion": guarded, by the policy of the moment, and never for ever.

use crate::stage::{Stage, app};
use serde_json::json;
use vod_endpoint::{Fault, KEY_ID};

async fn delete(stage: &Stage, name: &str) {
    stage.cluster.delete_vmc(&stage.ns, name).await.unwrap();
    stage.cluster.wait_gone(&stage.ns, name).await.unwrap();
}

#[tokio::test]
async fn delete_removes_the_setting() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("del")).await;
    stage.ready("del", "Applied").await;
    delete(&stage, "del").await;
    assert_eq!((stage.deletes("del"), stage.live("del")), (1, None));
}

#[tokio::test]
async fn what_somebody_else_set_is_left_alone() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("theirs")).await;
    stage.ready("theirs", "Applied").await;
    stage.tamper("theirs", &[("CallbackURL", "https://theirs.example.com/")]);
    delete(&stage, "theirs").await;
    assert_eq!(stage.deletes("theirs"), 0);
    stage.cluster.wait_event(&stage.ns, "theirs", "NotOurs").await.unwrap();
}

#[tokio::test]
async fn retain_suspend_and_never_applied_call_nothing() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("keep").deletion_policy("Retain")).await;
    stage.ready("keep", "Applied").await;
    stage.apply(&stage.http("rest")).await;
    stage.ready("rest", "Applied").await;
    stage
        .cluster
        .patch_vmc(&stage.ns, "rest", &json!({ "spec": { "suspend": true } }))
        .await
        .unwrap();
    stage
        .cluster
        .wait_condition(&stage.ns, "rest", ("Ready", "Unknown", "Suspended"))
        .await
        .unwrap();
    stage.apply(&stage.http("never").secret("missing")).await;
    stage.not_ready("never", "SecretNotFound").await;
    let before = stage.endpoint.world().calls().len();
    for name in ["keep", "rest", "never"] {
        delete(&stage, name).await;
    }
    assert_eq!(stage.endpoint.world().calls().len(), before);
    assert!(stage.live("keep").is_some() && stage.live("rest").is_some());
}

#[tokio::test]
async fn lost_credentials_release_it_after_the_grace() {
    let stage = Stage::set().await;
    let operator = stage
        .operator(&["--check-interval", "1h", "--deletion-grace", "3s"])
        .await;
    stage.apply(&stage.http("lost")).await;
    stage.ready("lost", "Applied").await;
    stage.cluster.delete_secret(&stage.ns, "alibaba-cloud").await.unwrap();
    delete(&stage, "lost").await;
    stage.cluster.wait_event(&stage.ns, "lost", "Released").await.unwrap();
    assert_eq!(stage.deletes("lost"), 0);
    let released = operator
        .metrics()
        .await
        .unwrap()
        .sum("vod_operator_released_total", &[("reason", "CredentialsLost")]);
    assert!(released > 0.5);
}

#[tokio::test]
async fn a_dead_service_and_a_refused_permission_end_the_same_way() {
    let stage = Stage::set().await;
    let _operator = stage
        .operator(&["--check-interval", "1h", "--deletion-grace", "3s"])
        .await;
    for name in ["dead", "denied"] {
        stage.apply(&stage.http(name)).await;
        stage.ready(name, "Applied").await;
    }
    {
        let mut world = stage.endpoint.world();
        world
            .faults
            .push(Fault::code(503, "ServiceUnavailable").app(&app("dead")));
        world
            .keys
            .get_mut(KEY_ID)
            .unwrap()
            .denied
            .push("DeleteMessageCallback".into());
    }
    for name in ["dead", "denied"] {
        delete(&stage, name).await;
        stage.cluster.wait_event(&stage.ns, name, "Released").await.unwrap();
    }
}

#[tokio::test]
async fn retain_at_the_last_moment_lets_go() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("late")).await;
    stage.ready("late", "Applied").await;
    stage.cluster.delete_secret(&stage.ns, "alibaba-cloud").await.unwrap();
    stage.cluster.delete_vmc(&stage.ns, "late").await.unwrap();
    stage.not_ready("late", "SecretNotFound").await;
    stage
        .cluster
        .patch_vmc(&stage.ns, "late", &json!({ "spec": { "deletionPolicy": "Retain" } }))
        .await
        .unwrap();
    stage.cluster.wait_gone(&stage.ns, "late").await.unwrap();
    assert!(stage.live("late").is_some());
    stage.cluster.wait_event(&stage.ns, "late", "Released").await.unwrap();
}

#[tokio::test]
async fn one_that_is_gone_already_is_success() {
    let stage = Stage::set().await;
    stage.endpoint.world().behaviour.absent = vod_endpoint::Absent::NotFound;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("already")).await;
    stage.ready("already", "Applied").await;
    stage
        .endpoint
        .world()
        .remove_setting(vod_endpoint::ACCOUNT, crate::stage::REGION, &app("already"));
    delete(&stage, "already").await;
    assert_eq!(stage.deletes("already"), 0);
}

#[tokio::test]
async fn a_refused_deletion_is_tried_slowly() {
    let stage = Stage::set().await;
    let _operator = stage
        .operator(&["--check-interval", "1h", "--deletion-grace", "12s"])
        .await;
    stage.apply(&stage.http("slow")).await;
    stage.ready("slow", "Applied").await;
    stage
        .endpoint
        .world()
        .keys
        .get_mut(KEY_ID)
        .unwrap()
        .denied
        .push("DeleteMessageCallback".into());
    delete(&stage, "slow").await;
    let tried = stage
        .calls("slow")
        .iter()
        .filter(|c| c.action == "DeleteMessageCallback")
        .count();
    assert!(tried <= 2, "at once, and when the grace period ends, but {tried} times");
}
