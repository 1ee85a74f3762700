use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::window::{Answered, Room, Window};
use super::{SECOND, Urgency};
use crate::cloud::Operation;
use crate::domain::AccountKey;

/// A rest longer than this is handed back to the caller instead of being waited out.
const PATIENCE: Duration = Duration::from_secs(2);
/// Accounts that have been idle for this long are forgotten.
const IDLE: Duration = Duration::from_secs(600);
/// No hint is followed for longer.
const LONGEST_HINT: Duration = Duration::from_secs(300);

/// Why no call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPermit {
    /// The account rests, as the service asked.
    Rests {
        /// Not before this.
        until: Instant,
    },
    /// Whoever waited has something newer to do.
    Interrupted,
}

/// Keeps every account within its quota, as the service measures it, and changes before checks.
pub struct Calls {
    qps: usize,
    state: Mutex<State>,
    on_wait: Box<dyn Fn(Duration) + Send + Sync>,
}

struct State {
    opens_at: Instant,
    accounts: HashMap<AccountKey, Account>,
    next: u64,
}

struct Account {
    windows: [Window; 3],
    waiting: [BTreeSet<(Urgency, u64)>; 3],
    rests_until: Instant,
    used: Instant,
    /// Something changed that a waiting call may go on for.
    changed: Arc<Notify>,
}

enum Step {
    Go(u64),
    Rests(Instant),
    Wait(Option<Instant>),
}

impl Calls {
    /// `qps` calls a second for each account and operation. `on_wait` is told how long each call waited.
    pub fn new(qps: u32, on_wait: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        let state = State {
            opens_at: Instant::now(),
            accounts: HashMap::new(),
            next: 0,
        };
        Self {
            qps: usize::try_from(qps).unwrap_or(usize::MAX).max(1),
            state: Mutex::new(state),
            on_wait: Box::new(on_wait),
        }
    }

    /// Calls nothing for a second: what a predecessor called in its last second is not known.
    pub fn be_silent(&self) {
        self.state().opens_at = Instant::now() + SECOND;
    }

    /// The calls of a predecessor count for so long, and no longer.
    pub fn silent_for(&self, left: Duration) {
        let until = Instant::now() + left;
        let mut state = self.state();
        state.opens_at = state.opens_at.min(until);
        state
            .accounts
            .values()
            .for_each(|account| account.changed.notify_waiters());
    }

    /// Waits until a call may be made.
    ///
    /// # Errors
    /// When the account rests for longer than is worth waiting for, or `interrupted` says that something newer is to
    /// be done.
    pub async fn permit(
        self: &Arc<Self>,
        account: &AccountKey,
        operation: Operation,
        urgency: Urgency,
        interrupted: &CancellationToken,
    ) -> Result<Permit, NoPermit> {
        let asked = Instant::now();
        let mut waiter = None;
        let changed = Arc::clone(&self.state().account(self.qps, account, asked).changed);
        loop {
            let notified = changed.notified();
            tokio::pin!(notified);
            // Before the look, so that nothing that changes after it is missed.
            notified.as_mut().enable();
            let step = self
                .state()
                .step(self.qps, account, operation, urgency, &mut waiter, self);
            match step {
                Step::Go(call) => {
                    drop(waiter);
                    (self.on_wait)(asked.elapsed());
                    return Ok(Permit {
                        calls: Arc::clone(self),
                        account: account.clone(),
                        operation,
                        call: Some(call),
                        is_sent: false,
                    });
                }
                Step::Rests(until) => return Err(NoPermit::Rests { until }),
                Step::Wait(until) => {
                    let woken = async {
                        match until {
                            Some(until) => tokio::select! {
                                () = notified => {}
                                () = sleep_until(until) => {}
                            },
                            None => notified.await,
                        }
                    };
                    tokio::select! {
                        biased;
                        () = interrupted.cancelled() => return Err(NoPermit::Interrupted),
                        () = woken => {}
                    }
                }
            }
        }
    }

