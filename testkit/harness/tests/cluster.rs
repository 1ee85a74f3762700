//! The helpers for a test's objects, tried with a stand-in of the operator's CRD.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

use std::fs;

use control_plane::shared;
use harness::{Cluster, Result, Vmc, ready_reason};
use serde_json::json;

const STAND_IN: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: vodmessagecallbacks.vod-operator.dev}
spec:
  group: vod-operator.dev
  scope: Namespaced
  names: {kind: VodMessageCallback, plural: vodmessagecallbacks, singular: vodmessagecallback}
  versions:
    - name: v1alpha1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {region: {type: string}}}
            status: {type: object, x-kubernetes-preserve-unknown-fields: true}
          x-kubernetes-validations:
            - {rule: 'self.spec.region != \"bad\"', message: 'spec.region: not that one'}
";

#[tokio::test]
async fn objects_are_applied_and_awaited() -> Result<()> {
    let cluster = cluster().await?;
    let namespace = cluster.namespace("media").await?;
    assert_ne!(namespace, cluster.namespace("media").await?);
    cluster.access_key(&namespace, "id", "secret").await?;
    cluster
        .secret(&namespace, "alibaba-cloud", &[("accessKeyId", "other")])
        .await?;

    let vmc = Vmc::http(&namespace, "events", "https://hooks.example.com/vod");
    let applied = cluster.apply_vmc(&vmc).await?;
    assert_eq!(applied["metadata"]["generation"], 1);
    let refused = cluster
        .dry_run_vmc(&vmc.clone().region("bad"))
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("spec.region: not that one"), "{refused}");

    set_status(&cluster, &namespace, 1).await;
    let ready = cluster
        .wait_condition(&namespace, "events", ("Ready", "True", "Applied"))
        .await?;
    assert_eq!(ready_reason(&ready), "Applied");

    // What was said about an older generation does not count.
    cluster.apply(&vmc.region("cn-beijing").to_yaml()).await?;
    let waiting = cluster.wait_ready(&namespace, "events");
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(300), waiting)
            .await
            .is_err()
    );
    set_status(&cluster, &namespace, 2).await;
    cluster.wait_ready(&namespace, "events").await?;

    cluster.delete_vmc(&namespace, "events").await?;
    cluster.wait_gone(&namespace, "events").await?;
    cluster.delete_secret(&namespace, "alibaba-cloud").await
}

#[tokio::test]
async fn events_are_found_by_their_object() -> Result<()> {
    let cluster = cluster().await?;
    let namespace = cluster.namespace("events").await?;
    let event = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": { "name": "told", "namespace": namespace },
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Warning",
        "reason": "Told",
        "action": "Tell",
        "note": "once",
        "regarding": { "kind": "VodMessageCallback", "name": "events", "namespace": namespace },
        "reportingController": "test",
        "reportingInstance": "test-1",
    });
    cluster.apply_object(&event).await?;
    assert_eq!(
        cluster.wait_event(&namespace, "events", "Told").await?.note.as_deref(),
        Some("once")
    );
    assert!(cluster.events(&namespace, "another").await?.is_empty());
    Ok(())
}

async fn cluster() -> Result<Cluster> {
    let cluster = Cluster::new(shared().await?.client().await?);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crd.yaml");
    fs::write(&path, STAND_IN).unwrap();
    cluster.install_crd_file(&path).await?;
    Ok(cluster)
}

async fn set_status(cluster: &Cluster, namespace: &str, generation: i64) {
    let ready = json!({ "type": "Ready", "status": "True", "reason": "Applied", "observedGeneration": generation });
    let patch = json!({ "status": { "conditions": [ready] } });
    let params = kube::api::PatchParams::default();
    cluster
        .vmcs(namespace)
        .patch_status("events", &params, &kube::api::Patch::Merge(&patch))
        .await
        .unwrap();
}
