use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Urgency;

/// How much is worked on at once. Whoever waits here costs next to nothing, so a backlog neither fills memory nor
/// stands in the way: changes and checks wait apart, and so do the resources of different credentials.
pub struct Admission {
    changes: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    each: usize,
    lines: Mutex<HashMap<(bool, String), Arc<Semaphore>>>,
}

/// The right to work on one resource.
pub struct Admitted {
    _line: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// At most `concurrency` resources at once, half of them for checks, and at most `each` for one set of credentials.
    pub fn new(concurrency: usize, each: usize) -> Self {
        let checks = (concurrency / 2).max(1);
        let changes = concurrency.saturating_sub(checks).max(1);
        Self {
            changes: Arc::new(Semaphore::new(changes)),
            checks: Arc::new(Semaphore::new(checks)),
            // One set of credentials never fills all places, however long its backlog.
            each: each.min(changes.div_ceil(2)).max(1),
            lines: Mutex::default(),
        }
    }

    /// Waits for its turn.
    pub async fn enter(&self, urgency: Urgency, credentials: &str) -> Admitted {
        // A semaphore is only closed by its owner, which this is, and never does.
        let line = self.line(urgency, credentials).acquire_owned().await.ok();
        let all = match urgency {
            Urgency::Change => &self.changes,
            Urgency::Check => &self.checks,
        };
        let all = Arc::clone(all).acquire_owned().await.ok();
        Admitted { _line: line, _all: all }
    }

    fn line(&self, urgency: Urgency, credentials: &str) -> Arc<Semaphore> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (urgency == Urgency::Change, credentials.to_owned());
        if let Some(line) = lines.get(&key) {
            return Arc::clone(line);
        }
        // Lines that nobody stands in are dropped whenever a new one is made.
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        let line = Arc::new(Semaphore::new(self.each));
        lines.insert(key, Arc::clone(&line));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        futures::FutureExt::now_or_never(future)
    }

    #[test]
    fn one_backlog_does_not_stand_in_anothers_way() {
        let admission = Admission::new(8, 2);
        let busy: Vec<_> = (0..2)
            .map(|_| now(admission.enter(Urgency::Change, "a")).unwrap())
            .collect();
        assert!(
            now(admission.enter(Urgency::Change, "a")).is_none(),
            "its own line is full"
        );
        assert!(now(admission.enter(Urgency::Change, "b")).is_some());
        assert!(
            now(admission.enter(Urgency::Check, "a")).is_some(),
            "checks stand in a line of their own"
        );
        drop(busy);
        assert!(now(admission.enter(Urgency::Change, "a")).is_some());
        assert!(admission.lines.lock().unwrap().len() <= 3);
    }

    #[test]
    fn one_at_a_time_still_works() {
        let admission = Admission::new(1, 1);
        assert!(now(admission.enter(Urgency::Change, "a")).is_some());
        assert!(now(admission.enter(Urgency::Check, "a")).is_some());
    }
}
