//! Watches and wakes: which resource is looked at, and when.
//!
//! Each watched namespace has a controller of its own, so that one whose watch is refused holds up no other; what
//! they must agree on (ownership, quota, memory) is in the shared [`Context`].

mod resource_watch;
mod secret_watch;
mod watch_health;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::admin::Health;
use crate::api::VodMessageCallback;
use crate::reconcile::context::Context;
use crate::reconcile::reconcile;

type Name = ObjectRef<VodMessageCallback>;

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
pub async fn run(ctx: Arc<Context>, scope: Scope, health: Health, woken: UnboundedReceiver<Name>) {
    let mut senders: HashMap<String, UnboundedSender<Name>> = HashMap::new();
    let mut controllers = Vec::new();
    let everywhere = vec![String::new()];
    for namespace in if scope.namespaces.is_empty() {
        &everywhere
    } else {
        &scope.namespaces
    } {
        let (send, receive) = unbounded_channel();
        senders.insert(namespace.clone(), send);
        controllers.push(one(
            Arc::clone(&ctx),
            namespace.clone(),
            scope.clone(),
            health.clone(),
            receive,
        ));
    }
    let controllers = futures::future::join_all(controllers);
    tokio::select! {
        _ = controllers => {}
        () = distribute(woken, senders) => {}
        () = report_states(Arc::clone(&ctx)) => {}
    }
}

async fn one(ctx: Arc<Context>, namespace: String, scope: Scope, health: Health, woken: UnboundedReceiver<Name>) {
    let (store, writer) = reflector::store();
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
    let in_vain = stopped_before(is_listed.clone(), ctx.stop.clone());
    let resources = resource_watch::changes(Arc::clone(&ctx), &scope, &namespace, failed, writer, listed);
    let secrets = secret_watch::changes(Arc::clone(&ctx), &scope, &namespace, is_listed);
    // Names only: what is behind them is looked up in the store when its turn comes.
    let pokes = futures::stream::unfold(woken, |mut woken| async {
        woken.recv().await.map(|name| (name, woken))
    });
    let stop = ctx.stop.clone();
    // Unbounded here, because the waiting is done in `Admission`, where a user's change can pass waiting checks.
    let controller = Controller::for_stream(resources, store)
        .with_config(Config::default().concurrency(0))
        .reconcile_on(pokes)
        .reconcile_on(secrets)
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(
            reconcile,
            |_, error: &std::convert::Infallible, _| -> Action { match *error {} },
            ctx,
        )
        .for_each(|result| async move {
            if let Err(error) = result {
                // A resource that went away while it was queued; everything else is said where it happens.
                tracing::debug!(%error, "a reconcile was not started");
            }
        });
    tokio::select! {
        () = controller => {}
        () = pulse => {}
        () = say_synced(synced, health) => {}
        () = in_vain => {}
    }
}

/// Ends when work must end before the first list was there. The controller would wait for that list for ever, and
/// nothing has begun that it would have to finish.
async fn stopped_before(listed: tokio::sync::watch::Receiver<bool>, stop: CancellationToken) {
    stop.cancelled().await;
    if *listed.borrow() {
        std::future::pending().await
    }
}

/// Notes that the first list is there; never ends.
async fn say_synced(mut listed: tokio::sync::watch::Receiver<bool>, health: Health) {
    if listed.wait_for(|listed| *listed).await.is_ok() {
        health.set_synced();
    }
    std::future::pending().await
}

/// Brings each wake to the controller of its namespace; never ends.
async fn distribute(mut woken: UnboundedReceiver<Name>, senders: HashMap<String, UnboundedSender<Name>>) {
    while let Some(name) = woken.recv().await {
        let namespace = name.namespace.clone().unwrap_or_default();
        if let Some(sender) = senders.get(&namespace).or_else(|| senders.get("")) {
            // A closed channel: that controller has ended with the others.
            let _ = sender.send(name);
        }
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
