use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::quota::Urgency;

/// The places for those that work. Whoever waits for somebody else's server holds none. Most are only for what a user
/// did just now: a crowd that comes back from the service all at once must not stand in its way.
pub struct Places {
    any: Arc<Semaphore>,
    for_changes: Arc<Semaphore>,
    freed: Notify,
}

/// One of the [`Places`].
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many in all, at least one.
    pub fn new(many: usize) -> Arc<Self> {
        let many = many.max(1);
        // With a few in all there is nothing to set apart.
        let any = (many / 4).max(many.min(4));
        Arc::new(Self {
            any: Arc::new(Semaphore::new(any)),
            for_changes: Arc::new(Semaphore::new(many - any)),
            freed: Notify::new(),
        })
    }

    /// A place for one that begins, if one is free and none of those that have begun waits for it.
    pub fn try_take(&self, urgency: Urgency) -> Option<Place> {
        let take = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let own = Some(&self.for_changes).filter(|_| urgency == Urgency::Change);
        let permit = own.and_then(take).or_else(|| take(&self.any));
        permit.map(|_permit| Place { _permit })
    }

    async fn take(&self, urgency: Urgency) -> Option<Place> {
        let take = |places: &Arc<Semaphore>| Arc::clone(places).acquire_owned();
        // A semaphore is only closed by its owner, who never does.
        let permit = tokio::select! {
            biased;
            permit = take(&self.for_changes), if urgency == Urgency::Change => permit,
            permit = take(&self.any) => permit,
        };
        // One of the other kind may have been set apart for it as well, and is free again.
        if urgency == Urgency::Change {
            self.freed.notify_one();
        }
        permit.ok().map(|_permit| Place { _permit })
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
    held: Mutex<Held>,
    /// Held by the part that takes a place for all.
    coming_back: tokio::sync::Mutex<()>,
    waited: Mutex<Duration>,
}

/// The place of a pass, given up while all of it waits elsewhere.
#[derive(Default)]
struct Held {
    place: Option<Place>,
    /// Parts that wait elsewhere.
    away: usize,
    /// Parts that work beside those.
    working: usize,
}

/// A part that is counted until it ends, also one that is given up.
struct Part<'a> {
    turn: &'a Turn,
    count: fn(&mut Held) -> &mut usize,
}

impl<'a> Part<'a> {
    fn begin(turn: &'a Turn, count: fn(&mut Held) -> &mut usize) -> Self {
        *count(&mut turn.held.lock()) += 1;
        Self { turn, count }
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        *(self.count)(&mut self.turn.held.lock()) -= 1;
    }
}

impl Turn {
    /// Begins at that place.
    pub fn new(places: Arc<Places>, place: Place, urgency: Urgency, interrupted: CancellationToken) -> Self {
        let held = Held {
            place: Some(place),
            ..Held::default()
        };
        Self {
            urgency,
            interrupted,
            places,
            held: Mutex::new(held),
            coming_back: tokio::sync::Mutex::default(),
            waited: Mutex::default(),
        }
    }

    /// Of one that works alone.
    pub fn alone(urgency: Urgency) -> Self {
        Self {
            urgency,
            interrupted: CancellationToken::new(),
            places: Places::new(1),
            held: Mutex::default(),
            coming_back: tokio::sync::Mutex::default(),
            waited: Mutex::default(),
        }
    }

    /// Waits for somebody else's servers without holding a place meanwhile: one that hangs must not take it from
    /// those who could go on. Parts of one pass may wait at once: the last that is back takes a place for all of them,
    /// so that no pass ever waits for a place while it holds one.
    pub async fn away<T>(&self, waiting: impl Future<Output = T>) -> T {
        let away = Part::begin(self, |held| &mut held.away);
        self.give_up_if_idle();
        let done = waiting.await;
        drop(away);
        self.come_back().await;
        done
    }

