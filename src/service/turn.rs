use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::quota::Urgency;

/// The places for those that work. Whoever waits for somebody else's server holds none.
pub struct Places {
    free: Arc<Semaphore>,
    freed: Notify,
}

/// One of the [`Places`].
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many, at least one.
    pub fn new(many: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(many.max(1))),
            freed: Notify::new(),
        })
    }

    /// A place for one that begins, if one is free and none of those that have begun waits for it.
    pub fn try_take(&self) -> Option<Place> {
        Arc::clone(&self.free)
            .try_acquire_owned()
            .ok()
            .map(|_permit| Place { _permit })
    }

    async fn take(&self) -> Option<Place> {
        // A semaphore is only closed by its owner, who never does.
        Arc::clone(&self.free)
            .acquire_owned()
            .await
            .ok()
            .map(|_permit| Place { _permit })
    }

    /// Waits until a place was given back since the last call.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

/// The turn of one pass: how urgent it is, whether something newer came up, and its place among those that work.
pub struct Turn {
    /// What it is about.
    pub urgency: Urgency,
    /// Cancelled when something newer is to be done for the resource, or work must end.
    pub interrupted: CancellationToken,
    places: Arc<Places>,
    place: Mutex<Held>,
    waited: Mutex<Duration>,
}

/// The place of a pass, given up while any part of it waits elsewhere.
struct Held {
    place: Option<Place>,
    away: usize,
}

/// A part of a pass that waits elsewhere; also one that is given up ends that.
struct Away<'a>(&'a Turn);

impl<'a> Away<'a> {
    fn begin(turn: &'a Turn) -> Self {
        let mut held = turn.place.lock();
        held.away += 1;
        if held.place.take().is_some() {
            turn.places.freed.notify_one();
        }
        drop(held);
        Self(turn)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        self.0.place.lock().away -= 1;
    }
}

impl Turn {
    /// Begins at that place.
    pub fn new(places: Arc<Places>, place: Place, urgency: Urgency, interrupted: CancellationToken) -> Self {
        Self {
            urgency,
            interrupted,
            places,
            place: Mutex::new(Held {
                place: Some(place),
                away: 0,
            }),
            waited: Mutex::default(),
        }
    }

    /// Of one that works alone.
    pub fn alone(urgency: Urgency) -> Self {
        let held = Held { place: None, away: 0 };
        Self {
            urgency,
            interrupted: CancellationToken::new(),
            places: Places::new(1),
            place: Mutex::new(held),
            waited: Mutex::default(),
        }
    }

    /// Waits for somebody else's servers without holding a place meanwhile: one that hangs must not take it from
    /// those who could go on. Parts of one pass may wait at once: the last that is back takes a place for all of them,
    /// so that no pass ever waits for a place while it holds one.
    pub async fn away<T>(&self, waiting: impl Future<Output = T>) -> T {
        let away = Away::begin(self);
        let done = waiting.await;
        drop(away);
        if self.place.lock().away == 0 {
            let taken = self.places.take().await;
            let mut held = self.place.lock();
            // Another part may have gone away meanwhile.
            if held.away == 0 {
                held.place = taken;
            }
        }
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
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    fn turn(places: &Arc<Places>) -> Option<Turn> {
        let place = places.try_take()?;
        let never = CancellationToken::new();
        Some(Turn::new(Arc::clone(places), place, Urgency::Change, never))
    }

    #[tokio::test(start_paused = true)]
    async fn parts_that_wait_at_once_need_one_place_together() {
        let places = Places::new(1);
        let one = turn(&places).unwrap();
        let part = |seconds| one.away(sleep(Duration::from_secs(seconds)));
        let parts = async { tokio::join!(part(1), part(2), part(2)) };
        timeout(Duration::from_secs(60), parts).await.expect("a place for all");
        assert_eq!(places.free.available_permits(), 0, "it works again");
        drop(one);
        assert_eq!(places.free.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_elsewhere_leaves_its_place_to_others() {
        let places = Places::new(1);
        let one = turn(&places).unwrap();
        let begun = Instant::now();
        let another = async {
            assert!(turn(&places).is_none());
            places.freed().await;
            drop(turn(&places).unwrap());
            begun.elapsed()
        };
        let working = async {
            sleep(Duration::from_secs(1)).await;
            one.away(sleep(Duration::from_secs(10))).await;
        };
        let ((), other) = tokio::join!(working, another);
        assert_eq!(other, Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_is_over() {
        let places = Places::new(1);
        let one = turn(&places).unwrap();
        let given_up = timeout(Duration::from_secs(1), one.away(std::future::pending::<()>())).await;
        assert!(given_up.is_err());
        one.away(async {}).await;
        assert_eq!(places.free.available_permits(), 0, "it works again");
    }
}
