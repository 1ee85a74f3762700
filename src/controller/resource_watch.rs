//! The watch of our own resources: keeps the store, the ownership index and what is remembered in step with it, and
//! wakes what changed in a way that matters, once the store shows it.

use std::collections::HashSet;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::runtime::watcher::Event;
use kube::{Api, Resource, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::SetOnce;

use super::list_watch::{self, FromApiServer};
use super::predecessor::Predecessor;
use super::roster::{Effect, Roster, Sighting, what_wakes};
use super::watch_health::SignOfLife;
use super::{Scope, described, unreadable};
use crate::RECONCILE_ANNOTATION;
use crate::api::{VodMessageCallback, VodMessageCallbackStatus};
use crate::domain::{AccountId, AccountKey, AppId, Region};
use crate::health::Health;
use crate::ownership::{AccountClaim, Contender, ObjectName, owner_in};
use crate::reconcile::claims;
use crate::reconcile::context::Context;
use crate::reconcile::stores::Listed;
use crate::status::Reason;

/// Follows the resources of one namespace, or of all; never ends.
pub(super) async fn follow(
    ctx: Arc<Context>,
    scope: &Scope,
    namespace: &str,
    health: &Health,
    listed: &SetOnce<()>,
    predecessor: &Mutex<Predecessor>,
) {
    let kind = ApiResource::erase::<VodMessageCallback>(&());
    let api: Api<DynamicObject> = match namespace {
        "" => Api::all_with(scope.client.clone(), &kind),
        one => Api::namespaced_with(scope.client.clone(), one, &kind),
    };
    let source = FromApiServer {
        api,
        lasts: scope.watch,
    };
    let life: SignOfLife = health.watch("resources", &described("VodMessageCallbacks", namespace));
    let mut follower = Follower {
        ctx: Arc::clone(&ctx),
        health,
        namespace,
        listed,
        listing: Listed::new(),
        roster: Roster::default(),
        predecessor,
        going: Mutex::default(),
    };
    let tell = |event| follower.take(event);
    let failed = |trouble: &list_watch::Trouble| {
        ctx.metrics.watch_failed("resources");
        tracing::warn!(error = %trouble, "the watch of VodMessageCallbacks failed; it is tried again");
        // One that was listed before is still known.
        if trouble.is_refusal() && !listed.initialized() {
            let woken = ctx.ownership().cannot_list(namespace);
            ctx.wake_all(woken);
            tell_if_all_is_seen(&ctx, health);
        }
    };
    list_watch::follow(&source, scope.watch, &life, tell, failed).await;
}

/// The caches hold what the cluster holds, as far as it may be seen.
fn tell_if_all_is_seen(ctx: &Context, health: &Health) {
    if ctx.ownership().sees_all() {
        health.set_synced();
    }
}

/// Carries out what the roster says.
struct Follower<'a> {
    ctx: Arc<Context>,
    health: &'a Health,
    namespace: &'a str,
    /// Whether a list was ever complete.
    listed: &'a SetOnce<()>,
    /// What the list under way has shown so far.
    listing: Listed,
    roster: Roster,
    predecessor: &'a Mutex<Predecessor>,
    /// By uid: those that cannot be read, and are let go.
    going: Mutex<HashSet<String>>,
}

