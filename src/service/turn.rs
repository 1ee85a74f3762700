use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::quota::Urgency;

/// The turn of one pass: how urgent it is, whether something newer came up, and its place among those that work.
pub struct Turn {
    /// What it is about.
    pub urgency: Urgency,
    /// Cancelled when something newer is to be done for the resource, or work must end.
    pub interrupted: CancellationToken,
    places: Arc<Semaphore>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
    waited: Mutex<Duration>,
}

impl Turn {
    /// Waits for a place to work at.
    pub async fn begin(places: Arc<Semaphore>, urgency: Urgency, interrupted: CancellationToken) -> Self {
        // A semaphore is only closed by its owner, who never does.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        Self {
            urgency,
            interrupted,
            places,
            place: Mutex::new(place),
            waited: Mutex::default(),
        }
    }

    /// Waits for somebody else's servers without holding a place meanwhile: one that hangs must not take it from
    /// those who could go on.
    pub async fn away<T>(&self, waiting: impl Future<Output = T>) -> T {
        drop(self.slot().take());
        let done = waiting.await;
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        *self.slot() = place;
        done
    }

    /// A call has waited so long for its place in the quota.
    pub fn has_waited(&self, waited: Duration) {
        *self.waited.lock() += waited;
    }

    /// What is left of `elapsed` without the waiting for the quota.
    pub fn worked(&self, elapsed: Duration) -> Duration {
        elapsed.saturating_sub(*self.waited.lock())
    }

    fn slot(&self) -> parking_lot::MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.place.lock()
    }
}
