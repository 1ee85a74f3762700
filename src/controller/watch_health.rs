//! Whether the watch of our resources is alive. A quiet watch says nothing for hours, so its silence alone tells
//! nothing: it is alive while the API server answers and the watch has not failed lately. A refusal is an answer too: a
//! restart would not change it, and would only stop the other namespaces.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Api;
use kube::api::ListParams;
use kube::runtime::watcher;
use tokio::time::Instant;

use crate::admin::{Health, SilenceBounds};
use crate::api::VodMessageCallback;

const PATIENCE: Duration = Duration::from_secs(5);

/// How long the watch may be without a sign of life before `/healthz` says so, by how long a watch lasts.
pub(crate) fn silence(watch: Duration) -> SilenceBounds {
    SilenceBounds {
        first: watch * 3 / 2,
        later: watch * 3 / 4,
    }
}

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

    fn within(&self, lately: Duration) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|at| at.elapsed() < lately)
    }
}

/// Whether a watch failed by what the API server said, and not for want of an answer.
pub(super) fn is_answer(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => {
            matches!(error, kube::Error::Api(_))
        }
        WatchError(_) => true,
        _ => false,
    }
}

/// Takes the pulse of the watch called `name`, which lasts for `watch` each time; never ends.
pub(super) async fn take(api: Api<VodMessageCallback>, name: String, watch: Duration, failed: Failed, health: Health) {
    let watched = health.watch(&name);
    let (every, patience) = (watch / 6, PATIENCE.min(watch / 6));
    // A watch that fails is tried again within half this time, and would then fail again.
    let lately = watch / 2;
    let one = ListParams::default().limit(1).match_any();
    loop {
        tokio::time::sleep(every).await;
        let answer = tokio::time::timeout(patience, api.list_metadata(&one)).await;
        let answered = matches!(answer, Ok(Ok(_) | Err(kube::Error::Api(_))));
        if answered && !failed.within(lately) {
            watched.seen();
        }
    }
}