impl Follower<'_> {
    fn take(&mut self, event: Event<DynamicObject>) {
        // An object is in the store by the time its effects are carried out; a whole list, at its end.
        let mut at_hand = None;
        let effects = match event {
            Event::Init => {
                self.listing = Listed::new();
                self.roster.list_begins();
                Vec::new()
            }
            Event::InitApply(object) => {
                let (sighting, resource) = self.read(object);
                if let Some(resource) = resource {
                    self.listing
                        .insert(sighting.name.clone(), self.ctx.stores.share(&resource));
                }
                self.roster.listed(sighting);
                Vec::new()
            }
            Event::InitDone => {
                let listing = std::mem::take(&mut self.listing);
                let shown: Vec<_> = listing.values().cloned().collect();
                self.ctx.stores.replace(self.namespace, listing);
                for packed in shown {
                    self.ctx.object_states.caught_up(packed.uid(), packed.version());
                }
                self.roster.list_ends()
            }
            Event::Apply(object) => {
                let (sighting, resource) = self.read(object);
                match resource {
                    Some(resource) => {
                        let version = resource.resource_version().unwrap_or_default();
                        self.ctx.stores.put(self.namespace, &resource);
                        self.ctx.object_states.caught_up(&sighting.uid, &version);
                        at_hand = Some(resource);
                    }
                    None => self.ctx.stores.remove(self.namespace, &sighting.name, &sighting.uid),
                }
                self.roster.changed(sighting)
            }
            Event::Delete(object) => {
                let uid = object.uid().unwrap_or_default();
                self.ctx.stores.remove(self.namespace, &ObjectName::of(&object), &uid);
                self.roster.deleted(&uid)
            }
        };
        let whole_list = self.roster.is_fresh_list();
        if whole_list && !self.listed.initialized() {
            let resources = self.ctx.stores.of(self.namespace);
            let silence = self.predecessor.lock().listed(resources, Timestamp::now());
            // Where there is an election, the Lease has told.
            if let Some(silence) = silence.filter(|_| !self.ctx.elects) {
                self.ctx.service.silent_for(silence);
            }
        }
        effects
            .into_iter()
            .for_each(|effect| self.carry_out(effect, at_hand.as_ref()));
        if whole_list {
            // Only the first time.
            let _ = self.listed.set(());
            let woken = self.ctx.ownership().listed(self.namespace);
            self.ctx.wake_all(woken);
            tell_if_all_is_seen(&self.ctx, self.health);
        }
    }

    /// What was seen, and the resource itself. One that does not fit the schema's type can only have been stored around
    /// the schema, and must not stop the others.
    fn read(&self, object: DynamicObject) -> (Sighting, Option<VodMessageCallback>) {
        let (uid, name) = (object.uid().unwrap_or_default(), ObjectName::of(&object));
        match readable(&object) {
            Ok(mut resource) => {
                slim(&mut resource);
                let change = Some(what_wakes(&resource));
                (Sighting { uid, name, change }, Some(resource))
            }
            Err(error) => {
                tracing::warn!(resource = %name, %error, "this VodMessageCallback cannot be read and is left out; apply it again");
                if unreadable::waits_for_us(&object.metadata) && self.going.lock().insert(uid.clone()) {
                    let release = unreadable::release(Arc::clone(&self.ctx), name.clone(), object.metadata.clone());
                    // It ends with the term, and nothing waits for it.
                    tokio::spawn(release);
                }
                // One that could be read before keeps the claim that it had.
                if !self.roster.knows(&uid)
                    && let Some(claim) = claim_of_unreadable(&object)
                {
                    let woken = self.ctx.ownership().upsert(claim);
                    self.ctx.wake_all(woken);
                }
                let change = None;
                (Sighting { uid, name, change }, None)
            }
        }
    }

    fn seen(&self, name: &ObjectName, resource: &VodMessageCallback) {
        let ctx = &self.ctx;
        ctx.secrets
            .refer(&resource.uid().unwrap_or_default(), name, &resource.spec);
        let contender = contender(ctx, resource);
        let woken = ctx.ownership().upsert(contender);
        ctx.wake_all(woken);
    }

    /// The resource that was seen just now is `at_hand`.
    fn carry_out(&self, effect: Effect, at_hand: Option<&VodMessageCallback>) {
        let ctx = &self.ctx;
        match effect {
            Effect::Gone(uid) => {
                ctx.object_states.forget(&uid);
                ctx.events.forget(&uid);
                ctx.secrets.forget(&uid);
                let woken = ctx.ownership().remove(&uid);
                ctx.wake_all(woken);
            }
            Effect::Seen(name) => match at_hand {
                Some(resource) => self.seen(&name, resource),
                None => {
                    if let Some(resource) = ctx.stores.get(&name) {
                        self.seen(&name, &resource);
                    }
                }
            },
            Effect::Wake(name) => ctx.wake(name),
        }
    }
}

fn readable(object: &DynamicObject) -> Result<VodMessageCallback, serde_json::Error> {
    let part = |name| object.data.get(name).cloned().unwrap_or_default();
    let mut resource = VodMessageCallback::new("", serde_json::from_value(part("spec"))?);
    resource.status = readable_status(part("status"));
    resource.metadata = object.metadata.clone();
    Ok(resource)
}

