use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};

use super::spacing::{SECOND, Spacing};
use super::{Operation, Urgency};
use crate::domain::AccountKey;

/// A pause longer than this is handed back to the caller instead of being waited out.
const PATIENCE: Duration = Duration::from_secs(2);
/// Accounts that have been idle for this long are forgotten.
const IDLE: Duration = Duration::from_secs(600);

/// The account rests after a throttled answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Not before this.
    pub until: Instant,
}

/// Keeps every account within its quota, as the service measures it: a slot is given back a second after the answer
/// of its call, when the service has surely counted it, so that no delay on the way can pack more calls into a second.
pub struct Limiter {
    qps: usize,
    opens_at: Mutex<Instant>,
    accounts: Mutex<HashMap<AccountKey, Arc<Account>>>,
    on_wait: Box<dyn Fn(Duration) + Send + Sync>,
}

struct Account {
    lanes: [Lane; 3],
    spacing: Mutex<Spacing>,
    used: Mutex<Instant>,
}

struct Lane {
    all: Arc<Semaphore>,
    checks: Arc<Semaphore>,
}

impl Limiter {
    /// `qps` calls a second for each account and operation. `on_wait` is told how long each call waited.
    pub fn new(qps: u32, on_wait: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        let qps = usize::try_from(qps)
            .unwrap_or(usize::MAX)
            .clamp(1, Semaphore::MAX_PERMITS);
        Self {
            qps,
            opens_at: Mutex::new(Instant::now()),
            accounts: Mutex::default(),
            on_wait: Box::new(on_wait),
        }
    }

    /// To be called when this process begins to work, also when it takes over from another: what a predecessor called
    /// in its last second is not known, so nothing is called before that has passed.
    pub fn begin_term(&self) {
        *self.opens_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + SECOND;
    }

    /// Waits for a slot. Checks leave a fifth of the quota to changes.
    ///
    /// # Errors
    /// [`Paused`] when the account rests for longer than is worth waiting for.
    pub async fn acquire(&self, account: &AccountKey, operation: Operation, urgency: Urgency) -> Result<Slot, Paused> {
        let asked = Instant::now();
        let account = self.account(account, asked);
        let lane = account.lane(operation);
        let opens_at = *self.opens_at.lock().unwrap_or_else(PoisonError::into_inner);
        if asked < opens_at {
            sleep_until(opens_at).await;
        }
        // A semaphore is only closed by its owner, which this is, and never does.
        let check = match urgency {
            Urgency::Check => Arc::clone(&lane.checks).acquire_owned().await.ok(),
            Urgency::Change => None,
        };
        let permit = Arc::clone(&lane.all).acquire_owned().await.ok();
        let slot = Slot {
            permits: Some((permit, check)),
            account,
        };
        loop {
            let until = slot.account.paused_until();
            let now = Instant::now();
            if until <= now {
                break;
            }
            if until - now > PATIENCE {
                // Nothing was called, so the slot is free at once.
                slot.unused();
                return Err(Paused { until });
            }
            sleep_until(until).await;
        }
        (self.on_wait)(asked.elapsed());
        Ok(slot)
    }

    /// The service said that an account's calls come too fast, and perhaps for how long to rest.
    pub fn throttled(&self, account: &AccountKey, hint: Option<Duration>) {
        let now = Instant::now();
        let account = self.account(account, now);
        account
            .spacing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .throttled(now, hint);
    }

    fn account(&self, key: &AccountKey, now: Instant) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(key) {
            *account.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
            return Arc::clone(account);
        }
        accounts.retain(|_, account| !account.is_idle(now));
        let lane = || Lane {
            all: Arc::new(Semaphore::new(self.qps)),
            checks: Arc::new(Semaphore::new((self.qps - (self.qps / 5).max(1)).max(1))),
        };
        let account = Arc::new(Account {
            lanes: [lane(), lane(), lane()],
            spacing: Mutex::new(Spacing::new(now)),
            used: Mutex::new(now),
        });
        accounts.insert(key.clone(), Arc::clone(&account));
        account
    }
}

impl Account {
    fn lane(&self, operation: Operation) -> &Lane {
        let [get, set, delete] = &self.lanes;
        match operation {
            Operation::Get => get,
            Operation::Set => set,
            Operation::Delete => delete,
        }
    }

    fn paused_until(&self) -> Instant {
        self.spacing.lock().unwrap_or_else(PoisonError::into_inner).paused_until
    }

    fn is_idle(&self, now: Instant) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        now.duration_since(used) > IDLE
            && self
                .spacing
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_plain(now)
    }
}

type Permits = (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>);

/// The right to make one call; drop it when the answer is there.
pub struct Slot {
    permits: Option<Permits>,
    account: Arc<Account>,
}

impl Slot {
    fn unused(mut self) {
        self.permits = None;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(permits) = self.permits.take() {
            let hold = self
                .account
                .spacing
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .hold(Instant::now());
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move {
                    sleep(hold).await;
                    drop(permits);
                });
            }
        }
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
