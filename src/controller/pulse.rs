//! Whether the watch of our resources is alive. A quiet watch says nothing for hours, so its silence alone tells
//! nothing: it is alive while the API server answers and the watch has not failed lately.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Api;
use kube::api::ListParams;
use tokio::time::Instant;

use crate::admin::Health;
use crate::api::VodMessageCallback;

const EVERY: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(5);
/// A watch that fails is tried again within half this time, and would then fail again.
const LATELY: Duration = Duration::from_secs(60);

/// When a watch last failed.
#[derive(Clone, Default)]
pub(super) struct Failed(Arc<Mutex<Option<Instant>>>);

impl Failed {
    pub(super) fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn no_longer(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn lately(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|at| at.elapsed() < LATELY)
    }
}

/// Takes the pulse of the watch called `name`; never ends.
pub(super) async fn take(api: Api<VodMessageCallback>, name: String, failed: Failed, health: Health) {
    health.watch_started(&name);
    let one = ListParams::default().limit(1).match_any();
    loop {
        tokio::time::sleep(EVERY).await;
        let answered = tokio::time::timeout(PATIENCE, api.list_metadata(&one))
            .await
            .is_ok_and(|r| r.is_ok());
        if answered && !failed.lately() {
            health.watch_seen(&name);
        }
    }
}
