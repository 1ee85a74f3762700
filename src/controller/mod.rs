//! Watches and wakes: which resource is looked at, and when.
//!
//! Each watched namespace has a controller of its own, so that one whose watch is refused holds up no other; what
//! they must agree on (ownership, quota, memory) is in the shared [`Context`].

mod list_watch;
mod passes;
mod predecessor;
mod resource_watch;
mod roster;
mod runner;
mod secret_watch;
mod unreadable;
mod watch_health;

use std::sync::Arc;
use std::time::Duration;

use kube::{Api, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::SetOnce;
use tokio::sync::mpsc::UnboundedReceiver;

use self::predecessor::Predecessor;
use crate::api::VodMessageCallback;
use crate::health::Health;
use crate::metrics::{NotReady, Present};
use crate::ownership::ObjectName;
use crate::reconcile::context::Context;
use crate::reconcile::object_state::Shown;
use crate::status::ready_reason;

pub(crate) use watch_health::silence;

/// What is watched, and how.
#[derive(Clone)]
pub struct Scope {
    /// Empty: all namespaces.
    pub namespaces: Vec<String>,
    /// Whether Secrets are watched; otherwise they are only read at checks.
    pub secrets: bool,
    /// How long a watch lasts before it is begun anew.
    pub watch: Duration,
    /// Whether each resource that is not Ready has a series of its own.
    pub metrics_per_resource: bool,
    /// The API server, with a patience that suits watches.
    pub client: kube::Client,
}

/// What is watched: these namespaces, or all, for which the empty name stands.
pub fn watched<'a>(namespaces: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut watched: Vec<String> = namespaces.into_iter().cloned().collect();
    if watched.is_empty() {
        watched.push(String::new());
    }
    watched
}

/// Runs until `ctx.stop` is cancelled and the reconciles that were running have ended.
pub async fn run(ctx: Arc<Context>, scope: Scope, health: Health, woken: UnboundedReceiver<ObjectName>) {
    let namespaces = watched(&scope.namespaces);
    ctx.ownership().expect(namespaces.iter().cloned());
    let first = scope.namespaces.first().map_or("default", String::as_str);
    let first: Api<VodMessageCallback> = Api::namespaced(ctx.client.clone(), first);
    tell_the_present(&ctx, &health, scope.metrics_per_resource);
    let predecessor = Mutex::new(Predecessor::new(namespaces.len()));
    let watches = namespaces
        .iter()
        .map(|namespace| one(&ctx, namespace, &scope, &health, &predecessor));
    tokio::select! {
        () = runner::run(Arc::clone(&ctx), woken) => {}
        _ = futures::future::join_all(watches) => {}
        () = watch_health::look_after(first, scope.watch, health.clone()) => {}
    }
}

/// Follows one namespace, or all; never ends.
async fn one(ctx: &Arc<Context>, namespace: &str, scope: &Scope, health: &Health, predecessor: &Mutex<Predecessor>) {
    let listed = SetOnce::new();
    // The resources come first: it is they that tell which Secrets matter.
    let then = async {
        listed.wait().await;
        secret_watch::follow(Arc::clone(ctx), scope, namespace, health).await;
    };
    tokio::join!(
        resource_watch::follow(Arc::clone(ctx), scope, namespace, health, &listed, predecessor),
        then
    );
}

/// A kind of object in one namespace, or in all, for messages.
fn described(kind: &str, namespace: &str) -> String {
    match namespace {
        "" => format!("{kind} in all namespaces"),
        one => format!("{kind} in namespace {one}"),
    }
}

/// What the gauges of resources and watches say, for as long as this term lasts.
fn tell_the_present(ctx: &Arc<Context>, health: &Health, per_resource: bool) {
    let (metrics, ctx, health) = (Arc::clone(&ctx.metrics), Arc::downgrade(ctx), health.clone());
    metrics.ask_at_reading(move || {
        let Some(ctx) = ctx.upgrade() else {
            return Present::default();
        };
        Present {
            states: ctx.object_states.states(),
            checks_failing: ctx.object_states.checks_failing(),
            observed_drift: ctx.object_states.observed_drift(),
            watch_silence: health.silences(),
            not_ready: if per_resource { not_ready(&ctx) } else { Vec::new() },
        }
    });
}

fn not_ready(ctx: &Context) -> Vec<NotReady> {
    let series = |resource: VodMessageCallback| {
        let entry = ctx.object_states.find(&resource.uid()?)?;
        let shown = entry.lock().shown;
        let reason = match shown {
            Shown::Nothing | Shown::ObservedDrift => None,
            Shown::Reason(reason) => Some(reason),
            // Why its deletion takes so long, if that is said.
            Shown::Deleting => ready_reason(&resource.status.as_ref()?.conditions),
        };
        let reason = reason.filter(|reason| !reason.is_ready())?.as_str();
        let ObjectName { namespace, name } = ObjectName::of(&resource);
        Some(NotReady {
            namespace,
            name,
            reason,
        })
    };
    ctx.stores.all().filter_map(series).collect()
}
