//! What every process-level test starts from: one control plane for the test binary, and for each test an endpoint,
//! a namespace with a Secret, and an operator of its own.

use std::path::PathBuf;

use control_plane::ControlPlane;
use harness::{ApiProxy, Cluster, Operator, Vmc};
use k8s_openapi::api::events::v1::Event;
use serde_json::Value;
use vod_endpoint::{ACCOUNT, Call, Endpoint, Fault, KEY_ID, KEY_SECRET};

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

    /// The kubeconfig of a ServiceAccount that may do all the operator needs, with Secrets these verbs, and `more`.
    pub async fn service_account(&self, name: &str, secret_verbs: &str, more: &str) -> PathBuf {
        let rbac = format!(
            r"
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {name}, namespace: {ns}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {name}, namespace: {ns}}}
rules:
- {{apiGroups: [vod-operator.dev], resources: [vodmessagecallbacks, vodmessagecallbacks/status], verbs: [get, list, watch, patch, update]}}
- {{apiGroups: [''], resources: [secrets], verbs: {secret_verbs}}}
{more}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {name}, namespace: {ns}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}
subjects: [{{kind: ServiceAccount, name: {name}, namespace: {ns}}}]
",
            ns = self.ns
        );
        self.cluster.apply(&rbac).await.unwrap();
        self.plane.service_account_kubeconfig(&self.ns, name).await.unwrap()
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

    /// Applies a callback as [`Self::http`] makes it, and waits until it is set.
    pub async fn applied(&self, name: &str) {
        self.apply(&self.http(name)).await;
        self.ready(name, "Applied").await;
    }

    /// Changes a resource by a JSON merge patch.
    pub async fn patch(&self, name: &str, patch: &Value) {
        self.cluster.patch_vmc(&self.ns, name, patch).await.unwrap();
    }

    /// Waits for a condition's type, status and, unless it is empty, reason.
    pub async fn condition(&self, name: &str, wanted: (&str, &str, &str)) -> Value {
        self.cluster.wait_condition(&self.ns, name, wanted).await.unwrap()
    }

    pub async fn ready(&self, name: &str, reason: &str) -> Value {
        self.condition(name, ("Ready", "True", reason)).await
    }

    pub async fn not_ready(&self, name: &str, reason: &str) -> Value {
        self.condition(name, ("Ready", "False", reason)).await
    }

    pub async fn suspended(&self, name: &str) {
        self.condition(name, ("Ready", "Unknown", "Suspended")).await;
    }

    /// Asks for a deletion, which may wait.
    pub async fn ask_deletion(&self, name: &str) {
        self.cluster.delete_vmc(&self.ns, name).await.unwrap();
    }

    /// Waits until a resource is gone.
    pub async fn gone(&self, name: &str) {
        self.cluster.wait_gone(&self.ns, name).await.unwrap();
    }

    /// Deletes a resource and waits until it is gone.
    pub async fn delete(&self, name: &str) {
        self.ask_deletion(name).await;
        self.gone(name).await;
    }

    /// Waits for an event about a resource, and returns its note.
    pub async fn event(&self, name: &str, reason: &str) -> String {
        let event = self.cluster.wait_event(&self.ns, name, reason).await.unwrap();
        event.note.unwrap_or_default()
    }

    /// The events about an object, oldest first.
    pub async fn events(&self, name: &str) -> Vec<Event> {
        self.cluster.events(&self.ns, name).await.unwrap()
    }

    /// Makes or changes a Secret with an AccessKey.
    pub async fn access_key(&self, name: &str, id: &str, secret: &str) {
        let pair = [("accessKeyId", id), ("accessKeySecret", secret)];
        self.secret(name, &pair).await;
    }

    pub async fn delete_secret(&self, name: &str) {
        self.cluster.delete_secret(&self.ns, name).await.unwrap();
    }

    /// A resource that is there.
    pub async fn vmc(&self, name: &str) -> Value {
        self.cluster.vmc(&self.ns, name).await.unwrap().unwrap()
    }

    pub async fn status(&self, name: &str) -> Value {
        self.vmc(name).await["status"].clone()
    }

    /// Has the service go wrong in this way.
    pub fn fault(&self, fault: Fault) {
        self.endpoint.world().faults.push(fault);
    }

    /// Lets a second pass: creation times are whole seconds, and within one the uid decides which is the older.
    pub async fn older(&self, name: &str) {
        self.older_in(&self.ns, name).await;
    }

    /// The same for one of another namespace.
    pub async fn older_in(&self, ns: &str, name: &str) {
        let created = |vmc: &Value| vmc["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
        let first = created(&self.cluster.vmc(ns, name).await.unwrap().unwrap()).unwrap();
        harness::until("the next second", async || {
            let probe = format!("second-{}", std::process::id());
            self.secret(&probe, &[("x", "y")]).await;
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
            self.delete_secret(&probe).await;
            now.get(..19) > first.get(..19)
        })
        .await;
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

    /// Removes the setting behind the operator's back.
    pub fn remove(&self, name: &str) {
        self.endpoint.world().remove_setting(ACCOUNT, REGION, &app(name));
    }

    /// Permits this action no more to the AccessKey that every resource names.
    pub fn deny(&self, action: &str) {
        let mut world = self.endpoint.world();
        let key = world.keys.get_mut(KEY_ID).unwrap();
        key.denied.push(action.to_owned());
    }

    pub fn live(&self, name: &str) -> Option<std::collections::BTreeMap<String, String>> {
        self.endpoint.world().setting(ACCOUNT, REGION, &app(name)).cloned()
    }

    /// Waits until the resource's annotation was handled.
    pub async fn check_now(&self, name: &str, token: &str) {
        let annotations =
            serde_json::json!({ "metadata": { "annotations": { "vod-operator.dev/reconcile-requested-at": token } } });
        self.patch(name, &annotations).await;
        harness::until("the requested check was handled", async || {
            self.status(name).await["lastHandledReconcileAt"] == token
        })
        .await;
    }
}

pub fn app(name: &str) -> String {
    format!("app-{name}")
}