    async fn come_back(&self) {
        // Another part may be back as well, and wait for the place already.
        let _one_for_all = self.coming_back.lock().await;
        let is_back = {
            let held = self.held.lock();
            held.away == 0 && held.place.is_none()
        };
        if !is_back {
            return;
        }
        let taken = self.places.take(self.urgency).await;
        let mut held = self.held.lock();
        // Another part may have gone away meanwhile.
        if held.away == 0 || held.working > 0 {
            held.place = taken;
        } else {
            drop(taken);
            self.places.freed.notify_one();
        }
    }

    /// Works while another part of the pass may be away, and keeps the place for as long.
    pub async fn meanwhile<T>(&self, work: impl Future<Output = T>) -> T {
        let working = Part::begin(self, |held| &mut held.working);
        let done = work.await;
        drop(working);
        self.give_up_if_idle();
        done
    }

    fn give_up_if_idle(&self) {
        let mut held = self.held.lock();
        if held.away > 0 && held.working == 0 && held.place.take().is_some() {
            self.places.freed.notify_one();
        }
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
mod model;

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    fn turn(places: &Arc<Places>) -> Option<Turn> {
        let place = places.try_take(Urgency::Change)?;
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
        assert_eq!(places.any.available_permits(), 0, "it works again");
        drop(one);
        assert_eq!(places.any.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_comes_back_while_another_waits_for_the_place_shares_it() {
        let places = Places::new(1);
        let one = turn(&places).unwrap();
        let part = async |after, seconds| {
            sleep(Duration::from_secs(after)).await;
            one.away(sleep(Duration::from_secs(seconds))).await;
        };
        let another = async {
            let another = turn(&places).unwrap();
            sleep(Duration::from_secs(10)).await;
            drop(another);
        };
        let parts = async { tokio::join!(part(0, 2), part(3, 1), another) };
        timeout(Duration::from_secs(60), parts).await.expect("a place for all");
        assert_eq!(places.any.available_permits(), 0, "it works again");
        drop(one);
        assert_eq!(places.any.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_was_set_apart_for_nothing_is_told_to_be_free() {
        let places = Places::new(8);
        let all: Vec<Place> = std::iter::from_fn(|| places.try_take(Urgency::Change)).collect();
        let back = places.take(Urgency::Change);
        tokio::pin!(back);
        assert!(futures::poll!(back.as_mut()).is_pending());
        // One of each kind, before it gets to look.
        drop(all);
        assert!(places.for_changes.available_permits() > 0 && places.any.available_permits() > 0);
        let _place = back.await;
        timeout(Duration::from_secs(1), places.freed()).await.expect("told");
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
        assert_eq!(places.any.available_permits(), 0, "it works again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_works_beside_a_wait_keeps_the_place() {
        let places = Places::new(1);
        let one = turn(&places).unwrap();
        let begun = Instant::now();
        let another = async {
            places.freed().await;
            drop(turn(&places).unwrap());
            begun.elapsed()
        };
        let work = one.meanwhile(sleep(Duration::from_secs(3)));
        let wait = one.away(sleep(Duration::from_secs(10)));
        let ((), (), freed) = tokio::join!(work, wait, another);
        assert_eq!(freed, Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_comes_back_leaves_room_for_changes() {
        let places = Places::new(8);
        let begin = |urgency| {
            let place = places.try_take(urgency)?;
            Some(Turn::new(Arc::clone(&places), place, urgency, CancellationToken::new()))
        };
        let crowd: Vec<Turn> = std::iter::from_fn(|| begin(Urgency::Backlog)).collect();
        assert_eq!(crowd.len(), 4);
        let changes: Vec<Turn> = std::iter::from_fn(|| begin(Urgency::Change)).collect();
        assert_eq!(changes.len(), 4, "all the others");
        let back = async {
            for change in &changes {
                change.away(sleep(Duration::from_secs(1))).await;
            }
        };
        timeout(Duration::from_secs(60), back)
            .await
            .expect("a place of their own");
        assert!(begin(Urgency::Backlog).is_none());
    }
}
