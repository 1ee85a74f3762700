//! What happens to the operator when the API server, or what is behind it, does not do its part.

use std::time::Duration;

use harness::{Gate, Operator, until};
use vod_endpoint::{Fault, How};

use crate::stage::Stage;

/// An operator whose way to the API server can be closed.
async fn behind_a_gate(stage: &Stage, args: &[&str]) -> (Gate, Operator) {
    let gate = Gate::before(stage.plane.port()).await.unwrap();
    let through = stage.plane.kubeconfig_through(gate.port()).unwrap();
    let operator = stage.builder(args).kubeconfig(through).start().await.unwrap();
    (gate, operator)
}

#[tokio::test]
async fn an_api_server_that_goes_away_is_survived() {
    let stage = Stage::set_apart().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("out").await;
    stage.plane.stop_api_server().unwrap();
    operator
        .wait_for_log("the watch of VodMessageCallbacks failed")
        .await
        .unwrap();
    stage.plane.start_api_server().await.unwrap();
    stage.apply(&stage.http("out").events(["SnapshotComplete"])).await;
    stage.ready("out", "Applied").await;
    assert_eq!(stage.sets("out"), 2);
}

#[tokio::test]
async fn an_etcd_that_goes_away_or_hangs_is_survived() {
    let stage = Stage::set_apart().await;
    // Checks come often, so that some fall into the outage.
    let operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.apply(&stage.http("store")).await;
    stage.ready("store", "").await;
    for (round, types) in [["SnapshotComplete"], ["ALL"]].into_iter().enumerate() {
        if round == 0 {
            stage.plane.stop_etcd().unwrap();
        } else {
            stage.plane.pause_etcd().unwrap();
        }
        until("nothing can be written", async || {
            let write = stage.cluster.request_reconcile(&stage.ns, "store", "lost");
            !matches!(tokio::time::timeout(Duration::from_secs(3), write).await, Ok(Ok(_)))
        })
        .await;
        if round == 0 {
            stage.plane.start_etcd().await.unwrap();
        } else {
            stage.plane.resume_etcd().unwrap();
        }
        until("the change is stored", async || {
            stage.cluster.apply_vmc(&stage.http("store").events(types)).await
        })
        .await;
        stage.ready("store", "").await;
        assert_eq!(stage.live("store").unwrap()["EventTypeList"], types[0]);
        assert_eq!(stage.sets("store"), 2 + round);
    }
    assert!(operator.exited().unwrap().is_none() && operator.healthz().await);
}

/// A change that the service takes and the API server will not have told: several attempts to write the status failed, so
/// that the next one is some time off.
async fn status_refused(stage: &Stage, gate: &Gate, operator: &Operator, name: &str) {
    stage.applied(name).await;
    let late = Fault::always(How::Delay { ms: 500 })
        .action("SetMessageCallback")
        .after();
    stage.fault(late);
    stage.apply(&stage.http(name).events(["SnapshotComplete"])).await;
    until("the Set is on its way", async || stage.sets(name) == 2).await;
    gate.refuse();
    let failures = || operator.logged("a status was not written");
    until("four attempts to write the status", async || failures() >= 4).await;
}

/// What the service was told and the API server could not be told is not told to the service again.
#[tokio::test]
async fn a_set_whose_status_cannot_be_written_is_made_once() {
    let stage = Stage::set().await;
    let (gate, operator) = behind_a_gate(&stage, &["--check-interval", "1h"]).await;
    status_refused(&stage, &gate, &operator, "owed").await;
    gate.open();
    let vmc = stage.ready("owed", "Applied").await;
    assert_eq!(stage.sets("owed"), 2, "{:?}", stage.calls("owed"));
    assert_eq!(
        vmc["status"]["requestId"],
        stage
            .calls("owed")
            .iter()
            .rfind(|c| c.action == "SetMessageCallback")
            .unwrap()
            .request_id
    );
}

/// Nor lost where the process ends before it is tried again.
#[tokio::test]
async fn a_status_that_was_kept_is_written_before_the_end() {
    let stage = Stage::set().await;
    let (gate, operator) = behind_a_gate(&stage, &["--check-interval", "1h"]).await;
    status_refused(&stage, &gate, &operator, "kept").await;
    gate.open();
    operator.sigterm_and_wait().await.unwrap();
    let vmc = stage.vmc("kept").await;
    let calls = stage.calls("kept");
    let set = calls.iter().rfind(|c| c.action == "SetMessageCallback").unwrap();
    assert_eq!(vmc["status"]["requestId"], set.request_id);
    assert_eq!(
        vmc["status"]["applied"]["eventTypes"],
        serde_json::json!(["SnapshotComplete"])
    );
}

