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
    place: Mutex<Place>,
    waited: Mutex<Duration>,
}

/// The place of a pass, given up while any part of it waits elsewhere.
struct Place {
    held: Option<OwnedSemaphorePermit>,
    away: usize,
}

/// A part of a pass that waits elsewhere; also one that is given up ends that.
struct Away<'a>(&'a Mutex<Place>);

impl<'a> Away<'a> {
    fn begin(place: &'a Mutex<Place>) -> Self {
        let mut held = place.lock();
        held.away += 1;
        held.held = None;
        drop(held);
        Self(place)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        self.0.lock().away -= 1;
    }
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
            place: Mutex::new(Place { held: place, away: 0 }),
            waited: Mutex::default(),
        }
    }

    /// Waits for somebody else's servers without holding a place meanwhile: one that hangs must not take it from
    /// those who could go on. Parts of one pass may wait at once: the last that is back takes a place for all of them,
    /// so that no pass ever waits for a place while it holds one.
    pub async fn away<T>(&self, waiting: impl Future<Output = T>) -> T {
        let away = Away::begin(&self.place);
        let done = waiting.await;
        drop(away);
        if self.place.lock().away == 0 {
            let taken = Arc::clone(&self.places).acquire_owned().await.ok();
            let mut place = self.place.lock();
            // Another part may have gone away meanwhile.
            if place.away == 0 {
                place.held = taken;
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

    async fn turn(places: &Arc<Semaphore>) -> Turn {
        Turn::begin(Arc::clone(places), Urgency::Change, CancellationToken::new()).await
    }

    #[tokio::test(start_paused = true)]
    async fn parts_that_wait_at_once_need_one_place_together() {
        let places = Arc::new(Semaphore::new(1));
        let one = turn(&places).await;
        let part = |seconds| one.away(sleep(Duration::from_secs(seconds)));
        let parts = async { tokio::join!(part(1), part(2), part(2)) };
        timeout(Duration::from_secs(60), parts).await.expect("a place for all");
        assert_eq!(places.available_permits(), 0, "it works again");
        drop(one);
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_elsewhere_leaves_its_place_to_others() {
        let places = Arc::new(Semaphore::new(1));
        let one = turn(&places).await;
        let begun = Instant::now();
        let another = async {
            sleep(Duration::from_secs(1)).await;
            drop(turn(&places).await);
            begun.elapsed()
        };
        let (_, other) = tokio::join!(one.away(sleep(Duration::from_secs(10))), another);
        assert_eq!(other, Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_is_over() {
        let places = Arc::new(Semaphore::new(1));
        let one = turn(&places).await;
        let given_up = timeout(Duration::from_secs(1), one.away(std::future::pending::<()>())).await;
        assert!(given_up.is_err());
        one.away(async {}).await;
        assert_eq!(places.available_permits(), 0, "it works again");
    }
}
