use super::Notice;
use crate::telemetry::in_words;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

/// More than that at once tells nobody anything.
const QUEUE: usize = 1024;
/// A write that hangs must not keep the others waiting, nor the shutdown.
const PATIENCE: Duration = Duration::from_secs(5);
/// The API server takes 1024 bytes.
const LONGEST_NOTE: usize = 1000;
/// Of the words of an object's name in the event's: together at most 253.
const LONGEST_NAME: usize = 230;
/// The same thing again within this time counts up; after it, it is a new event.
const SERIES_LASTS: Duration = Duration::from_secs(360);
const MOST_SERIES: usize = 4096;

/// Takes notices; clones feed the same queue.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<(ObjectReference, Notice)>,
}

/// Writes them, one after the other, so that what happened first stands first.
pub struct Writer {
    queue: mpsc::Receiver<(ObjectReference, Notice)>,
    client: Client,
    instance: String,
    series: HashMap<Key, Series>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// What makes two notices the same one: also the note, word for word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    uid: String,
    namespace: String,
    name: String,
    notice: Notice,
}

#[derive(Clone, Debug)]
struct Series {
    event: String,
    count: i32,
    last: Instant,
}

/// The two ends of the queue. `instance` is this process's name, such as the Pod's.
pub fn channel(client: Client, instance: String) -> (Events, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let writer = Writer {
        queue: receiver,
        client,
        instance,
        series: HashMap::new(),
    };
    (Events { queue: sender }, writer)
}

impl Events {
    /// Has an event written about the resource, some time. Does not wait.
    pub fn publish(&self, regarding: ObjectReference, mut notice: Notice) {
        notice.note = cut(&notice.note, LONGEST_NOTE);
        match self.queue.try_send((regarding, notice)) {
            Ok(()) => {}
            Err(TrySendError::Full((regarding, notice)) | TrySendError::Closed((regarding, notice))) => {
                unwritten(&regarding, &notice, &"too many wait, or the operator is stopping");
            }
        }
    }
}

impl Writer {
    /// Writes until all senders are gone, or until `stop`: then what waits is still written, in a few seconds.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                next = self.queue.recv() => next,
            };
            match next {
                Some((regarding, notice)) => self.write(&regarding, &notice).await,
                None => return,
            }
        }
        self.queue.close();
        let draining = async {
            while let Some((regarding, notice)) = self.queue.recv().await {
                self.write(&regarding, &notice).await;
            }
        };
        if tokio::time::timeout(PATIENCE, draining).await.is_err() {
            tracing::warn!("some events could not be written before the end");
        }
    }

    async fn write(&mut self, regarding: &ObjectReference, notice: &Notice) {
        match tokio::time::timeout(PATIENCE, self.attempt(regarding, notice)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => unwritten(regarding, notice, &in_words(&error)),
            Err(_) => unwritten(regarding, notice, &"no answer in time"),
        }
    }

    async fn attempt(&mut self, regarding: &ObjectReference, notice: &Notice) -> Result<(), kube::Error> {
        let namespace = regarding.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let key = Key {
            uid: regarding.uid.clone().unwrap_or_default(),
            name: regarding.name.clone().unwrap_or_default(),
            namespace,
            notice: notice.clone(),
        };
        self.prune();
        if let Some(series) = self.series.get_mut(&key) {
            let count = series.count.saturating_add(1);
            let patch = json!({"series": EventSeries { count, last_observed_time: MicroTime(Timestamp::now()) }});
            match api
                .patch(&series.event, &PatchParams::default(), &Patch::Merge(patch))
                .await
            {
                Ok(_) => {
                    (series.count, series.last) = (count, Instant::now());
                    return Ok(());
                }
                // The API server drops events after a while: this is a new one then.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let event = self.event(&key, regarding);
        let name = event.metadata.name.clone().unwrap_or_default();
        api.create(&PostParams::default(), &event).await?;
        let series = Series {
            event: name,
            count: 1,
            last: Instant::now(),
        };
        self.series.insert(key, series);
        Ok(())
    }

    fn event(&self, key: &Key, regarding: &ObjectReference) -> Event {
        let notice = &key.notice;
        // A name of our own making, so that the series can be counted up without asking for it.
        let object = key.name.get(..LONGEST_NAME).unwrap_or(&key.name);
        let name = format!("{}.{:016x}", object.trim_end_matches(['.', '-']), rand::random::<u64>());
        Event {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(key.namespace.clone()),
                ..ObjectMeta::default()
            },
            type_: Some(notice.type_.as_str().to_owned()),
            reason: Some(notice.reason.as_str().to_owned()),
            note: Some(notice.note.clone()),
            action: Some(notice.action.to_owned()),
            regarding: Some(regarding.clone()),
            event_time: Some(MicroTime(Timestamp::now())),
            reporting_controller: Some(crate::NAME.to_owned()),
            reporting_instance: Some(cut(&self.instance, 128)),
            ..Event::default()
        }
    }

    fn prune(&mut self) {
        self.series.retain(|_, series| series.last.elapsed() < SERIES_LASTS);
        // Only a storm gets here; its events are then not counted up, merely written.
        if self.series.len() >= MOST_SERIES {
            self.series.clear();
        }
    }
}

/// At most so many bytes, cut between characters, and saying so.
fn cut(text: &str, most: usize) -> String {
    const MORE: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub(MORE.len()));
    format!("{}{MORE}", text.get(..end).unwrap_or_default())
}

/// What could not be told there is told in the log: in a namespace that is being deleted, events cannot be written.
fn unwritten(regarding: &ObjectReference, notice: &Notice, why: &dyn std::fmt::Display) {
    tracing::warn!(
        namespace = regarding.namespace.as_deref().unwrap_or_default(),
        resource = regarding.name.as_deref().unwrap_or_default(),
        reason = notice.reason.as_str(),
        note = notice.note,
        "event not written: {why}"
    );
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
