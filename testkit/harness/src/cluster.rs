//! The objects of a test in a real API server.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use control_plane::{Error, Result, repo_root};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::vmc::{Vmc, condition, conditions, text};
use crate::wait::eventually;

/// The field manager of everything a test applies.
pub const FIELD_MANAGER: &str = "test";
const CRD: &str = "crds/vodmessagecallbacks.yaml";

/// How the API server serves VodMessageCallbacks.
pub fn vmc_resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("vod-operator.dev", "v1alpha1", "VodMessageCallback");
    ApiResource::from_gvk_with_plural(&kind, "vodmessagecallbacks")
}

/// A cluster as one user of it, by default the tests' administrator.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// What the client's user may do.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client, for everything that has no helper here.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Installs the repository's CRD and waits until it is served. May be called by every test.
    pub async fn install_crd(&self) -> Result<()> {
        self.install_crd_file(&repo_root().join(CRD)).await
    }

    /// Installs a CRD from a file and waits until it is served.
    pub async fn install_crd_file(&self, path: &Path) -> Result<()> {
        let yaml = fs::read_to_string(path).map_err(Error::file("read", path))?;
        for applied in self.apply(&yaml).await? {
            let crd: CustomResourceDefinition = serde_json::from_value(applied)
                .map_err(|error| Error::Invalid(format!("{} holds no CRD: {error}", path.display())))?;
            self.wait_served(&crd).await?;
        }
        Ok(())
    }

    async fn wait_served(&self, crd: &CustomResourceDefinition) -> Result<()> {
        let name = crd.metadata.name.clone().unwrap_or_default();
        let crds: Api<CustomResourceDefinition> = Api::all(self.client());
        let established = async || {
            let crd = crds.get(&name).await.map_err(|error| error.to_string())?;
            let conditions = crd.status.and_then(|status| status.conditions).unwrap_or_default();
            let held = conditions
                .iter()
                .any(|found| found.type_ == "Established" && found.status == "True");
            if held { Ok(()) } else { Err(format!("{conditions:?}")) }
        };
        eventually(&format!("the CRD {name} to be established"), established).await?;
        // Established it is, but requests and discovery follow a moment later.
        for version in crd.spec.versions.iter().filter(|version| version.served) {
            let kind = GroupVersionKind::gvk(&crd.spec.group, &version.name, &crd.spec.names.kind);
            eventually(&format!("{name} {} to be served", version.name), async || {
                let (resource, _) = pinned_kind(&self.client, &kind).await?;
                let objects: Api<DynamicObject> = Api::all_with(self.client(), &resource);
                objects.list(&ListParams::default().limit(1)).await
            })
            .await?;
        }
        Ok(())
    }

    /// Creates a namespace whose name begins with the prefix and is nobody else's.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let namespaces: Api<Namespace> = Api::all(self.client());
        let metadata = ObjectMeta {
            generate_name: Some(format!("{prefix}-")),
            ..Default::default()
        };
        let namespace = Namespace {
            metadata,
            ..Default::default()
        };
        let created = namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .map_err(Error::kube(format!("cannot create a namespace {prefix}-…")))?;
        Ok(created.metadata.name.unwrap_or_default())
    }

    /// Creates a Secret, or replaces its content.
    pub async fn secret(&self, namespace: &str, name: &str, data: &[(&str, &str)]) -> Result<()> {
        let content: BTreeMap<_, _> = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
            .collect();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..Default::default()
            },
            data: Some(content),
            ..Default::default()
        };
        let secrets: Api<Secret> = Api::namespaced(self.client(), namespace);
        let what = format!("cannot apply the Secret {namespace}/{name}");
        secrets
            .patch(name, &params(), &Patch::Apply(&secret))
            .await
            .map_err(Error::kube(what))?;
        Ok(())
    }

    /// Creates the Secret `alibaba-cloud` with an AccessKey pair.
    pub async fn access_key(&self, namespace: &str, id: &str, secret: &str) -> Result<()> {
        self.secret(
            namespace,
            "alibaba-cloud",
            &[("accessKeyId", id), ("accessKeySecret", secret)],
        )
        .await
    }

    /// Deletes a Secret.
    pub async fn delete_secret(&self, namespace: &str, name: &str) -> Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.client(), namespace);
        let what = format!("cannot delete the Secret {namespace}/{name}");
        secrets
            .delete(name, &DeleteParams::default())
            .await
            .map_err(Error::kube(what))?;
        Ok(())
    }

    /// Applies all documents of a manifest on the server's side; namespaced ones that name no
    /// namespace go to `default`.
    pub async fn apply(&self, yaml: &str) -> Result<Vec<Value>> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)
            .map_err(|error| Error::Invalid(format!("the manifest is not YAML: {error}")))?;
        let mut applied = Vec::new();
        for document in documents.iter().filter(|document| !document.is_null()) {
            applied.push(self.apply_with(document, &params()).await?);
        }
        Ok(applied)
    }

    /// Applies one object on the server's side.
    pub async fn apply_object(&self, object: &Value) -> Result<Value> {
        self.apply_with(object, &params()).await
    }

    async fn apply_with(&self, object: &Value, params: &PatchParams) -> Result<Value> {
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let (api_version, kind, name) = (text(object, "apiVersion"), text(object, "kind"), text(metadata, "name"));
        let what = format!("cannot apply {kind} {name}");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let (resource, capabilities) = pinned_kind(&self.client, &gvk)
            .await
            .map_err(Error::kube(what.clone()))?;
        let objects: Api<DynamicObject> = match (capabilities.scope, text(metadata, "namespace")) {
            (Scope::Cluster, _) => Api::all_with(self.client(), &resource),
            (Scope::Namespaced, "") => Api::namespaced_with(self.client(), "default", &resource),
            (Scope::Namespaced, namespace) => Api::namespaced_with(self.client(), namespace, &resource),
        };
        let applied = objects
            .patch(name, params, &Patch::Apply(object))
            .await
            .map_err(Error::kube(what))?;
        to_value(&applied)
    }

    /// Applies a VodMessageCallback.
    pub async fn apply_vmc(&self, vmc: &Vmc) -> Result<Value> {
        self.apply_vmc_with(vmc, &params()).await
    }

    /// What the API server would say to a VodMessageCallback, without storing it.
    pub async fn dry_run_vmc(&self, vmc: &Vmc) -> Result<Value> {
        self.apply_vmc_with(vmc, &params().dry_run()).await
    }

    // Without the discovery that other kinds need: tests apply hundreds of these.
    async fn apply_vmc_with(&self, vmc: &Vmc, params: &PatchParams) -> Result<Value> {
        let manifest = vmc.manifest();
        let metadata = manifest.get("metadata").unwrap_or(&Value::Null);
        let (namespace, name) = (text(metadata, "namespace"), text(metadata, "name"));
        let what = format!("cannot apply VodMessageCallback {namespace}/{name}");
        let applied = self.vmcs(namespace).patch(name, params, &Patch::Apply(&manifest)).await;
        to_value(&applied.map_err(Error::kube(what))?)
    }

    /// Patches a VodMessageCallback (a JSON merge patch: `null` removes).
    pub async fn patch_vmc(&self, namespace: &str, name: &str, patch: &Value) -> Result<Value> {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..Default::default()
        };
        let what = format!("cannot patch VodMessageCallback {namespace}/{name}");
        let patched = self
            .vmcs(namespace)
            .patch(name, &params, &Patch::Merge(patch))
            .await
            .map_err(Error::kube(what))?;
        to_value(&patched)
    }

    /// Takes the whole status away, as somebody might.
    pub async fn wipe_status(&self, namespace: &str, name: &str) -> Result<()> {
        let what = format!("cannot wipe the status of {namespace}/{name}");
        let nothing = serde_json::json!({ "status": null });
        self.vmcs(namespace)
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&nothing))
            .await
            .map_err(Error::kube(what))?;
        Ok(())
    }

    /// Asks for a check now, by the annotation; `token` is any new value.
    pub async fn request_reconcile(&self, namespace: &str, name: &str, token: &str) -> Result<Value> {
        let annotations = json!({ "vod-operator.dev/reconcile-requested-at": token });
        self.patch_vmc(namespace, name, &json!({ "metadata": { "annotations": annotations } }))
            .await
    }

    /// A VodMessageCallback as it is now; `None` when there is none.
    pub async fn vmc(&self, namespace: &str, name: &str) -> Result<Option<Value>> {
        let what = format!("cannot get VodMessageCallback {namespace}/{name}");
        let found = self.vmcs(namespace).get_opt(name).await.map_err(Error::kube(what))?;
        found.as_ref().map(to_value).transpose()
    }

    /// Deletes a VodMessageCallback; its finalizer may hold it for a while.
    pub async fn delete_vmc(&self, namespace: &str, name: &str) -> Result<()> {
        let what = format!("cannot delete VodMessageCallback {namespace}/{name}");
        self.vmcs(namespace)
            .delete(name, &DeleteParams::default())
            .await
            .map_err(Error::kube(what))?;
        Ok(())
    }

    /// Waits until a VodMessageCallback is gone.
    pub async fn wait_gone(&self, namespace: &str, name: &str) -> Result<()> {
        eventually(&format!("{namespace}/{name} to be gone"), async || {
            match self.vmc(namespace, name).await {
                Ok(None) => Ok(()),
                Ok(Some(object)) => Err(format!("{:#}", without_managed_fields(object))),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    /// Waits until a VodMessageCallback has the condition with that status and (unless `""`) reason,
    /// said about its present generation, and returns it as it is then.
    pub async fn wait_condition(
        &self,
        namespace: &str,
        name: &str,
        (condition_type, status, reason): (&str, &str, &str),
    ) -> Result<Value> {
        let what = format!("{namespace}/{name} to be {condition_type}={status} {reason}");
        self.wait_vmc(namespace, name, &what, |object| {
            let generation = object.pointer("/metadata/generation");
            condition(object, condition_type).is_some_and(|found| {
                text(found, "status") == status
                    && (reason.is_empty() || text(found, "reason") == reason)
                    && found.get("observedGeneration") == generation
            })
        })
        .await
    }

    /// Waits until a VodMessageCallback is `Ready=True`, for whatever reason.
    pub async fn wait_ready(&self, namespace: &str, name: &str) -> Result<Value> {
        self.wait_condition(namespace, name, ("Ready", "True", "")).await
    }

    /// Waits until a VodMessageCallback is as the test wants it, and returns it as it is then.
    pub async fn wait_vmc(
        &self,
        namespace: &str,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        eventually(what, async || match self.vmc(namespace, name).await {
            Ok(Some(object)) if wanted(&object) => Ok(object),
            Ok(Some(object)) => Err(summary(&object)),
            Ok(None) => Err("no such object".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await
    }

    /// The events about an object of that name, of any kind, oldest first.
    pub async fn events(&self, namespace: &str, name: &str) -> Result<Vec<Event>> {
        let events: Api<Event> = Api::namespaced(self.client(), namespace);
        let what = format!("cannot list the events of {namespace}/{name}");
        let mut about = events
            .list(&ListParams::default())
            .await
            .map_err(Error::kube(what))?
            .items;
        about.retain(|event| event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(name));
        about.sort_by(|one, other| one.event_time.cmp(&other.event_time));
        Ok(about)
    }

    /// Waits for an event of that reason about an object of that name.
    pub async fn wait_event(&self, namespace: &str, name: &str, reason: &str) -> Result<Event> {
        eventually(&format!("an event {reason} about {namespace}/{name}"), async || {
            let events = self.events(namespace, name).await.map_err(|error| error.to_string())?;
            let reasons: Vec<_> = events.iter().filter_map(|event| event.reason.clone()).collect();
            let found = events.into_iter().find(|event| event.reason.as_deref() == Some(reason));
            found.ok_or_else(|| format!("events {reasons:?}"))
        })
        .await
    }

    /// The VodMessageCallbacks of a namespace.
    pub fn vmcs(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client(), namespace, &vmc_resource())
    }
}

/// Forced: a test that applies a field means it, whoever set it before.
fn params() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}

fn to_value(object: &DynamicObject) -> Result<Value> {
    serde_json::to_value(object).map_err(|error| Error::Invalid(format!("an object is not JSON: {error}")))
}

fn summary(object: &Value) -> String {
    let conditions: Vec<String> = conditions(object)
        .iter()
        .map(|found| {
            format!(
                "{}={} {}",
                text(found, "type"),
                text(found, "status"),
                text(found, "reason")
            )
        })
        .collect();
    let status = object.get("status").unwrap_or(&Value::Null);
    format!(
        "generation {} with conditions [{}]\n{status:#}",
        object.pointer("/metadata/generation").unwrap_or(&Value::Null),
        conditions.join(", ")
    )
}

fn without_managed_fields(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}
