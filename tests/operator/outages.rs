//! What happens to the operator when the API server, or what is behind it, does not do its part.

use crate::stage::Stage;
use harness::eventually;

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
