//! What the demo plays on: a control plane, the local VOD endpoint, and the operator under its ServiceAccount.

use std::path::PathBuf;

use control_plane::{ControlPlane, repo_root};
use harness::{Cluster, Operator};
use vod_endpoint::Endpoint;

use crate::Result;

pub const NS: &str = "media";
const SYSTEM: &str = "vod-operator-system";

pub struct Stage {
    pub plane: ControlPlane,
    pub cluster: Cluster,
    pub endpoint: Endpoint,
    pub operator: Operator,
}

impl Stage {
    pub async fn set() -> Result<Self> {
        println!("Starting etcd and kube-apiserver, and a local VOD endpoint that verifies every signature …");
        let plane = ControlPlane::start().await?;
        let cluster = Cluster::new(plane.client().await?);
        let endpoint = Endpoint::start().await?;

        println!("Installing the CRD and the shipped permissions …");
        // All of deploy/manifests but the Deployment: its Pods need a node, so the operator runs as a process here.
        let manifest = std::fs::read_to_string(repo_root().join("deploy/manifests/install.yaml"))?;
        for part in manifest.split("\n---") {
            if !part.contains("\nkind: Deployment") && part.contains("kind:") {
                cluster.apply(part).await?;
            }
        }
        cluster.install_crd().await?;
        kubectl(&plane, &["create", "namespace", NS]).await?;

        println!("Starting the operator as ServiceAccount {SYSTEM}/vod-operator …");
        let kubeconfig = plane.service_account_kubeconfig(SYSTEM, "vod-operator").await?;
        let operator = Operator::builder(operator_binary()?)
            .kubeconfig(kubeconfig)
            .vod_endpoint(endpoint.url())
            .sts_endpoint(endpoint.url())
            .env("POD_NAMESPACE", SYSTEM)
            .env("POD_NAME", "demo")
            .args(["--leader-elect", "--check-interval", "5s"])
            .start()
            .await?;
        Ok(Self {
            plane,
            cluster,
            endpoint,
            operator,
        })
    }
}

/// Runs kubectl, and fails with what it said when it does.
pub async fn kubectl(plane: &ControlPlane, args: &[&str]) -> Result<String> {
    let done = plane.kubectl(args).await?;
    if done.success {
        Ok(done.stdout)
    } else {
        Err(format!("kubectl {}: {}", args.join(" "), done.stderr.trim()).into())
    }
}

/// The operator that was built beside the demo.
pub fn operator_binary() -> Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("vod-operator");
    if beside.is_file() {
        Ok(beside)
    } else {
        Err("the operator is not built: run `make demo`, which builds it first".into())
    }
}
