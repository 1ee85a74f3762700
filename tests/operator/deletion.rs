//! Contract 3, "Deletion": guarded, by the policy of the moment, and never for ever.

use harness::until;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;
use vod_endpoint::Fault;

use crate::stage::{Stage, app};

const CRD: &str = "vodmessagecallbacks.vod-operator.dev";

#[tokio::test]
async fn delete_removes_the_setting() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("del").await;
    stage.delete("del").await;
    assert_eq!((stage.deletes("del"), stage.live("del")), (1, None));
}

#[tokio::test]
async fn what_somebody_else_set_is_left_alone() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("theirs").await;
    stage.tamper("theirs", &[("CallbackURL", "https://theirs.example.com/")]);
    stage.delete("theirs").await;
    assert_eq!(stage.deletes("theirs"), 0);
    stage.event("theirs", "NotOurs").await;
}

#[tokio::test]
async fn retain_suspend_and_never_applied_call_nothing() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("keep").deletion_policy("Retain")).await;
    stage.ready("keep", "Applied").await;
    stage.applied("rest").await;
    stage.patch("rest", &json!({ "spec": { "suspend": true } })).await;
    stage.suspended("rest").await;
    stage.apply(&stage.http("never").secret("missing")).await;
    stage.not_ready("never", "SecretNotFound").await;
    let before = stage.endpoint.world().calls().len();
    for name in ["keep", "rest", "never"] {
        stage.delete(name).await;
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
    stage.applied("lost").await;
    stage.delete_secret("alibaba-cloud").await;
    stage.delete("lost").await;
    stage.event("lost", "Released").await;
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
        stage.applied(name).await;
    }
    stage.fault(Fault::code(503, "ServiceUnavailable").app(&app("dead")));
    stage.deny("DeleteMessageCallback");
    for name in ["dead", "denied"] {
        stage.delete(name).await;
        stage.event(name, "Released").await;
    }
}

#[tokio::test]
async fn retain_at_the_last_moment_lets_go() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("late").await;
    stage.delete_secret("alibaba-cloud").await;
    stage.ask_deletion("late").await;
    stage.not_ready("late", "SecretNotFound").await;
    stage
        .patch("late", &json!({ "spec": { "deletionPolicy": "Retain" } }))
        .await;
    stage.gone("late").await;
    assert!(stage.live("late").is_some());
    stage.event("late", "Released").await;
}

/// Also before anything failed: the deletion waits for an answer, and nothing was said of it yet.
#[tokio::test]
async fn retain_while_the_deletion_is_under_way_says_what_stays() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("away").await;
    let slow = Fault::always(vod_endpoint::How::Delay { ms: 3000 }).action("GetMessageCallback");
    stage.fault(slow.app(&app("away")));
    let gets = stage.gets("away");
    stage.ask_deletion("away").await;
    until("it is read", async || stage.gets("away") > gets).await;
    let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
    stage.patch("away", &retain).await;
    stage.gone("away").await;
    assert!(stage.live("away").is_some());
    stage.event("away", "Released").await;
}

#[tokio::test]
async fn one_that_is_gone_already_is_success() {
    let stage = Stage::set().await;
    stage.endpoint.world().behaviour.absent = vod_endpoint::Absent::NotFound;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("already").await;
    stage.remove("already");
    stage.delete("already").await;
    assert_eq!(stage.deletes("already"), 0);
}

#[tokio::test]
async fn a_refused_deletion_is_tried_slowly() {
    let stage = Stage::set().await;
    let _operator = stage
        .operator(&["--check-interval", "1h", "--deletion-grace", "12s"])
        .await;
    stage.applied("slow").await;
    stage.deny("DeleteMessageCallback");
    stage.delete("slow").await;
    let tried = stage
        .calls("slow")
        .iter()
        .filter(|c| c.action == "DeleteMessageCallback")
        .count();
    assert!(tried <= 2, "at once, and when the grace period ends, but {tried} times");
}

