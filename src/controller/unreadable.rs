//! Objects that this version cannot read. They are left alone, but their deletion must come to its end.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;

use crate::FINALIZER;
use crate::api::VodMessageCallback;
use crate::events::{EventReason, Notice};
use crate::ownership::ObjectName;
use crate::reconcile::context::Context;
use crate::reconcile::deletion_grace::until_release;
use crate::reconcile::finalizer;
use crate::schedule::Backoff;

/// Whether it is being deleted and waits for us.
pub(super) fn waits_for_us(object: &ObjectMeta) -> bool {
    let ours = |finalizer: &String| finalizer == FINALIZER;
    object.deletion_timestamp.is_some() && object.finalizers.iter().flatten().any(ours)
}

/// Lets it go once the grace period of its deletion is over: nobody can tell what it has set.
pub(super) async fn release(ctx: Arc<Context>, name: ObjectName, object: ObjectMeta) {
    let mut wait = until_release(&object, ctx.defaults.deletion_grace);
    let mut backoff = Backoff::default();
    let api: Api<VodMessageCallback> = Api::namespaced(ctx.client.clone(), &name.namespace);
    loop {
        tokio::select! {
            () = ctx.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = backoff.next(None);
        if !ctx.claim.holds() {
            return;
        }
        match api.get_metadata_opt(&name.name).await {
            Ok(Some(live)) if live.metadata.uid == object.uid && waits_for_us(&live.metadata) => {}
            Ok(_) => return,
            Err(_) => continue,
        }
        // Another CRD, or another word in it, made it readable meanwhile, and it has a pass of its own; or a list is under way,
        // and the store shows what was.
        if ctx.stores.held(&name).is_none() && finalizer::take_off(&ctx, &object).await.is_ok() {
            break;
        }
    }
    let note = "released without removing what it may have set: this version of the operator cannot read it; look at the \
                setting of its account, region and app, and remove it there if it is not wanted";
    tracing::warn!(resource = %name, "an object that cannot be read was released; its setting stays at the service");
    ctx.metrics.released("Unreadable");
    ctx.events
        .publish(&object, Notice::warning(EventReason::Released, note));
    ctx.events.forget(&object.uid.unwrap_or_default());
}
