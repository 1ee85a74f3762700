//! What every process-level test starts from: one control plane for the test binary, and for each test an endpoint,
//! a namespace with a Secret, and an operator of its own.

use control_plane::ControlPlane;
use harness::{ApiProxy, Cluster, Operator, Vmc};
use serde_json::Value;
use vod_endpoint::{ACCOUNT, Call, Endpoint, KEY_ID, KEY_SECRET};

pub const URL: &str = "https://hooks.example.com/vod";
pub const REGION: &str = "cn-shanghai";

pub struct Stage {
    pub plane: &'static ControlPlane,
    pub cluster: Cluster,
    pub endpoint: Endpoint,
    pub ns: String,
}

impl Stage {
    pub async fn set() -> Self {
        Self::set_on(control_plane::shared().await.unwrap()).await
    }

    async fn set_on(plane: &'static ControlPlane) -> Self {
        let cluster = Cluster::new(plane.client().await.unwrap());
        cluster.install_crd().await.unwrap();
        let ns = cluster.namespace("vod").await.unwrap();
        cluster.access_key(&ns, KEY_ID, KEY_SECRET).await.unwrap();
        let endpoint = Endpoint::start().await.unwrap();
        Self {
            plane,
            cluster,
            endpoint,
            ns,
        }
    }

    /// A stage on a control plane of its own, for tests that others must not notice; it lasts as long as the process,
    /// whose end stops it.
    pub async fn set_apart() -> Self {
        let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await.unwrap()));
        Self::set_on(plane).await
    }

    /// An operator for this test's namespace.
    pub async fn operator(&self, args: &[&str]) -> Operator {
        self.builder(args).start().await.unwrap()
    }

    pub fn builder(&self, args: &[&str]) -> harness::OperatorBuilder {
        Operator::builder(env!("CARGO_BIN_EXE_vod-operator"))
            .kubeconfig(self.plane.kubeconfig_path())
            .vod_endpoint(self.endpoint.url())
            .sts_endpoint(self.endpoint.url())
            .env("RUST_LOG", "trace")
            .args(["--watch-namespace", &self.ns])
            .args(args.iter().copied())
    }

    /// An operator whose way to the API server leads through a proxy.
    pub async fn behind_a_proxy(&self, args: &[&str]) -> (ApiProxy, Operator) {
        let proxy = ApiProxy::of(self.cluster.client()).await.unwrap();
        let kubeconfig = proxy.kubeconfig(self.plane.folder()).unwrap();
        let operator = self.builder(args).kubeconfig(kubeconfig).start().await.unwrap();
        (proxy, operator)
    }

    /// Makes or changes a Secret of this test's namespace.
    pub async fn secret(&self, name: &str, data: &[(&str, &str)]) {
        self.cluster.secret(&self.ns, name, data).await.unwrap();
    }

    /// A callback of its own app, so that several in one test are several settings.
    pub fn http(&self, name: &str) -> Vmc {
        Vmc::http(&self.ns, name, URL).app_id(&app(name))
    }

    pub async fn apply(&self, vmc: &Vmc) {
        self.cluster.apply_vmc(vmc).await.unwrap();
    }

    pub async fn ready(&self, name: &str, reason: &str) -> Value {
        self.cluster
            .wait_condition(&self.ns, name, ("Ready", "True", reason))
            .await
            .unwrap()
    }

    pub async fn not_ready(&self, name: &str, reason: &str) -> Value {
        self.cluster
            .wait_condition(&self.ns, name, ("Ready", "False", reason))
            .await
            .unwrap()
    }

    pub async fn suspended(&self, name: &str) {
        let paused = ("Ready", "Unknown", "Suspended");
        self.cluster.wait_condition(&self.ns, name, paused).await.unwrap();
    }

    /// Deletes a resource and waits until it is gone.
    pub async fn delete(&self, name: &str) {
        self.cluster.delete_vmc(&self.ns, name).await.unwrap();
        self.cluster.wait_gone(&self.ns, name).await.unwrap();
    }

    /// Makes or changes a Secret with an AccessKey.
    pub async fn access_key(&self, name: &str, id: &str, secret: &str) {
        let pair = [("accessKeyId", id), ("accessKeySecret", secret)];
        self.secret(name, &pair).await;
    }

    pub async fn status(&self, name: &str) -> Value {
        self.cluster.vmc(&self.ns, name).await.unwrap().unwrap()["status"].clone()
    }

    /// Lets a second pass: creation times are whole seconds, and within one the uid decides which is the older.
    pub async fn older(&self, name: &str) {
        self.older_in(&self.ns, name).await;
    }

    /// The same for one of another namespace.
    pub async fn older_in(&self, ns: &str, name: &str) {
        let created = |vmc: &Value| vmc["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
        let first = created(&self.cluster.vmc(ns, name).await.unwrap().unwrap()).unwrap();
        harness::eventually("the next second", async || {
            let probe = format!("second-{}", std::process::id());
            self.cluster.secret(&self.ns, &probe, &[("x", "y")]).await.unwrap();
            let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
                kube::Api::namespaced(self.cluster.client(), &self.ns);
            let now = secrets
                .get(&probe)
                .await
                .unwrap()
                .metadata
                .creation_timestamp
                .unwrap()
                .0
                .to_string();
            self.cluster.delete_secret(&self.ns, &probe).await.unwrap();
            now.get(..19) > first.get(..19)
        })
        .await
        .unwrap();
    }

    pub fn sets(&self, name: &str) -> usize {
        self.endpoint.world().count("SetMessageCallback", &app(name))
    }

    pub fn gets(&self, name: &str) -> usize {
        self.endpoint.world().count("GetMessageCallback", &app(name))
    }

    pub fn deletes(&self, name: &str) -> usize {
        self.endpoint.world().count("DeleteMessageCallback", &app(name))
    }

    pub fn calls(&self, name: &str) -> Vec<Call> {
        let app = app(name);
        self.endpoint
            .world()
            .calls()
            .iter()
            .filter(|c| c.app() == app && c.action.ends_with("Callback"))
            .cloned()
            .collect()
    }

    /// Changes the setting behind the operator's back.
    pub fn tamper(&self, name: &str, fields: &[(&str, &str)]) {
        self.endpoint.world().put_setting(ACCOUNT, REGION, &app(name), fields);
    }

    pub fn live(&self, name: &str) -> Option<std::collections::BTreeMap<String, String>> {
        self.endpoint.world().setting(ACCOUNT, REGION, &app(name)).cloned()
    }

    /// Waits until the resource's annotation was handled.
    pub async fn check_now(&self, name: &str, token: &str) {
        let annotations =
            serde_json::json!({ "metadata": { "annotations": { "vod-operator.dev/reconcile-requested-at": token } } });
        self.cluster.patch_vmc(&self.ns, name, &annotations).await.unwrap();
        harness::eventually("the requested check was handled", async || {
            self.status(name).await["lastHandledReconcileAt"] == token
        })
        .await
        .unwrap();
    }
}

pub fn app(name: &str) -> String {
    format!("app-{name}")
}