/// Whatever goes first when a namespace is removed: Secret, resource, or all at once. Events can no longer be written
/// there, which holds nothing up.
#[tokio::test]
async fn a_namespace_that_is_removed_gets_empty_in_every_order() {
    for order in ["secret first", "resource first", "together"] {
        let stage = Stage::set().await;
        let operator = stage
            .operator(&["--check-interval", "1h", "--deletion-grace", "2s"])
            .await;
        stage.applied("room").await;
        let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(stage.cluster.client());
        namespaces
            .delete(&stage.ns, &kube::api::DeleteParams::default())
            .await
            .unwrap();
        // What the namespace controller would do, which does not run here.
        match order {
            "secret first" => {
                stage.delete_secret("alibaba-cloud").await;
                stage.delete("room").await;
                operator.wait_for_log("released; its setting stays").await.unwrap();
            }
            "resource first" => {
                stage.delete("room").await;
                assert_eq!(stage.live("room"), None, "there was time to remove it");
                stage.delete_secret("alibaba-cloud").await;
            }
            _ => {
                let secret = stage.cluster.delete_secret(&stage.ns, "alibaba-cloud");
                let resource = stage.cluster.delete_vmc(&stage.ns, "room");
                let (secret, resource) = futures::join!(secret, resource);
                secret.unwrap();
                resource.unwrap();
                stage.gone("room").await;
            }
        }
        assert!(operator.exited().unwrap().is_none(), "{order}");
    }
}

#[tokio::test]
async fn the_live_setting_is_read_before_it_is_removed() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("look").await;
    let before = stage.calls("look").len();
    stage.delete("look").await;
    let actions: Vec<_> = stage.calls("look").drain(before..).map(|c| c.action).collect();
    assert_eq!(actions, ["GetMessageCallback", "DeleteMessageCallback"]);
    stage.event("look", "Deleted").await;
}

/// The service answers, so it is this resource's turn some time: a bulk deletion that is throttled leaves nothing behind.
#[tokio::test]
async fn a_throttled_deletion_is_never_released() {
    let stage = Stage::set().await;
    let operator = stage
        .operator(&["--check-interval", "1h", "--deletion-grace", "1s"])
        .await;
    stage.applied("busy").await;
    let busy = Fault::code(400, "Throttling.User").action("DeleteMessageCallback");
    stage.fault(busy.app(&app("busy")));
    stage.ask_deletion("busy").await;
    let refused = || {
        let calls = stage.calls("busy");
        calls.iter().filter(|c| c.code == "Throttling.User").count()
    };
    harness::until("it was throttled more than once after the grace", async || {
        refused() >= 3
    })
    .await;
    assert!(stage.cluster.vmc(&stage.ns, "busy").await.unwrap().is_some());
    stage.endpoint.world().faults.clear();
    stage.gone("busy").await;
    assert_eq!((stage.deletes("busy"), stage.live("busy")), (1, None));
    assert_eq!(operator.logged("released; its setting stays"), 0);
}

/// One attempt that fails may be anything; what counts is that the service stays out of reach.
#[tokio::test]
async fn one_failure_in_passing_after_the_grace_releases_nothing() {
    let stage = Stage::set().await;
    let operator = stage
        .operator(&["--check-interval", "1h", "--deletion-grace", "1s"])
        .await;
    stage.applied("blip").await;
    // The first is within the grace, the second after it.
    let down = Fault::code(503, "ServiceUnavailable").app(&app("blip")).times(3);
    stage.fault(down);
    stage.delete("blip").await;
    assert_eq!((stage.deletes("blip"), stage.live("blip")), (1, None));
    assert_eq!(operator.logged("released; its setting stays"), 0);
}

