//! What this process remembers of each resource. Nothing in it is needed to be right after a restart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::trigger::Retry;
use crate::api::VodMessageCallbackStatus;
use crate::schedule::{Backoff, Contest};
use crate::status::Reason;

/// One resource.
#[derive(Default)]
pub struct ObjectState {
    /// A retry that is waited for.
    pub retry: Option<Retry>,
    /// How long to wait after the next failure.
    pub backoff: Backoff,
    /// Since when checks fail.
    pub failing_since: Option<Instant>,
    /// The next scheduled check; absent until the resource is first looked at.
    pub next_check: Option<Instant>,
    /// Corrections that did not last.
    pub contest: Contest,
    /// A rival came or went.
    pub woken: bool,
    /// This process has read the setting, and has had an answer to every call that changed it.
    pub live_is_known: bool,
    /// A Set succeeded whose read-back did not: it is made up for soon, before others change the setting.
    pub read_back_due: bool,
    /// A SetMessageCallback was sent for it by this process; absent right after a restart.
    pub set_was_sent: bool,
    /// This process has seen it from its creation, so `set_was_sent` is the whole truth.
    pub seen_from_birth: bool,
    /// A call that changes the setting is being made: it must not be abandoned.
    pub writing: bool,
    /// The status as this process last wrote it, until the watch shows it or something newer.
    pub written: Option<Written>,
    /// A status that the API server would not take: without it a call that was made would be made again.
    pub unwritten: Option<Box<VodMessageCallbackStatus>>,
    /// Its deletion is under way, for the metric.
    pub deleting: bool,
    /// The Ready reason, for the metric.
    pub state: Option<Reason>,
}

/// A status that was written and the resourceVersion it got.
pub struct Written {
    /// The version that holds it.
    pub version: String,
    /// The status.
    pub status: Box<VodMessageCallbackStatus>,
}

/// A resource's memory and the bell that interrupts a waiting check when the user changes something.
#[derive(Default)]
pub struct Entry {
    memory: Mutex<ObjectState>,
    /// Rung when the resource changed.
    pub changed: Notify,
}

impl Entry {
    /// Waits until the resource changed while nothing is being written for it.
    pub async fn changed_while_reading(&self) {
        loop {
            self.changed.notified().await;
            if !self.lock().writing {
                return;
            }
        }
    }

    /// Locks the memory; never held across an await.
    pub fn lock(&self) -> MutexGuard<'_, ObjectState> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All resources, by uid.
#[derive(Default)]
pub struct ObjectStates(Mutex<HashMap<String, Arc<Entry>>>);

impl ObjectStates {
    /// The memory of one resource, made if new.
    pub fn of(&self, uid: &str) -> Arc<Entry> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = all.get(uid) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(Entry::default());
        all.insert(uid.to_owned(), Arc::clone(&entry));
        entry
    }

    /// The memory of one resource, if it has one.
    pub fn find(&self, uid: &str) -> Option<Arc<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// How many resources stand at each Ready reason.
    pub fn states(&self) -> std::collections::BTreeMap<&'static str, i64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = std::collections::BTreeMap::new();
        for entry in all.values() {
            let memory = entry.lock();
            let state = if memory.deleting {
                Some("Deleting")
            } else {
                memory.state.map(Reason::as_str)
            };
            if let Some(state) = state {
                *counts.entry(state).or_insert(0) += 1;
            }
        }
        counts
    }
}
