//! What the commands that talk to a cluster and to the service start from: one control plane for the test binary, and
//! for each test an endpoint and a namespace with an AccessKey.

use std::io::Write as _;
use std::process::{Command, Stdio};

use control_plane::ControlPlane;
use harness::{Cluster, Operator, Vmc};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use vod_endpoint::{ACCOUNT, Endpoint, KEY_ID, KEY_SECRET};

use crate::cli::{Dir, Done, command};

pub const URL: &str = "https://hooks.example.com/vod";
pub const REGION: &str = "cn-shanghai";

pub struct Stage {
    pub plane: &'static ControlPlane,
    pub cluster: Cluster,
    pub endpoint: Endpoint,
    pub ns: String,
    /// Its files, also `HOME`.
    pub dir: Dir,
}

impl Stage {
    pub async fn set() -> Self {
        let plane = control_plane::shared().await.unwrap();
        let cluster = Cluster::new(plane.client().await.unwrap());
        cluster.install_crd().await.unwrap();
        let ns = cluster.namespace("commands").await.unwrap();
        cluster.access_key(&ns, KEY_ID, KEY_SECRET).await.unwrap();
        Self {
            plane,
            cluster,
            endpoint: Endpoint::start().await.unwrap(),
            ns,
            dir: Dir::new(),
        }
    }

    /// The binary with `args`, which knows the cluster and the endpoint, and has no credentials of its own.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command
            .env("HOME", self.dir.path(""))
            .env("KUBECONFIG", self.plane.kubeconfig_path())
            .env("VOD_OPERATOR_VOD_ENDPOINT", self.endpoint_of_regions())
            .env("VOD_OPERATOR_STS_ENDPOINT", self.endpoint.url())
            .env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
        command
    }

    /// The endpoint tells regions by the path.
    fn endpoint_of_regions(&self) -> String {
        format!("{}/{{region}}", self.endpoint.url())
    }

    /// The same with the AccessKey in its environment.
    pub fn with_key(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID)
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET);
        command
    }

    /// An operator for this test's namespace.
    pub async fn operator(&self, args: &[&str]) -> Operator {
        Operator::builder(env!("CARGO_BIN_EXE_vod-operator"))
            .kubeconfig(self.plane.kubeconfig_path())
            .vod_endpoint(self.endpoint_of_regions())
            .sts_endpoint(self.endpoint.url())
            .env("RUST_LOG", "debug")
            .args(["--watch-namespace", &self.ns])
            .args(args.iter().copied())
            .start()
            .await
            .unwrap()
    }

    /// A callback of its own app.
    pub fn http(&self, name: &str) -> Vmc {
        Vmc::http(&self.ns, name, URL).app_id(&app(name))
    }

    pub async fn apply(&self, vmc: &Vmc) {
        self.cluster.apply_vmc(vmc).await.unwrap();
    }

    pub async fn ready(&self, name: &str, reason: &str) -> Value {
        let wanted = ("Ready", "True", reason);
        self.cluster.wait_condition(&self.ns, name, wanted).await.unwrap()
    }

    /// Says in a resource's status what an operator would.
    pub async fn say(&self, name: &str, status: Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        let api = self.cluster.vmcs(&self.ns);
        api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// What the service holds, as somebody in the console would set it.
    pub fn put(&self, region: &str, app: &str, fields: &[(&str, &str)]) {
        self.endpoint.world().put_setting(ACCOUNT, region, app, fields);
    }

    /// Removes a setting, as somebody in the console would.
    pub fn remove(&self, region: &str, app: &str) {
        self.endpoint.world().remove_setting(ACCOUNT, region, app);
    }

    /// The calls of this kind that succeeded, of all apps.
    pub fn made(&self, action: &str) -> usize {
        let calls = self.endpoint.world();
        calls
            .calls()
            .iter()
            .filter(|c| c.action == action && c.code == "OK")
            .count()
    }
}

pub fn app(name: &str) -> String {
    format!("app-{name}")
}

/// Runs a command to its end; the test's own endpoint goes on answering meanwhile.
pub async fn done(mut command: Command) -> Done {
    tokio::task::spawn_blocking(move || command.output().unwrap().into())
        .await
        .unwrap()
}

/// The same with something on stdin.
pub async fn fed(mut command: Command, input: &str) -> Done {
    let input = input.to_owned();
    let run = move || {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}