/// Contract 6: an attempt's answer may be lost, and the setting is there all the same.
#[tokio::test]
async fn a_set_whose_answer_was_lost_is_not_left_behind() {
    for restarted in [false, true] {
        let stage = Stage::set().await;
        let args = ["--check-interval", "1h"];
        let operator = stage.operator(&args).await;
        stage.applied("change").await;
        {
            let mut world = stage.endpoint.world();
            for name in ["first", "change"] {
                // Carried out, without an answer; after that the service is out of reach for a while.
                let lost = Fault::always(vod_endpoint::How::Reset).action("SetMessageCallback");
                world.faults.push(lost.app(&app(name)).after().times(1));
            }
        }
        let moved = json!({ "url": "https://new.example.com/vod" });
        let down = |name: &str| Fault::code(503, "ServiceUnavailable").app(&app(name));
        for (name, vmc) in [
            ("first", stage.http("first")),
            ("change", stage.http("change").field("http", moved.clone())),
        ] {
            stage.apply(&vmc).await;
            harness::until("the Set is carried out", async || {
                stage
                    .calls(name)
                    .iter()
                    .any(|c| c.action == "SetMessageCallback" && c.code == "(reset)")
            })
            .await;
            stage.fault(down(name));
            stage.not_ready(name, "ServiceUnavailable").await;
        }
        // Another spec that cannot be applied: what was sent is neither what was applied nor what is asked for.
        let unsound = stage
            .http("change")
            .field("http", json!({ "url": "https://third.example.com/" }));
        stage.apply(&unsound).await;
        harness::until("the third was looked at", async || {
            stage.status("change").await["observedGeneration"] == 3
        })
        .await;
        assert_eq!(
            stage.live("change").unwrap()["CallbackURL"],
            "https://new.example.com/vod"
        );
        let _restarted = if restarted {
            operator.kill().await.unwrap();
            Some(stage.operator(&args).await)
        } else {
            None
        };
        for name in ["first", "change"] {
            stage.ask_deletion(name).await;
        }
        stage.endpoint.world().faults.clear();
        for name in ["first", "change"] {
            stage.gone(name).await;
            assert_eq!(stage.live(name), None, "{name}, restarted: {restarted}");
        }
    }
}

/// Deletes the CRD, as `kubectl delete -f install.yaml` does.
async fn delete_crd(stage: &Stage) -> Api<CustomResourceDefinition> {
    let crds: Api<CustomResourceDefinition> = Api::all(stage.cluster.client());
    crds.delete(CRD, &DeleteParams::default()).await.unwrap();
    crds
}

async fn crd_is_gone(crds: &Api<CustomResourceDefinition>) {
    until("the CRD is gone", async || crds.get_opt(CRD).await.unwrap().is_none()).await;
}

#[tokio::test]
async fn a_crd_that_is_deleted_takes_no_setting_along() {
    let stage = Stage::set_apart().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    for name in ["one", "two"] {
        stage.applied(name).await;
    }
    let crds = delete_crd(&stage).await;
    crd_is_gone(&crds).await;
    for name in ["one", "two"] {
        let told = stage.cluster.wait_event(&stage.ns, name, "Released").await.unwrap();
        assert_eq!(told.type_.as_deref(), Some("Warning"));
        assert!(told.note.unwrap().contains("CRD"), "it says why");
        assert_eq!(stage.deletes(name), 0);
        assert!(stage.live(name).is_some());
    }
    let metrics = operator.metrics().await.unwrap();
    let released = metrics.sum("vod_operator_released_total", &[("reason", "CrdDeleted")]);
    assert!(released > 1.5);
}

/// In namespaced mode the operator may not look at the CRD; that nothing can be created any more is there for all to see.
#[tokio::test]
async fn nor_where_the_operator_may_not_look_at_the_crd() {
    let stage = Stage::set_apart().await;
    let (proxy, _operator) = stage.behind_a_proxy(&["--check-interval", "1h"]).await;
    proxy.refuse(&["customresourcedefinitions"], 403, usize::MAX);
    for name in ["meant", "lost"] {
        stage.applied(name).await;
    }
    stage.delete("meant").await;
    assert_eq!((stage.deletes("meant"), stage.live("meant")), (1, None));
    let crds = delete_crd(&stage).await;
    crd_is_gone(&crds).await;
    stage.event("lost", "Released").await;
    assert_eq!(stage.deletes("lost"), 0);
    assert!(stage.live("lost").is_some());
}

#[tokio::test]
async fn a_crd_that_was_deleted_before_the_operator_came_takes_no_setting_along() {
    let stage = Stage::set_apart().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("late").await;
    operator.sigterm_and_wait().await.unwrap();
    let crds = delete_crd(&stage).await;
    until("Kubernetes deletes the resource", async || {
        let late = stage.vmc("late").await;
        late["metadata"]["deletionTimestamp"].is_string()
    })
    .await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    crd_is_gone(&crds).await;
    stage.event("late", "Released").await;
    assert_eq!(stage.deletes("late"), 0);
    assert!(stage.live("late").is_some());
}
