//! The watch of Secrets: metadata only, and of that only the versions of those that resources refer to are kept.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Api, ResourceExt};

use super::list_watch::{self, FromApiServer};
use super::{Scope, described};
use crate::health::Health;
use crate::ownership::ObjectName;
use crate::reconcile::context::Context;
use crate::reconcile::secret_index::SecretIndex;

/// Follows the Secrets of one namespace, or of all, and wakes the resources that refer to one that changed; never ends.
pub(super) async fn follow(ctx: Arc<Context>, scope: &Scope, namespace: &str, health: &Health) {
    if !scope.secrets {
        return std::future::pending().await;
    }
    let api: Api<PartialObjectMeta<Secret>> = match namespace {
        "" => Api::all(scope.client.clone()),
        one => Api::namespaced(scope.client.clone(), one),
    };
    let source = FromApiServer {
        api,
        lasts: scope.watch,
    };
    let life = health.watch("secrets", &described("Secrets", namespace));
    let tell = |event| {
        for name in note(&ctx.secrets, namespace, &event) {
            ctx.wake(name);
        }
    };
    let failed = |trouble: &list_watch::Trouble| {
        ctx.metrics.watch_failed("secrets");
        tracing::warn!(error = %trouble, "the watch of Secrets failed, so changed Secrets are noticed late; it is tried again");
    };
    list_watch::follow(&source, scope.watch, &life, tell, failed).await;
}

/// Notes what an event says, and returns the resources that it is news for.
fn note(secrets: &SecretIndex, scope: &str, event: &Event<PartialObjectMeta<Secret>>) -> Vec<ObjectName> {
    let name = |s: &PartialObjectMeta<Secret>| (s.namespace().unwrap_or_default(), s.name_any());
    match event {
        Event::Init => {
            secrets.list_begins(scope);
            Vec::new()
        }
        Event::InitApply(secret) | Event::Apply(secret) => {
            let (namespace, name) = name(secret);
            secrets.present(&namespace, &name, &secret.resource_version().unwrap_or_default())
        }
        Event::Delete(secret) => {
            let (namespace, name) = name(secret);
            secrets.gone(&namespace, &name)
        }
        Event::InitDone => secrets.list_ends(scope),
    }
}
