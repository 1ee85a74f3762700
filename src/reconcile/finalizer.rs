//! Puts our finalizer on a resource before its setting is touched, and takes it off when that is dealt with.

use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::object_state::Entry;
use crate::api::VodMessageCallback;
use crate::status::Reason;
use crate::{FINALIZER, NAME};

/// Whether our finalizer is on it.
pub fn is_on(resource: &VodMessageCallback) -> bool {
    resource.finalizers().iter().any(|f| f == FINALIZER)
}

/// Puts it on, by server-side apply of this one item, so that other finalizers stay untouched.
pub async fn put_on(ctx: &Context, resource: &VodMessageCallback, entry: &Entry) -> Result<(), Failure> {
    if is_on(resource) {
        return Ok(());
    }
    let api = api(ctx, &resource.metadata);
    let patch = json!({
        "apiVersion": VodMessageCallback::api_version(&()),
        "kind": VodMessageCallback::kind(&()),
        "metadata": { "name": resource.name_any(), "uid": resource.uid(), "finalizers": [FINALIZER] },
    });
    let put_on = api
        .patch_metadata(
            &resource.name_any(),
            &PatchParams::apply(NAME).force(),
            &Patch::Apply(patch),
        )
        .await
        .map_err(refused)?;
    entry.lock().written_at = put_on.metadata.resource_version;
    Ok(())
}

/// A role or an admission policy that forbids it does not pass by itself soon: the user is told.
fn refused(error: kube::Error) -> Failure {
    match &error {
        // The pass is older than the deletion, which is dealt with once the watch shows it.
        kube::Error::Api(answer) if answer.message.contains("being deleted") => error.into(),
        kube::Error::Api(answer) if matches!(answer.code, 400 | 403 | 422) => {
            let said = &answer.message;
            let message = format!(
                "the API server did not take the finalizer: {said}; see the operator's role and the cluster's admission policies"
            );
            Failure::waiting(Reason::ServiceUnavailable, message)
        }
        _ => error.into(),
    }
}

/// Takes it off, whoever put it on. A resource that is gone already is success.
pub async fn take_off(ctx: &Context, object: &ObjectMeta) -> Result<(), Failure> {
    let api = api(ctx, object);
    let name = object.name.clone().unwrap_or_default();
    loop {
        let Some(live) = api.get_metadata_opt(&name).await? else {
            return Ok(());
        };
        if live.metadata.uid != object.uid {
            return Ok(());
        }
        let finalizers = live.metadata.finalizers.clone().unwrap_or_default();
        let kept: Vec<&String> = finalizers.iter().filter(|f| *f != FINALIZER).collect();
        if kept.len() == finalizers.len() {
            return Ok(());
        }
        let patch = json!({ "metadata": { "resourceVersion": live.metadata.resource_version, "finalizers": kept } });
        match api
            .patch_metadata(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await
        {
            Ok(_) => return Ok(()),
            // Somebody wrote in between: the list must be read again.
            Err(kube::Error::Api(answer)) if answer.is_conflict() => {}
            Err(kube::Error::Api(answer)) if answer.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn api(ctx: &Context, object: &ObjectMeta) -> Api<VodMessageCallback> {
    Api::namespaced(ctx.client.clone(), object.namespace.as_deref().unwrap_or_default())
}