    /// The service asks an account to rest. Returns until when, where it named a time.
    pub fn rest(&self, account: &AccountKey, hint: Option<Duration>) -> Option<Instant> {
        let now = Instant::now();
        let until = now + hint?.min(LONGEST_HINT);
        let mut state = self.state();
        let account = state.account(self.qps, account, now);
        account.rests_until = account.rests_until.max(until);
        Some(account.rests_until)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn account(&mut self, qps: usize, key: &AccountKey, now: Instant) -> &mut Account {
        if !self.accounts.contains_key(key) {
            self.accounts.retain(|_, account| !account.is_idle(now));
        }
        let account = self
            .accounts
            .entry(key.clone())
            .or_insert_with(|| Account::new(qps, now));
        account.used = now;
        account
    }

    fn step(
        &mut self,
        qps: usize,
        key: &AccountKey,
        operation: Operation,
        urgency: Urgency,
        waiter: &mut Option<Waiter>,
        calls: &Arc<Calls>,
    ) -> Step {
        let now = Instant::now();
        let opens_at = self.opens_at;
        self.next += 1;
        let number = self.next;
        let account = self.account(qps, key, now);
        let op = operation.index();
        let (Some(waiting), Some(window)) = (account.waiting.get_mut(op), account.windows.get_mut(op)) else {
            return Step::Wait(None);
        };
        let place = waiter
            .get_or_insert_with(|| {
                waiting.insert((urgency, number));
                Waiter {
                    calls: Arc::clone(calls),
                    account: key.clone(),
                    operation: op,
                    place: (urgency, number),
                }
            })
            .place;
        if account.rests_until > now + PATIENCE {
            return Step::Rests(account.rests_until);
        }
        let not_before = account.rests_until.max(opens_at);
        if not_before > now {
            return Step::Wait(Some(not_before));
        }
        if waiting.first() != Some(&place) {
            return Step::Wait(None);
        }
        match window.take(urgency, now) {
            Room::Now(call) => {
                waiting.remove(&place);
                Step::Go(call)
            }
            Room::At(at) => Step::Wait(Some(at)),
            Room::AfterAnAnswer => Step::Wait(None),
        }
    }
}

impl Account {
    fn new(qps: usize, now: Instant) -> Self {
        Self {
            windows: std::array::from_fn(|_| Window::new(qps, now)),
            waiting: Default::default(),
            rests_until: now,
            used: now,
            changed: Arc::default(),
        }
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        now.duration_since(self.used) > IDLE
            && self.rests_until <= now
            && self.waiting.iter().all(BTreeSet::is_empty)
            && self.windows.iter_mut().all(|window| window.is_plain(now))
    }
}

/// A place among those who wait for a call; given up when dropped.
struct Waiter {
    calls: Arc<Calls>,
    account: AccountKey,
    operation: usize,
    place: (Urgency, u64),
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = self.calls.state();
        if let Some(account) = state.accounts.get_mut(&self.account) {
            if let Some(waiting) = account.waiting.get_mut(self.operation) {
                waiting.remove(&self.place);
            }
            account.changed.notify_waiters();
        }
    }
}

/// The right to make one call.
pub struct Permit {
    calls: Arc<Calls>,
    account: AccountKey,
    operation: Operation,
    call: Option<u64>,
    is_sent: bool,
}

impl Permit {
    /// From now on the call counts, whatever becomes of it.
    pub fn send(&mut self) {
        self.is_sent = true;
    }

    /// The call was answered, or not.
    pub fn answered(mut self, how: Answered) {
        self.end(how);
    }

    fn end(&mut self, how: Answered) {
        let Some(call) = self.call.take() else { return };
        let mut state = self.calls.state();
        if let Some(account) = state.accounts.get_mut(&self.account) {
            if let Some(window) = account.windows.get_mut(self.operation.index()) {
                if self.is_sent {
                    window.answered(call, how, Instant::now());
                } else {
                    window.unused(call);
                }
            }
            account.changed.notify_waiters();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.end(Answered::Lost);
    }
}

#[cfg(test)]
mod tests;