/// A watch that is resumed at a version that the API server no longer has begins with a new list.
#[tokio::test]
async fn an_expired_watch_begins_anew() {
    let stage = Stage::set_apart().await;
    let (gate, _operator) = behind_a_gate(&stage, &["--check-interval", "1h"]).await;
    for name in ["expired", "deleted"] {
        stage.applied(name).await;
    }
    gate.refuse();
    stage.apply(&stage.http("expired").events(["SnapshotComplete"])).await;
    stage.ask_deletion("deleted").await;
    stage
        .access_key("later", vod_endpoint::KEY_ID, vod_endpoint::KEY_SECRET)
        .await;
    // A restarted API server remembers nothing that was before.
    stage.plane.stop_api_server().unwrap();
    stage.plane.start_api_server().await.unwrap();
    let relists = || {
        let lists = |e: &control_plane::AuditEntry| {
            e.verb == "list" && e.resource == "vodmessagecallbacks" && e.uri.contains("limit=100")
        };
        stage.plane.audit_log().unwrap().iter().filter(|e| lists(e)).count()
    };
    let before = relists();
    gate.open();
    stage.ready("expired", "Applied").await;
    assert_eq!(stage.sets("expired"), 2);
    stage.gone("deleted").await;
    until("a new list", async || relists() > before).await;
}

/// An API server that answers nobody is no reason to restart: nothing would be better after it.
#[tokio::test]
async fn an_api_server_that_answers_nobody_is_no_reason_to_restart() {
    let stage = Stage::set().await;
    let (gate, operator) = behind_a_gate(&stage, &["--check-interval", "1h", "--watch-timeout", "6s"]).await;
    stage.applied("stale").await;
    assert!(operator.healthz().await);
    gate.silence();
    stage.apply(&stage.http("stale").events(["SnapshotComplete"])).await;
    let given_up = || operator.logged("the watch of VodMessageCallbacks failed");
    // Each takes as long as a watch may last, so that it has been silent for longer than it may by now.
    until("the watch was given up three times", async || given_up() == 3).await;
    assert!(operator.healthz().await, "{:?}", operator.get("/healthz").await);
    gate.open();
    stage.ready("stale", "Applied").await;
    assert_eq!(stage.sets("stale"), 2);
}

/// A load balancer forgot the connections: new ones work, and the old ones say nothing for ever.
#[tokio::test]
async fn lost_connections_are_replaced() {
    let stage = Stage::set().await;
    let (gate, operator) = behind_a_gate(&stage, &["--check-interval", "1h", "--watch-timeout", "6s"]).await;
    stage.apply(&stage.http("lost-way")).await;
    stage.ready("lost-way", "Applied").await;
    gate.lose_connections();
    stage.apply(&stage.http("lost-way").events(["SnapshotComplete"])).await;
    stage.ready("lost-way", "Applied").await;
    assert_eq!(stage.sets("lost-way"), 2);
    assert!(operator.exited().unwrap().is_none());
}

/// Said to the user, and not for ever in the way of a deletion.
#[tokio::test]
async fn secrets_that_may_not_be_read_are_told_and_do_not_hold_a_deletion() {
    let stage = Stage::set().await;
    let account = stage.service_account("blind", "[create]", "").await;
    let operator = stage
        .builder(&["--check-interval", "1h", "--deletion-grace", "3s"])
        .kubeconfig(&account)
        .start()
        .await
        .unwrap();
    stage.apply(&stage.http("blind")).await;
    let vmc = stage.not_ready("blind", "SecretNotFound").await;
    let message = harness::condition(&vmc, "Ready").unwrap()["message"].to_string();
    assert!(
        message.contains("alibaba-cloud") && message.contains("may not be read"),
        "{message}"
    );
    drop(operator);
    // One that was applied while Secrets could be read.
    let _able = stage.operator(&["--check-interval", "1h"]).await;
    stage.ready("blind", "Applied").await;
    drop(_able);
    let _operator = stage
        .builder(&["--check-interval", "1h", "--deletion-grace", "3s"])
        .kubeconfig(&account)
        .start()
        .await
        .unwrap();
    stage.delete("blind").await;
    assert!(stage.live("blind").is_some());
}

#[tokio::test]
async fn a_refused_secret_watch_stops_only_itself() {
    let stage = Stage::set().await;
    let poor = stage.service_account("poor", "[get]", "").await;
    let operator = stage
        .builder(&["--check-interval", "1h"])
        .kubeconfig(poor)
        .start()
        .await
        .unwrap();
    stage.applied("poor").await;
    operator.wait_for_log("the watch of Secrets failed").await.unwrap();
    let failed = operator
        .metrics()
        .await
        .unwrap()
        .sum("vod_operator_watch_errors_total", &[("watch", "secrets")]);
    assert!(failed > 0.5);
    assert!(operator.healthz().await);
}

