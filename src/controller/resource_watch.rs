//! The watch of our own resources: keeps the ownership index and the object_states in step with it, and passes on only
//! what should wake a resource.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt, future};
use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use kube::runtime::{PredicateConfig, WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::watch;

use super::Scope;
use super::watch_health::{self, Failed};
use crate::RECONCILE_ANNOTATION;
use crate::api::VodMessageCallback;
use crate::domain::{AppId, Region};
use crate::ownership::{Contender, ObjectName, owner_in};
use crate::reconcile::context::Context;
use crate::reconcile::{claims, contends};
use crate::status::Reason;

/// Resources that changed in a way that matters; the store behind `writer` sees everything.
pub(super) fn changes(
    ctx: Arc<Context>,
    scope: &Scope,
    namespace: &str,
    failed: Failed,
    writer: Writer<VodMessageCallback>,
    listed: watch::Sender<bool>,
) -> impl Stream<Item = Result<VodMessageCallback, watcher::Error>> + Send + 'static {
    let api: Api<DeserializeGuard<VodMessageCallback>> = match namespace {
        "" => Api::all(scope.client.clone()),
        one => Api::namespaced(scope.client.clone(), one),
    };
    let metrics = Arc::clone(&ctx.metrics);
    let mut index = WatchIndex {
        ctx,
        known: HashMap::new(),
        listing: None,
    };
    watcher(api, scope.watcher())
        .default_backoff()
        .inspect(move |event| match event {
            Ok(_) => failed.no_longer(),
            Err(error) => {
                if !watch_health::is_answer(error) {
                    failed.now();
                }
                metrics.watch_failed("resources");
                tracing::warn!(error = %crate::telemetry::watch_error(error), "the watch of VodMessageCallbacks failed; it is tried again");
            }
        })
        .try_filter_map(|event| future::ready(Ok(readable(event))))
        .map_ok(|event| event.modify(slim))
        .inspect_ok(move |event| {
            index.follow(event);
            if matches!(event, Event::InitDone) {
                listed.send_replace(true);
            }
        })
        .reflect(writer)
        .applied_objects()
        // Errors have been dealt with; passed on, they would make the other watches wait too.
        .filter(|result| future::ready(result.is_ok()))
        .predicate_filter(what_wakes, PredicateConfig::default())
}

/// Drops an object that does not fit the schema's type, which can only be stored around the schema: it must not stop
/// the others.
fn readable(event: Event<DeserializeGuard<VodMessageCallback>>) -> Option<Event<VodMessageCallback>> {
    let read = |guard: DeserializeGuard<VodMessageCallback>| match guard.0 {
        Ok(resource) => Some(resource),
        Err(invalid) => {
            let name = invalid.metadata.name.unwrap_or_default();
            let namespace = invalid.metadata.namespace.unwrap_or_default();
            tracing::warn!(resource = %format!("{namespace}/{name}"), error = %invalid.error, "this VodMessageCallback cannot be read and is left out; apply it again");
            None
        }
    };
    match event {
        Event::Apply(guard) => read(guard).map(Event::Apply),
        Event::InitApply(guard) => read(guard).map(Event::InitApply),
        Event::Delete(guard) => read(guard).map(Event::Delete),
        Event::Init => Some(Event::Init),
        Event::InitDone => Some(Event::InitDone),
    }
}

/// Drops what the store need not hold.
fn slim(resource: &mut VodMessageCallback) {
    resource.metadata.managed_fields = None;
    if let Some(annotations) = &mut resource.metadata.annotations {
        annotations.retain(|name, _| name == RECONCILE_ANNOTATION);
    }
}

/// Our own status patches change none of this, so they wake nothing.
fn what_wakes(resource: &VodMessageCallback) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let meta = &resource.metadata;
    (&meta.generation, meta.deletion_timestamp.is_some(), &meta.finalizers).hash(&mut hasher);
    resource.annotations().get(RECONCILE_ANNOTATION).hash(&mut hasher);
    Some(hasher.finish())
}

/// A resource that was seen.
struct Known {
    name: ObjectName,
}

/// Follows the watch with the ownership index and the object_states.
struct WatchIndex {
    ctx: Arc<Context>,
    /// By uid: the name, and what a waiting check should be interrupted for.
    known: HashMap<String, Known>,
    /// What the list under way has shown.
    listing: Option<HashMap<String, Known>>,
}

impl WatchIndex {
    fn follow(&mut self, event: &Event<VodMessageCallback>) {
        match event {
            Event::Init => self.listing = Some(HashMap::new()),
            Event::InitApply(resource) => {
                let (uid, known) = self.seen(resource);
                if let Some(listing) = &mut self.listing {
                    listing.insert(uid, known);
                }
            }
            Event::InitDone => {
                let listed = self.listing.take().unwrap_or_default();
                let before = std::mem::replace(&mut self.known, listed);
                before
                    .iter()
                    .filter(|(uid, _)| !self.known.contains_key(*uid))
                    .for_each(|(uid, k)| self.gone(uid, &k.name));
            }
            Event::Apply(resource) => {
                let (uid, known) = self.seen(resource);
                self.known.insert(uid, known);
            }
            Event::Delete(resource) => {
                let uid = resource.uid().unwrap_or_default();
                self.known.remove(&uid);
                self.gone(&uid, &ObjectName::of(resource));
            }
        }
    }

    fn seen(&self, resource: &VodMessageCallback) -> (String, Known) {
        let uid = resource.uid().unwrap_or_default();
        let name = ObjectName::of(resource);
        self.ctx.secret_users.refer(&uid, &name, &resource.spec);
        let contender = contender(&self.ctx, resource);
        let woken = self.ctx.ownership().upsert(contender);
        self.ctx.wake_all(woken);
        (uid, Known { name })
    }

    fn gone(&self, uid: &str, name: &ObjectName) {
        self.ctx.object_states.forget(uid);
        self.ctx.events.forget(uid);
        self.ctx.secret_users.forget(uid, name);
        let woken = self.ctx.ownership().remove(uid);
        self.ctx.wake_all(woken);
    }
}

/// A resource as a rival of others, as far as its own words and the watches tell.
fn contender(ctx: &Context, resource: &VodMessageCallback) -> Contender {
    let conditions = resource.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let lost = conditions
        .iter()
        .find(|c| c.type_ == "Ready" && c.reason == Reason::Conflict.as_str());
    Contender {
        uid: resource.uid().unwrap_or_default(),
        name: ObjectName::of(resource),
        created: resource
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |t| t.0),
        region: Region(resource.spec.region.clone()).setting_region(),
        app: AppId(resource.spec.app_id.clone()),
        claim: claims::claim_of(ctx, resource),
        contends: contends(resource),
        lost_to: lost.and_then(|condition| owner_in(&condition.message)),
    }
}
