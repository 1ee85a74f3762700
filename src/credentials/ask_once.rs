//! Questions about credentials that many ask at once: each is asked once, for all who wait, and what came of it is
//! remembered. A failure is one too, for a time that grows from a second, and only for the address that gave it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::cloud::EndpointUrl;
use crate::domain::CredentialId;

/// What nobody asked for in this time, and does not answer any more, is dropped.
const IDLE: Duration = Duration::from_secs(7200);
/// The same for what still does: a day and more, so that it outlasts the longest usual interval between two checks.
const IDLE_BUT_GOOD: Duration = Duration::from_secs(90_000);
/// How often that is looked after.
const SWEEP: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the same question, put to another address, is waited for before it is put to one's own.
const PATIENCE: Duration = Duration::from_secs(1);

/// How good an answer still is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    Good,
    /// It still holds, but a new one is due.
    Renew,
    Gone,
}

/// An answer that is kept.
pub(super) trait Held: Clone + Send + 'static {
    fn freshness(&self, now: Instant) -> Freshness;
}

/// Why there is no answer.
pub(super) trait Refusal: Clone + Send + 'static {
    /// Whether asking again at once would bring the same. Otherwise it is not remembered.
    fn lasts(&self) -> bool;

    /// The same, told to somebody who has not asked: from `until` on it is asked anew.
    fn remembered(self, until: Instant) -> Self {
        let _ = until;
        self
    }
}

type Ask<V, E> = BoxFuture<'static, Result<V, E>>;
type Asking<V, E> = Shared<Ask<V, E>>;

/// The answers, by credential.
pub(super) struct AskOnce<V: Held, E: Refusal>(Arc<Mutex<Answers<V, E>>>);

struct Answers<V: Held, E: Refusal> {
    by_id: HashMap<CredentialId, Answer<V, E>>,
    swept: Instant,
}

struct Answer<V: Held, E: Refusal> {
    used: Instant,
    value: Option<V>,
    /// Dropped with the last who waits for it, so that the next one asks anew.
    asking: HashMap<EndpointUrl, WeakShared<Ask<V, E>>>,
    failed: HashMap<EndpointUrl, Failed<E>>,
}

struct Failed<E> {
    error: E,
    until: Instant,
    pause: Duration,
}

/// What a caller is to do.
enum Next<V: Held, E: Refusal> {
    Take(Result<V, E>),
    Await { asking: Asking<V, E>, old: Option<V> },
    AwaitOther { asking: Asking<V, E>, ask: Ask<V, E> },
}

impl<V: Held + Sync, E: Refusal + Sync> AskOnce<V, E> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Answers {
            by_id: HashMap::new(),
            swept: Instant::now(),
        })))
    }

    /// The answer about `id`; `ask` puts the question to `at` if nobody has, and its failure is remembered for `at`.
    pub(super) async fn get(
        &self,
        id: CredentialId,
        at: &EndpointUrl,
        ask: impl Future<Output = Result<V, E>> + Send + 'static,
    ) -> Result<V, E> {
        // Boxed at once: what is passed on from here is passed by value, and questions are large.
        let ask = ask.boxed();
        let mut next = self.next(id, at, true, ask);
        if let Next::AwaitOther { asking, ask } = next {
            if let Ok(Ok(value)) = tokio::time::timeout(PATIENCE, asking).await {
                return Ok(value);
            }
            next = self.next(id, at, false, ask);
        }
        match next {
            Next::Take(result) => result,
            Next::Await { asking, old } => {
                let result = asking.await;
                // An old answer is used to its end before a failed renewal is anybody's trouble.
                let old = old.filter(|old| old.freshness(Instant::now()) != Freshness::Gone);
                result.or_else(|error| old.ok_or(error))
            }
            Next::AwaitOther { asking, .. } => asking.await,
        }
    }

    /// Drops the answer about `id` if it is the one that `is_meant` knows: a newer one stays.
    pub(super) fn invalidate(&self, id: &CredentialId, is_meant: impl Fn(&V) -> bool) {
        if let Some(answer) = self.0.lock().by_id.get_mut(id) {
            answer.value.take_if(|value| is_meant(value));
        }
    }

    fn next(&self, id: CredentialId, at: &EndpointUrl, patient: bool, ask: Ask<V, E>) -> Next<V, E> {
        let now = Instant::now();
        let mut answers = self.0.lock();
        answers.sweep(now);
        let answer = answers.by_id.entry(id).or_insert_with(|| Answer::new(now));
        answer.used = now;
        let old = match answer.value.as_ref().map(|value| (value, value.freshness(now))) {
            Some((value, Freshness::Good)) => return Next::Take(Ok(value.clone())),
            Some((value, Freshness::Renew)) => Some(value.clone()),
            Some((_, Freshness::Gone)) | None => None,
        };
        let own = answer.asking.get(at).and_then(WeakShared::upgrade);
        let failed = answer.failed.get(at).filter(|failed| now < failed.until);
        match (own, old, failed) {
            (Some(_), Some(old), _) | (None, Some(old), Some(_)) => Next::Take(Ok(old)),
            (Some(asking), None, _) => Next::Await { asking, old: None },
            (None, None, Some(failed)) => Next::Take(Err(failed.error.clone().remembered(failed.until))),
            (None, old, None) => {
                let other = answer.asking.values().find_map(WeakShared::upgrade);
                if let Some(asking) = other.filter(|_| patient) {
                    return match old {
                        Some(old) => Next::Take(Ok(old)),
                        None => Next::AwaitOther { asking, ask },
                    };
                }
                let asking = remembered(Arc::clone(&self.0), id, at.clone(), ask).boxed().shared();
                if let Some(weak) = asking.downgrade() {
                    answer.asking.insert(at.clone(), weak);
                }
                Next::Await { asking, old }
            }
        }
    }
}

/// Asks, and notes what came of it for those who come later.
async fn remembered<V: Held, E: Refusal>(
    answers: Arc<Mutex<Answers<V, E>>>,
    id: CredentialId,
    at: EndpointUrl,
    ask: Ask<V, E>,
) -> Result<V, E> {
    let result = ask.await;
    let mut answers = answers.lock();
    let now = Instant::now();
    let answer = answers.by_id.entry(id).or_insert_with(|| Answer::new(now));
    answer.asking.remove(&at);
    match &result {
        Ok(value) => {
            answer.value = Some(value.clone());
            answer.failed.clear();
        }
        Err(error) if error.lasts() => {
            let before = answer.failed.get(&at).map(|failed| failed.pause);
            let pause = before.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
            let failed = Failed {
                error: error.clone(),
                until: now + pause,
                pause,
            };
            answer.failed.insert(at, failed);
        }
        Err(_) => {}
    }
    result
}

impl<V: Held, E: Refusal> Answers<V, E> {
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) >= SWEEP {
            self.swept = now;
            self.by_id.retain(|_, answer| {
                let is_good = |value: &V| value.freshness(now) == Freshness::Good;
                let most = match answer.value.as_ref().is_some_and(is_good) {
                    true => IDLE_BUT_GOOD,
                    false => IDLE,
                };
                now.duration_since(answer.used) < most
            });
        }
    }
}

impl<V: Held, E: Refusal> Answer<V, E> {
    fn new(now: Instant) -> Self {
        Self {
            used: now,
            value: None,
            asking: HashMap::new(),
            failed: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
