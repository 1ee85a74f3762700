use kube::api::{Api, Patch, PatchParams};
use kube::core::Resource;
use serde_json::json;

use crate::NAME;
use crate::api::{VodMessageCallback, VodMessageCallbackStatus};

/// Writes the whole status by server-side apply: a field that is not sent is removed. The uid keeps a new resource
/// of the same name from getting the words about the old one.
///
/// # Errors
/// What the API server answers; 404 and 409 mean that the resource is gone or another.
pub async fn write_status(
    api: &Api<VodMessageCallback>,
    name: &str,
    uid: &str,
    status: &VodMessageCallbackStatus,
) -> kube::Result<VodMessageCallback> {
    let patch = json!({
        "apiVersion": VodMessageCallback::api_version(&()),
        "kind": VodMessageCallback::kind(&()),
        "metadata": { "name": name, "uid": uid },
        "status": status,
    });
    api.patch_status(name, &PatchParams::apply(NAME).force(), &Patch::Apply(patch))
        .await
}
