//! The watch of Secrets: metadata only, and of that only names and versions are kept.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{Stream, StreamExt, future, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::watch;

use super::Scope;
use crate::api::VodMessageCallback;
use crate::reconcile::context::Context;

/// Resources that refer to a Secret that changed.
pub(super) fn changes(
    ctx: Arc<Context>,
    scope: &Scope,
    namespace: &str,
    mut listed: watch::Receiver<bool>,
) -> impl Stream<Item = ObjectRef<VodMessageCallback>> + Send + 'static {
    if !scope.secrets {
        return stream::pending().boxed();
    }
    let api: Api<PartialObjectMeta<Secret>> = match namespace {
        "" => Api::all(scope.client.clone()),
        one => Api::namespaced(scope.client.clone(), one),
    };
    let metrics = Arc::clone(&ctx.metrics);
    // The resources come first: before them nobody could be told.
    let wait = async move {
        let _ = listed.wait_for(|listed| *listed).await;
    };
    let events = watcher(api, scope.watcher()).default_backoff().filter_map(move |result| {
        future::ready(match result {
            Ok(event) => Some(event),
            Err(error) => {
                metrics.watch_failed("secrets");
                tracing::warn!(error = %crate::telemetry::watch_error(&error), "the watch of Secrets failed, so changed Secrets are noticed late; it is tried again");
                None
            }
        })
    });
    let namespace = namespace.to_owned();
    let mut listing = HashSet::new();
    let changed = events.flat_map(move |event| {
        let users = |(namespace, name): &(String, String)| ctx.secret_users.of(namespace, name);
        let affected: Vec<_> = note(&ctx, &namespace, &mut listing, event)
            .iter()
            .flat_map(users)
            .map(|user| ObjectRef::new(&user.name).within(&user.namespace))
            .collect();
        stream::iter(affected)
    });
    stream::once(wait)
        .filter_map(|()| future::ready(None))
        .chain(changed)
        .boxed()
}

/// Notes what an event says, and returns the Secrets that it is news of.
fn note(
    ctx: &Context,
    scope: &str,
    listing: &mut HashSet<(String, String)>,
    event: Event<PartialObjectMeta<Secret>>,
) -> Vec<(String, String)> {
    let name = |s: &PartialObjectMeta<Secret>| (s.namespace().unwrap_or_default(), s.name_any());
    match event {
        Event::Init => {
            listing.clear();
            Vec::new()
        }
        Event::InitApply(secret) | Event::Apply(secret) => {
            let (namespace, name) = name(&secret);
            listing.insert((namespace.clone(), name.clone()));
            let changed = ctx
                .secrets
                .present(&namespace, &name, &secret.resource_version().unwrap_or_default());
            if changed { vec![(namespace, name)] } else { Vec::new() }
        }
        Event::Delete(secret) => {
            let (namespace, name) = name(&secret);
            listing.remove(&(namespace.clone(), name.clone()));
            if ctx.secrets.gone(&namespace, &name) {
                vec![(namespace, name)]
            } else {
                Vec::new()
            }
        }
        Event::InitDone => ctx.secrets.complete(scope, &std::mem::take(listing)),
    }
}
