//! Where one run takes place: a namespace, a service and a watched way to the API server of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use control_plane::ControlPlane;
use harness::{Cluster, JudgedApi, Operator, Vmc, condition, eventually};
use serde_json::Value;
use vod_endpoint::{ACCOUNT, Endpoint, KEY_ID, KEY_SECRET};

pub const URL: &str = "https://hooks.example.com/vod";
pub const REGION: &str = "cn-shanghai";
/// Another account, and its AccessKey.
pub const OTHER_ACCOUNT: &str = "2234567890123456";
pub const OTHER_ID: &str = "OtherExampleAccessKeyId";
pub const OTHER_SECRET: &str = "OtherExampleAccessKeySecret";
/// Two AuthKeys.
pub const KEY: &str = "ExampleKey1";
pub const NEW_KEY: &str = "ExampleKey2";
/// What must not be read anywhere but in Secrets and at the service.
pub const SECRETS: [&str; 4] = [KEY_SECRET, OTHER_SECRET, KEY, NEW_KEY];

pub struct Ground {
    pub cluster: Cluster,
    pub endpoint: Endpoint,
    pub proxy: JudgedApi,
    pub ns: String,
}

impl Ground {
    pub async fn prepare(plane: &ControlPlane) -> Self {
        let cluster = Cluster::new(plane.client().await.unwrap());
        cluster.install_crd().await.unwrap();
        let ns = cluster.namespace("faults").await.unwrap();
        cluster.access_key(&ns, KEY_ID, KEY_SECRET).await.unwrap();
        cluster.secret(&ns, "key", &[("authKey", KEY)]).await.unwrap();
        let endpoint = Endpoint::start().await.unwrap();
        endpoint.world().add_key(OTHER_ID, OTHER_SECRET, OTHER_ACCOUNT);
        let proxy = JudgedApi::before(plane).await.unwrap();
        Self {
            cluster,
            endpoint,
            proxy,
            ns,
        }
    }

    pub async fn operator(&self) -> Arc<Operator> {
        let operator = Operator::builder(env!("CARGO_BIN_EXE_vod-operator"))
            .kubeconfig(self.proxy.kubeconfig_path())
            .vod_endpoint(self.endpoint.url())
            .sts_endpoint(self.endpoint.url())
            .args(["--watch-namespace", &self.ns, "--check-interval", "1h"])
            .env("RUST_LOG", "trace");
        Arc::new(operator.start().await.unwrap())
    }

    /// A callback with an AuthKey. Those of one `app` are rivals.
    pub fn resource(&self, name: &str, app: &str) -> Vmc {
        Vmc::http(&self.ns, name, &format!("{URL}/{name}"))
            .app_id(app)
            .auth("key", "authKey")
    }

    pub async fn apply(&self, vmc: &Vmc) {
        self.cluster.apply_vmc(vmc).await.unwrap();
    }

    pub fn live(&self, account: &str, app: &str) -> Option<BTreeMap<String, String>> {
        self.endpoint.world().setting(account, REGION, app).cloned()
    }

    pub fn tamper(&self, app: &str, fields: &[(&str, &str)]) {
        self.endpoint.world().put_setting(ACCOUNT, REGION, app, fields);
    }

    pub async fn ready(&self, name: &str) {
        self.cluster.wait_ready(&self.ns, name).await.unwrap();
    }

    /// What the condition `Ready` says about the present generation: its status and reason.
    pub async fn says(&self, name: &str) -> Option<(String, String)> {
        let object = self.cluster.vmc(&self.ns, name).await.ok()??;
        let ready = condition(&object, "Ready")?;
        let word = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
        let present = ready["observedGeneration"] == object["metadata"]["generation"];
        present.then(|| (word("status"), word("reason")))
    }

    /// Asks each resource that is left for one more check, and waits until all have had it: then nothing is owed.
    pub async fn settle(&self) {
        let names = self.names().await;
        for name in &names {
            self.cluster.request_reconcile(&self.ns, name, "settle").await.unwrap();
        }
        for name in &names {
            eventually("the last check was handled", async || {
                let object = self.cluster.vmc(&self.ns, name).await.ok().flatten();
                object.is_none_or(|object| object["status"]["lastHandledReconcileAt"] == "settle")
            })
            .await
            .unwrap();
        }
    }

    pub async fn names(&self) -> Vec<String> {
        let everything = kube::api::ListParams::default();
        let resources = self.cluster.vmcs(&self.ns);
        let all = resources.list(&everything).await.unwrap().items;
        all.into_iter().filter_map(|object| object.metadata.name).collect()
    }

    pub async fn exists(&self, name: &str) -> bool {
        matches!(self.cluster.vmc(&self.ns, name).await, Ok(Some(_)))
    }

    /// Everything that was written to the API server by the operator, as one text.
    pub fn written(&self) -> String {
        let all = self.proxy.written();
        all.iter()
            .map(|request| format!("{} {}\n", request.path, request.body))
            .collect()
    }

    pub async fn status(&self, name: &str) -> Value {
        let object = self.cluster.vmc(&self.ns, name).await.ok().flatten();
        object.map(|object| object["status"].clone()).unwrap_or_default()
    }
}
