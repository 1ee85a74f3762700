//! Contract 1: what the API server itself accepts and refuses, each refusal with the field and the fix.

use harness::{Cluster, Vmc};
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::manifests::{accepted, http, mns, refused, with};

#[test]
fn the_committed_crd_is_the_generated_one() {
    let committed = std::fs::read_to_string(control_plane::repo_root().join("crds/vodmessagecallbacks.yaml")).unwrap();
    let generated = vod_operator::api::crd_yaml().unwrap();
    assert!(
        committed == generated,
        "crds/ is not what the types say: run `make crds` and commit it"
    );
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_vod-operator"))
        .arg("crd")
        .output()
        .unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    assert!(
        String::from_utf8(printed.stdout).unwrap() == committed,
        "crds/ is not what `vod-operator crd` prints: run `make crds` and commit it"
    );
}

fn object(ns: &str, name: &str, spec: &Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "vod-operator.dev/v1alpha1", "kind": "VodMessageCallback",
        "metadata": { "name": name, "namespace": ns }, "spec": spec,
    }))
    .unwrap()
}

async fn cluster() -> (Cluster, String) {
    let plane = control_plane::shared().await.unwrap();
    let cluster = Cluster::new(plane.client().await.unwrap());
    cluster.install_crd().await.unwrap();
    let ns = cluster.namespace("crd").await.unwrap();
    (cluster, ns)
}

#[tokio::test]
async fn the_table_of_manifests() {
    let (cluster, ns) = cluster().await;
    let api: Api<DynamicObject> = cluster.vmcs(&ns);
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let (accepted, refused) = (accepted(), refused());
    assert!(accepted.len() + refused.len() >= 100);
    // All that is wrong is told at once.
    let mut wrong = Vec::new();
    for spec in accepted {
        if let Err(error) = api.create(&dry, &object(&ns, "x", &spec)).await {
            wrong.push(format!("must be accepted: {spec}\n{error}"));
        }
    }
    for (spec, field, fix) in refused {
        match api.create(&dry, &object(&ns, "x", &spec)).await {
            Ok(_) => wrong.push(format!("must be refused: {spec}")),
            Err(kube::Error::Api(answer)) => {
                let message = &answer.message;
                if !message.contains(field) || !message.contains(fix) {
                    wrong.push(format!("{spec}\nmust name {field} and {fix}:\n{message}"));
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn defaults_are_filled_in_and_identity_is_kept() {
    let (cluster, ns) = cluster().await;
    let api: Api<DynamicObject> = cluster.vmcs(&ns);
    let spec = with(http(), "/http/auth", json!({ "keySecretRef": { "name": "k" } }));
    let made = api
        .create(&PostParams::default(), &object(&ns, "kept", &spec))
        .await
        .unwrap();
    let spec = &made.data["spec"];
    assert_eq!(spec["appId"], "app-1000000");
    assert_eq!(spec["http"]["auth"]["enabled"], true);
    assert_eq!(spec["http"]["auth"]["keySecretRef"]["key"], "authKey");
    assert_eq!(
        (&spec["managementPolicy"], &spec["deletionPolicy"]),
        (&json!("Enforce"), &json!("Delete"))
    );
    assert_eq!(spec["suspend"], false);
    assert!(spec.get("checkInterval").is_none());
    for (field, value) in [("region", "cn-beijing"), ("appId", "app-2")] {
        let error = cluster
            .patch_vmc(&ns, "kept", &json!({ "spec": { field: value } }))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(&format!("{field} cannot be changed")), "{error}");
    }
    let error = cluster
        .patch_vmc(&ns, "kept", &json!({ "spec": { "appId": null } }))
        .await;
    assert!(error.is_ok(), "null brings the default back, which it was");
    let switched = json!({ "spec": { "callbackType": "MNS", "http": null, "mns": mns()["mns"] } });
    cluster.patch_vmc(&ns, "kept", &switched).await.unwrap();
}

/// As GitOps tools and `kubectl apply --server-side` write it.
#[tokio::test]
async fn event_types_can_be_emptied_and_keep_their_order_under_server_side_apply() {
    let (cluster, ns) = cluster().await;
    let vmc = || Vmc::http(&ns, "types", "https://hooks.example.com/vod");
    for types in [
        &["TranscodeComplete"][..],
        &[],
        &["SnapshotComplete", "FileUploadComplete"],
        &["FileUploadComplete", "SnapshotComplete"],
        &[],
    ] {
        let stored = cluster.apply_vmc(&vmc().events(types.iter().copied())).await.unwrap();
        assert_eq!(stored["spec"]["eventTypes"], json!(types));
    }
}
