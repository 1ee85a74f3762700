use kube::api::{Api, Patch, PatchParams};
use kube::core::Resource;
use serde_json::json;

use crate::NAME;
use crate::api::{VodMessageCallback, VodMessageCallbackStatus};

/// Writes the whole status by server-side apply: a field that is not sent is removed. The uid keeps a new resource
/// of the same name from getting the words about the old one, and `version`, the resourceVersion that is written over,
/// keeps words that were held up on their way from coming after those of another leader.
///
/// # Errors
/// What the API server answers; 404 means that the resource is gone, 409 that it is another or was changed since.
pub async fn write_status(
    api: &Api<VodMessageCallback>,
    name: &str,
    uid: &str,
    version: &str,
    status: &VodMessageCallbackStatus,
) -> kube::Result<VodMessageCallback> {
    let patch = json!({
        "apiVersion": VodMessageCallback::api_version(&()),
        "kind": VodMessageCallback::kind(&()),
        "metadata": { "name": name, "uid": uid, "resourceVersion": version },
        "status": status,
    });
    api.patch_status(name, &PatchParams::apply(NAME).force(), &Patch::Apply(patch))
        .await
}
