//! When each resource was first seen `Ready=True`, by a watch: looking now and then would be coarser than what is
//! measured.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use harness::{condition, vmc_resource};
use kube::api::DynamicObject;
use kube::runtime::watcher;
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Result;

type Name = (String, String);

/// The generation that a resource was last seen ready at, and when.
type Seen = HashMap<Name, (i64, Instant)>;

/// A running watch; it ends when dropped.
pub struct ReadyWatch {
    seen: Arc<Mutex<Seen>>,
    count: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Drop for ReadyWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ReadyWatch {
    /// Watches all namespaces.
    pub fn start(client: Client) -> Self {
        let seen = Arc::new(Mutex::new(Seen::new()));
        let (sender, count) = watch::channel(0);
        let filled = Arc::clone(&seen);
        let api: Api<DynamicObject> = Api::all_with(client, &vmc_resource());
        let task = tokio::spawn(async move {
            let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
            while let Some(event) = events.next().await {
                let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else {
                    continue;
                };
                let at = Instant::now();
                let count = {
                    let mut seen = filled.lock();
                    note(&mut seen, &object, at);
                    seen.len()
                };
                // Not under the lock: who waits looks into what was seen from inside the channel.
                sender.send_replace(count);
            }
        });
        Self { seen, count, task }
    }

    /// How many have been ready.
    pub fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until so many have been ready.
    pub async fn wait_count(&self, many: usize, bound: Duration) -> Result<()> {
        let mut count = self.count.clone();
        let reached = tokio::time::timeout(bound, count.wait_for(|count| *count >= many)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            _ => Err(format!("{} of {many} are ready after {bound:?}", self.count()).into()),
        }
    }

    /// Waits until one is ready at that generation, and says when that was seen.
    pub async fn wait(&self, namespace: &str, name: &str, generation: i64) -> Result<Instant> {
        let key = (namespace.to_owned(), name.to_owned());
        let mut count = self.count.clone();
        let mut when = None;
        let there = count.wait_for(|_| {
            when = self
                .seen
                .lock()
                .get(&key)
                .filter(|(g, _)| *g >= generation)
                .map(|(_, at)| *at);
            when.is_some()
        });
        let there = tokio::time::timeout(Duration::from_secs(120), there).await;
        match (there, when) {
            (Ok(Ok(_)), Some(at)) => Ok(at),
            _ => Err(format!("{namespace}/{name} does not get ready").into()),
        }
    }
}

fn note(seen: &mut Seen, object: &DynamicObject, at: Instant) {
    let generation = object.metadata.generation.unwrap_or_default();
    let status = Value::from(serde_json::Map::from_iter([(
        "status".to_owned(),
        object.data.get("status").cloned().unwrap_or_default(),
    )]));
    let ready = condition(&status, "Ready").is_some_and(|ready| {
        ready.get("status").and_then(Value::as_str) == Some("True")
            && ready.get("observedGeneration").and_then(Value::as_i64) == Some(generation)
    });
    if !ready {
        return;
    }
    let name = (
        object.metadata.namespace.clone().unwrap_or_default(),
        object.metadata.name.clone().unwrap_or_default(),
    );
    if seen.get(&name).is_none_or(|(known, _)| *known < generation) {
        seen.insert(name, (generation, at));
    }
}