/// Another version may have written words that this one does not know: what was applied is told without them. Parts that
/// only report go first.
fn readable_status(mut status: serde_json::Value) -> Option<VodMessageCallbackStatus> {
    let mut unsound = [
        "lastDrift",
        "lastError",
        "differences",
        "reported",
        "reportedAs",
        "unconfirmed",
    ]
    .into_iter();
    loop {
        if let Ok(read) = serde_json::from_value(status.clone()) {
            return read;
        }
        status.as_object_mut()?.remove(unsound.next()?);
    }
}

/// Drops what the store need not hold.
fn slim(resource: &mut VodMessageCallback) {
    resource.metadata.managed_fields = None;
    if let Some(annotations) = &mut resource.metadata.annotations {
        annotations.retain(|name, _| name == RECONCILE_ANNOTATION);
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
        created: created(resource),
        region: Region(resource.spec.region.clone()).setting_region(),
        app: AppId(resource.spec.app_id.clone()),
        claim: claims::claim_of(ctx, resource),
        contends: resource.spec.management_policy.contends(),
        lost_to: lost.and_then(|condition| owner_in(&condition.message)),
        lost_in: resource
            .status
            .as_ref()
            .and_then(|status| status.account_id.clone())
            .map(AccountId),
    }
}

fn created(object: &impl Resource) -> Timestamp {
    let meta = object.meta();
    meta.creation_timestamp
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// What an object that cannot be read laid claim to when it could, by its status.
fn claim_of_unreadable(object: &DynamicObject) -> Option<Contender> {
    let text = |pointer: &str| object.data.pointer(pointer).and_then(serde_json::Value::as_str);
    let account = text("/status/accountId")?;
    Some(Contender {
        uid: object.uid()?,
        name: ObjectName::of(object),
        created: created(object),
        region: Region(text("/spec/region")?.to_owned()).setting_region(),
        app: AppId(text("/spec/appId")?.to_owned()),
        claim: AccountClaim::Proven(AccountKey::Account(AccountId(account.to_owned()))),
        contends: text("/spec/managementPolicy") != Some("Observe"),
        lost_to: None,
        lost_in: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(spec: &serde_json::Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "vod-operator.dev/v1alpha1",
            "kind": "VodMessageCallback",
            "metadata": {"namespace": "media", "name": "events", "uid": "u1", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": spec,
            "status": {"accountId": "1234567890123456", "observedGeneration": 1},
        }))
        .unwrap()
    }

    #[test]
    fn an_object_reads_as_kube_would_read_it() {
        let spec = json!({"region": "cn-shanghai", "callbackType": "HTTP", "http": {"url": "https://hooks.example.com/vod"}, "eventTypes": []});
        let read = readable(&object(&spec)).unwrap();
        assert_eq!(read.spec.app_id, "app-1000000", "defaults of the type hold");
        assert_eq!(read.status.unwrap().account_id.as_deref(), Some("1234567890123456"));
        assert_eq!(read.metadata.uid.as_deref(), Some("u1"));
    }

    /// So that an older version can go on, and let go, after a newer one.
    #[test]
    fn a_status_with_words_of_another_version_is_read_without_them() {
        let spec = json!({"region": "cn-shanghai", "callbackType": "HTTP", "http": {"url": "https://hooks.example.com/vod"}, "eventTypes": []});
        let mut newer = object(&spec);
        newer.data["status"]["lastDrift"] = json!({"outcome": "mended", "time": "2026-01-01T00:00:00Z"});
        newer.data["status"]["reported"] = json!({"CallbackType": "HTTP"});
        let status = readable(&newer).unwrap().status.unwrap();
        assert!(status.reported.is_some(), "the baseline is kept");
        assert_eq!(status.account_id.as_deref(), Some("1234567890123456"));
        assert!(status.last_drift.is_none());
        newer.data["status"] = json!("a text");
        assert!(readable(&newer).unwrap().status.is_none());
    }

    #[test]
    fn one_that_cannot_be_read_keeps_its_claim() {
        let fax = object(&json!({"region": "cn-shanghai", "appId": "app-1", "callbackType": "FAX", "eventTypes": []}));
        assert!(readable(&fax).is_err());
        let claim = claim_of_unreadable(&fax).unwrap();
        assert_eq!(
            (claim.uid.as_str(), claim.app.0.as_str(), claim.contends),
            ("u1", "app-1", true)
        );
        assert!(matches!(claim.claim, AccountClaim::Proven(_)));
        let nothing = object(&json!("a text"));
        assert!(readable(&nothing).is_err() && claim_of_unreadable(&nothing).is_none());
    }
}