#[tokio::test]
async fn a_stored_object_that_cannot_be_read_stops_only_itself() {
    let stage = Stage::set_apart().await;
    // A CRD of other times, which let something in that today's does not know.
    let crd = std::fs::read_to_string(control_plane::repo_root().join("crds/vodmessagecallbacks.yaml")).unwrap();
    let older: String = crd
        .lines()
        .flat_map(|line| match line.trim() {
            "- MNS" => vec![line.to_owned(), line.replace("MNS", "FAX")],
            _ => vec![line.to_owned()],
        })
        .collect::<Vec<_>>()
        .join("\n");
    stage.cluster.apply(&older).await.unwrap();
    let fax = stage
        .http("fax")
        .without("http")
        .field("callbackType", serde_json::json!("FAX"));
    until("the old CRD is served", async || {
        stage.cluster.apply_vmc(&fax).await.is_ok()
    })
    .await;
    let operator = stage.operator(&[]).await;
    stage.applied("good").await;
    operator.wait_for_log(&format!("{}/fax", stage.ns)).await.unwrap();
    // One that can no longer be read keeps what it owns, also over a restart, until it is gone.
    let shared = |name: &str| stage.http(name).app_id("app-shared");
    stage.apply(&shared("owner")).await;
    stage.ready("owner", "Applied").await;
    stage.older("owner").await;
    stage.apply(&shared("next").events(["SnapshotComplete"])).await;
    stage.not_ready("next", "Conflict").await;
    let spec = shared("owner")
        .without("http")
        .field("callbackType", serde_json::json!("FAX"));
    stage.apply(&spec).await;
    operator.wait_for_log(&format!("{}/owner", stage.ns)).await.unwrap();
    stage.check_now("next", "one").await;
    stage.not_ready("next", "Conflict").await;
    drop(operator);
    let _operator = stage.operator(&["--deletion-grace", "3s"]).await;
    stage.check_now("next", "two").await;
    stage.not_ready("next", "Conflict").await;
    // Nobody can say what it has set, and its namespace must be able to go.
    stage.delete("owner").await;
    stage.event("owner", "Released").await;
    stage.ready("next", "Applied").await;
}

/// One of several namespaces whose watch is refused stops neither the others nor the process.
#[tokio::test]
async fn a_refused_namespace_stops_only_itself() {
    let stage = Stage::set().await;
    let forbidden = stage.cluster.namespace("vod").await.unwrap();
    let account = stage.service_account("here", "[get, list, watch]", "").await;
    let operator = stage
        .builder(&[
            "--check-interval",
            "1h",
            "--watch-timeout",
            "6s",
            "--watch-namespace",
            &forbidden,
        ])
        .kubeconfig(account)
        .start()
        .await
        .unwrap();
    stage.applied("here").await;
    let failed = async || {
        let metrics = operator.metrics().await.unwrap();
        metrics.sum("vod_operator_watch_errors_total", &[("watch", "resources")])
    };
    // The fifth attempt comes later than a watch may be silent.
    until("it is refused again and again", async || failed().await > 4.5).await;
    assert!(operator.healthz().await, "{:?}", operator.get("/healthz").await);
    stage.apply(&stage.http("here").events(["SnapshotComplete"])).await;
    stage.ready("here", "Applied").await;
}

/// A role or an admission policy that forbids the finalizer: nothing is set without it, and the user is told why.
#[tokio::test]
async fn a_finalizer_that_is_refused_is_told_and_nothing_is_set_without_it() {
    let stage = Stage::set().await;
    let (proxy, _operator) = stage.behind_a_proxy(&["--check-interval", "1h"]).await;
    proxy.refuse(&["PATCH", "vodmessagecallbacks/bound?"], 403, 1000);
    stage.apply(&stage.http("bound")).await;
    stage.not_ready("bound", "ServiceUnavailable").await;
    let status = stage.status("bound").await;
    assert!(status.to_string().contains("did not take the finalizer"), "{status}");
    assert_eq!(stage.sets("bound"), 0);
    proxy.pass_all();
    stage.ready("bound", "Applied").await;
    assert_eq!(stage.sets("bound"), 1);
}

/// A conflict says nothing about what was written: the words of the Set are kept, and written again.
#[tokio::test]
async fn a_status_that_is_answered_with_a_conflict_is_written_again() {
    let stage = Stage::set().await;
    let (proxy, _operator) = stage.behind_a_proxy(&["--check-interval", "1h"]).await;
    proxy.refuse(&["PATCH", "vodmessagecallbacks/clash/status"], 409, 2);
    stage.applied("clash").await;
    let status = stage.status("clash").await;
    assert!(
        status["requestId"].is_string() && status["lastAppliedTime"].is_string(),
        "{status}"
    );
    assert_eq!(stage.sets("clash"), 1);
}
