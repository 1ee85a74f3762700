//! Contract 3, "Restart" and "High availability".
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
use std::time::Duration;

use common::Stage;
use harness::{Operator, eventually};

#[tokio::test]
async fn a_restart_with_nothing_changed_calls_nothing_and_writes_nothing() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    for n in 0..10 {
        stage.apply(&stage.http(&format!("calm{n}"))).await;
    }
    stage.apply(&stage.http("stuck").secret("missing")).await;
    for n in 0..10 {
        stage.ready(&format!("calm{n}"), "Applied").await;
    }
    stage.not_ready("stuck", "SecretNotFound").await;
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    let calls = stage.endpoint.world().calls().len();
    let versions = async || {
        let list = stage
            .cluster
            .vmcs(&stage.ns)
            .list(&kube::api::ListParams::default())
            .await
            .unwrap();
        list.into_iter()
            .map(|v| v.metadata.resource_version.unwrap())
            .collect::<Vec<_>>()
    };
    let before = versions().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    // Something new shows that it works, and has come after all that was there.
    stage.apply(&stage.http("fresh")).await;
    stage.ready("fresh", "Applied").await;
    let new: Vec<_> = stage.endpoint.world().calls()[calls..]
        .iter()
        .map(|c| (c.action.clone(), c.app().to_owned()))
        .collect();
    assert!(
        new.iter()
            .all(|(action, app)| app == "app-fresh" || action == "GetCallerIdentity"),
        "{new:?}"
    );
    let after: Vec<_> = versions().await;
    assert!(before.iter().all(|v| after.contains(v)), "a resource was written");
    drop(operator);
}

#[tokio::test]
async fn what_changed_meanwhile_is_found() {
    let stage = Stage::set().await;
    stage.secret("sign", &[("authKey", "First1234")]).await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("key").auth("sign", "authKey")).await;
    stage.apply(&stage.http("spec")).await;
    stage.ready("key", "Applied").await;
    stage.ready("spec", "Applied").await;
    operator.kill().await.unwrap();
    stage.secret("sign", &[("authKey", "Second1234")]).await;
    stage.apply(&stage.http("spec").events(["SnapshotComplete"])).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    eventually("the key", async || {
        stage.live("key").unwrap()["AuthKey"] == "Second1234"
    })
    .await
    .unwrap();
    eventually("the spec", async || {
        stage.live("spec").unwrap()["EventTypeList"] == "SnapshotComplete"
    })
    .await
    .unwrap();
    assert_eq!((stage.sets("key"), stage.sets("spec")), (2, 2));
}

#[tokio::test]
async fn killed_at_any_moment_it_resumes_with_one_set() {
    let stage = Stage::set().await;
    for round in 0..8u64 {
        let name = format!("kill{round}");
        let operator = stage.operator(&["--check-interval", "1h"]).await;
        stage.apply(&stage.http(&name)).await;
        // A different moment each round, from before the first call to after the last.
        tokio::time::sleep(Duration::from_millis(900 + round * 25)).await;
        operator.kill().await.unwrap();
        drop(operator);
        let operator = stage.operator(&["--check-interval", "1h"]).await;
        stage.ready(&name, "").await;
        assert_eq!(stage.sets(&name), 1, "round {round}");
        assert!(operator.sigterm_and_wait().await.unwrap().success());
    }
}

#[tokio::test]
async fn two_replicas_and_a_leader_that_dies_freezes_or_leaves() {
    let stage = Stage::set().await;
    let replica = async |name: &str| -> Operator {
        stage
            .builder(&["--check-interval", "1h", "--leader-elect"])
            .name(name)
            .env("POD_NAMESPACE", stage.ns.as_str())
            .env("POD_NAME", name)
            .start()
            .await
            .unwrap()
    };
    let leads = async |o: &Operator| o.metrics().await.is_ok_and(|m| m.sum("vod_operator_leader", &[]) > 0.5);
    let first = replica("first").await;
    eventually("the first leads", async || leads(&first).await)
        .await
        .unwrap();
    let second = replica("second").await;
    assert!(second.readyz().await, "a standby is ready");
    stage.apply(&stage.http("ha")).await;
    stage.ready("ha", "Applied").await;
    // Frozen with a change in flight: the other takes over, and the first must not call when it thaws.
    first.freeze().unwrap();
    stage.apply(&stage.http("ha").events(["SnapshotComplete"])).await;
    eventually("the second leads", async || leads(&second).await)
        .await
        .unwrap();
    stage.ready("ha", "Applied").await;
    first.thaw().unwrap();
    eventually("the first stands by", async || !leads(&first).await)
        .await
        .unwrap();
    assert_eq!(stage.sets("ha"), 2);
    // An orderly end hands over without waiting for the lease to run out.
    assert!(second.sigterm_and_wait().await.unwrap().success());
    eventually("the first leads again", async || leads(&first).await)
        .await
        .unwrap();
    stage.apply(&stage.http("ha").events(["ALL"])).await;
    eventually("the last change", async || {
        stage.live("ha").unwrap()["EventTypeList"] == "ALL"
    })
    .await
    .unwrap();
    stage.ready("ha", "Applied").await;
    assert_eq!(stage.sets("ha"), 3);
}

#[tokio::test]
async fn an_api_server_that_goes_away_is_survived() {
    let stage = Stage::set_apart().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("out")).await;
    stage.ready("out", "Applied").await;
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
async fn a_refused_secret_watch_stops_only_itself() {
    let stage = Stage::set().await;
    let rbac = format!(
        r"
apiVersion: v1
kind: ServiceAccount
metadata: {{name: poor, namespace: {ns}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: poor, namespace: {ns}}}
rules:
- {{apiGroups: [vod-operator.dev], resources: [vodmessagecallbacks, vodmessagecallbacks/status], verbs: [get, list, watch, patch, update]}}
- {{apiGroups: [''], resources: [secrets], verbs: [get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: poor, namespace: {ns}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: poor}}
subjects: [{{kind: ServiceAccount, name: poor, namespace: {ns}}}]
",
        ns = stage.ns
    );
    stage.cluster.apply(&rbac).await.unwrap();
    let poor = stage.plane.service_account_kubeconfig(&stage.ns, "poor").await.unwrap();
    let operator = stage
        .builder(&["--check-interval", "1h"])
        .kubeconfig(poor)
        .start()
        .await
        .unwrap();
    stage.apply(&stage.http("poor")).await;
    stage.ready("poor", "Applied").await;
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
    // A definition of other times, which let something in that today's does not know.
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
    eventually("the old definition is served", async || {
        stage.cluster.apply_vmc(&fax).await.is_ok()
    })
    .await
    .unwrap();
    let operator = stage.operator(&[]).await;
    stage.apply(&stage.http("good")).await;
    stage.ready("good", "Applied").await;
    operator.wait_for_log(&format!("{}/fax", stage.ns)).await.unwrap();
}
