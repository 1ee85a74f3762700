//! Watches and wakes: which resource is looked at, and when.
//!
//! Each watched namespace has a controller of its own, so that one whose watch is refused holds up no other; what
//! they must agree on (ownership, quota, memory) is in the shared [`Context`].

mod resource_watch;
mod runner;
mod secret_watch;
mod watch_health;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::admin::Health;
use crate::api::VodMessageCallback;
use crate::ownership::ObjectName;
use crate::reconcile::context::Context;

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
    /// The API server, with a patience that suits watches.
    pub client: kube::Client,
}

impl Scope {
    fn watcher(&self) -> watcher::Config {
        let seconds = u32::try_from(self.watch.as_secs()).unwrap_or(u32::MAX);
        watcher::Config::default().timeout(seconds.max(1))
    }
}

/// Runs until `ctx.stop` is cancelled and the reconciles that were running have ended.
pub async fn run(ctx: Arc<Context>, scope: Scope, health: Health, woken: UnboundedReceiver<ObjectName>) {
    let everywhere = vec![String::new()];
    let namespaces = if scope.namespaces.is_empty() {
        &everywhere
    } else {
        &scope.namespaces
    };
    let watches = namespaces
        .iter()
        .map(|namespace| one(Arc::clone(&ctx), namespace.clone(), scope.clone(), health.clone()));
    tokio::select! {
        () = runner::run(Arc::clone(&ctx), woken) => {}
        _ = futures::future::join_all(watches) => {}
        () = report_states(ctx) => {}
    }
}

/// Follows one namespace, or all; never ends.
async fn one(ctx: Arc<Context>, namespace: String, scope: Scope, health: Health) {
    let (store, writer) = reflector::store();
    ctx.stores.add(&namespace, store.clone());
    let (listed, is_listed) = tokio::sync::watch::channel(false);
    let failed = watch_health::Failed::default();
    let api: Api<VodMessageCallback> = match namespace.as_str() {
        "" => Api::all(ctx.client.clone()),
        one => Api::namespaced(ctx.client.clone(), one),
    };
    let name = format!(
        "VodMessageCallbacks in {}",
        if namespace.is_empty() {
            "all namespaces"
        } else {
            &namespace
        }
    );
    let pulse = watch_health::take(api, name, scope.watch, failed.clone(), health.clone());
    let synced = is_listed.clone();
    let resources = resource_watch::changes(Arc::clone(&ctx), &scope, &namespace, failed, writer, listed);
    let secrets = secret_watch::changes(Arc::clone(&ctx), &scope, &namespace, is_listed.clone());
    let wake = |name: ObjectRef<VodMessageCallback>| {
        ctx.wake(ObjectName {
            namespace: name.namespace.unwrap_or_default(),
            name: name.name,
        });
    };
    let first = async {
        let mut listed = is_listed;
        if listed.wait_for(|listed| *listed).await.is_ok() {
            store
                .state()
                .iter()
                .for_each(|resource| ctx.wake(ObjectName::of(resource.as_ref())));
        }
        std::future::pending::<()>().await
    };
    tokio::select! {
        () = resources.for_each(|change| { if let Ok(resource) = change { wake(ObjectRef::from_obj(&resource)); } std::future::ready(()) }) => {}
        () = secrets.for_each(|name| { wake(name); std::future::ready(()) }) => {}
        () = first => {}
        () = pulse => {}
        () = say_synced(synced, health) => {}
    }
}

/// Notes that the first list is there; never ends.
async fn say_synced(mut listed: tokio::sync::watch::Receiver<bool>, health: Health) {
    if listed.wait_for(|listed| *listed).await.is_ok() {
        health.set_synced();
    }
    std::future::pending().await
}

/// Keeps the gauge of resources by state; never ends.
async fn report_states(ctx: Arc<Context>) {
    let mut tick = tokio::time::interval(Duration::from_secs(2));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        ctx.metrics.set_states(&ctx.object_states.states());
    }
}
