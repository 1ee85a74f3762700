//! The control plane itself: it starts, survives outages, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use control_plane::{ControlPlane, Error, Result, shared};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

#[tokio::test]
async fn serves_kubectl() -> Result<()> {
    let answer = shared().await?.kubectl(&["get", "ns", "-o", "name"]).await?;
    assert!(answer.success, "{answer:?}");
    assert!(answer.stdout.contains("namespace/default"), "{answer:?}");

    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: by-kubectl, namespace: default}\n";
    let applied = shared()
        .await?
        .kubectl_with_input(&["apply", "-f", "-"], manifest)
        .await?;
    assert_eq!(applied.stdout, "configmap/by-kubectl created\n", "{applied:?}");
    Ok(())
}

#[tokio::test]
async fn a_service_account_may_do_what_rbac_gives_it() -> Result<()> {
    let plane = shared().await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(plane.client().await?, "default");
    let account = ServiceAccount {
        metadata: named("reader"),
        ..Default::default()
    };
    accounts.create(&PostParams::default(), &account).await.unwrap();
    // A role of its own: `view` and the like are empty until a controller manager aggregates them.
    let role = [
        "create",
        "clusterrole",
        "reader",
        "--verb=list",
        "--resource=configmaps",
    ];
    assert!(plane.kubectl(&role).await?.success);
    let binding = [
        "create",
        "clusterrolebinding",
        "reader",
        "--clusterrole=reader",
        "--serviceaccount=default:reader",
    ];
    assert!(plane.kubectl(&binding).await?.success);

    let kubeconfig = plane.service_account_kubeconfig("default", "reader").await?;
    let client = plane.client_for(&kubeconfig).await?;
    // RBAC is served from a cache that follows the binding a moment later.
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    until("the role to hold", async || {
        maps.list(&Default::default()).await.is_ok()
    })
    .await;
    let secrets: Api<Secret> = Api::namespaced(client, "default");
    let refused = secrets.list(&Default::default()).await.unwrap_err();
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.is_forbidden()),
        "{refused}"
    );

    let missing = plane.service_account_kubeconfig("default", "nobody").await.unwrap_err();
    assert!(matches!(missing, Error::Kube { .. }), "{missing}");
    Ok(())
}

#[tokio::test]
async fn the_audit_log_tells_who_asked_what() -> Result<()> {
    let plane = shared().await?;
    let maps: Api<ConfigMap> = Api::namespaced(plane.client().await?, "default");
    let map = ConfigMap {
        metadata: named("audited"),
        ..Default::default()
    };
    maps.create(&PostParams::default(), &map).await.unwrap();
    let found = async || {
        let log = plane.audit_log().unwrap();
        log.into_iter()
            .find(|entry| entry.resource == "configmaps" && entry.name == "audited")
    };
    until("the entry", async || found().await.is_some()).await;
    let entry = found().await.unwrap();
    assert_eq!(
        (entry.user.as_str(), entry.verb.as_str(), entry.code),
        ("admin", "create", 201),
        "{entry:?}"
    );
    assert_eq!(
        (entry.namespace.as_str(), entry.stage.as_str()),
        ("default", "ResponseComplete"),
        "{entry:?}"
    );
    assert!(entry.is_write() && !entry.is_forbidden(), "{entry:?}");
    Ok(())
}

#[tokio::test]
async fn survives_outages_and_leaves_nothing_behind() -> Result<()> {
    let plane = ControlPlane::start().await?;
    let namespaces: Api<Namespace> = Api::all(plane.client().await?);
    let namespace = serde_json::from_value(json!({ "metadata": { "name": "kept" } })).unwrap();
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();

    plane.stop_api_server()?;
    assert_eq!(plane.pids().len(), 1);
    namespaces.get("kept").await.unwrap_err();
    plane.start_api_server().await?;
    namespaces.get("kept").await.unwrap();

    plane.stop_etcd()?;
    plane.start_etcd().await?;
    namespaces.get("kept").await.unwrap();

    plane.pause_api_server()?;
    let frozen = tokio::time::timeout(Duration::from_millis(300), namespaces.get("kept")).await;
    assert!(frozen.is_err(), "a frozen server answered: {frozen:?}");
    plane.resume_api_server()?;
    namespaces.get("kept").await.unwrap();

    // Also one that is frozen goes.
    plane.pause_etcd()?;
    let (pids, folder) = (plane.pids(), plane.folder().to_owned());
    assert_eq!(pids.len(), 2);
    drop(plane);
    assert!(!folder.exists());
    assert_eq!(pids.into_iter().filter(|pid| alive(*pid)).count(), 0);
    Ok(())
}

#[tokio::test]
async fn a_killed_parent_leaves_nothing_behind() {
    let mut parent = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let folder = line
        .trim()
        .strip_prefix("KUBECONFIG=")
        .unwrap()
        .strip_suffix("/admin.kubeconfig")
        .unwrap();
    let pids = with_folder_in_arguments(folder);
    assert_eq!(pids.len(), 2, "etcd and kube-apiserver run for {folder}");

    parent.kill().unwrap();
    parent.wait().unwrap();
    until("its processes to go", async || !pids.iter().any(|pid| alive(*pid))).await;
    until("its folder to go", async || !std::path::Path::new(folder).exists()).await;
}

fn named(name: &str) -> kube::api::ObjectMeta {
    kube::api::ObjectMeta {
        name: Some(name.to_owned()),
        ..Default::default()
    }
}

/// Whether the process exists and is not merely waiting for an absent parent to reap it.
fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn with_folder_in_arguments(folder: &str) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|arguments| arguments.contains(folder))
        })
        .collect()
}

async fn until(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !probe().await {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
