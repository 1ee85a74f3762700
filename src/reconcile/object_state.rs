//! What this process remembers of each resource. Nothing in it is needed to be right after a restart.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::deletion_grace::LateAttempts;
use super::due::{Retry, RetryInputs};
use super::facts::UnnamedSet;
use super::next_action::Next;
use super::resource_version::is_newer;
use crate::api::VodMessageCallbackStatus;
use crate::schedule::{Backoff, Contest, FailingChecks};
use crate::status::{Reason, ready_reason};

/// One resource.
#[derive(Default)]
pub struct ObjectState {
    /// When it is looked at next; absent until it is first looked at.
    pub schedule: Option<Schedule>,
    /// The generation that was there already when work began, until a pass has dealt with it.
    pub found_at: Option<i64>,
    /// How long to wait after the next failure.
    pub backoff: Backoff,
    /// Checks that fail.
    pub failing: FailingChecks,
    /// Corrections that did not last.
    pub contest: Contest,
    /// A rival came or went, and it was not looked at since.
    pub ownership_changed: bool,
    /// What is known of the live setting.
    pub live: Live,
    /// The Sets of this process.
    pub sets: Sets,
    /// The status as this process knows it better than the watch.
    pub status: StatusCopy,
    /// The resourceVersion that the last write of ours got, which the watch may not show yet.
    pub written_at: Option<String>,
    /// Attempts of a deletion whose grace period was over.
    pub late_attempts: LateAttempts,
    /// The last account that the status named.
    pub account: Option<String>,
    /// The credentials that stand for the account which the ownership index knows.
    pub proven_with: Option<ProvenWith>,
    /// Whether something may be set that the status did not name when its deletion was first looked at.
    pub unnamed_set: Option<UnnamedSet>,
    /// It went by what another one was refused.
    pub asks_anew: bool,
    /// Its deletion was seen while its policy was to remove the setting.
    pub was_to_be_removed: bool,
    /// Our finalizer was taken off, which the watch may not show yet.
    pub is_released: bool,
    /// What the metric counts it under.
    pub shown: Shown,
}

/// Credentials that were accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenWith {
    /// See [`super::secret_refs::credentials_mark`].
    pub mark: u64,
    /// The version of their Secret that was read, where they are in one.
    pub version: Option<String>,
}

/// When a resource is looked at next.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The next scheduled check.
    pub next_check: Instant,
    /// A retry that is waited for.
    pub retry: Option<Retry>,
    /// It was throttled: it goes on at the head of its line, and with what it read at or after this.
    pub head: Option<Instant>,
}

impl Schedule {
    /// Of a resource that this process has not looked at before: its check comes at its moment, not at once.
    pub fn first(now: Instant, until_check: Duration) -> Self {
        Self {
            next_check: now + until_check,
            retry: None,
            head: None,
        }
    }

    /// A pass that began at `began` has ended, and that is what comes next. `inputs` is what it went by.
    pub fn go_on(
        &mut self,
        next: Next,
        began: Instant,
        now: Instant,
        until_check: Duration,
        inputs: impl FnOnce() -> RetryInputs,
    ) {
        match next {
            Next::AwaitChange => self.retry = None,
            Next::ScheduledCheck => {
                self.retry = None;
                self.next_check = now + until_check;
            }
            Next::Retry(wait) => {
                self.next_check = now + until_check;
                self.retry = Some(Retry {
                    at: now + wait,
                    inputs: inputs(),
                });
            }
            // What was read for this attempt serves the next one too, unless the user changed something.
            Next::Head => {
                self.head = Some(self.head.unwrap_or(began));
                // Also a check that was asked for, and was answered as far as the annotation is concerned.
                self.retry = Some(Retry {
                    at: now,
                    inputs: inputs(),
                });
            }
            Next::Again | Next::AsBefore => {}
        }
        if next != Next::Head {
            self.head = None;
        }
    }
}

/// What this process knows of the live setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Live {
    /// It was not read, or a call that changed it had no answer.
    #[default]
    Unknown,
    /// It was read, and every call that changed it since was answered.
    Known,
    /// A Set succeeded whose read-back did not: it is made up for soon, before others change the setting.
    ReadBackDue,
}

/// Whether a Set was sent for a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sets {
    /// Perhaps by a process before this one.
    #[default]
    Unknown,
    /// This process has seen it from its creation and sent none.
    None,
    /// This process sent one.
    Sent,
}

/// The status as this process knows it.
#[derive(Default)]
pub enum StatusCopy {
    /// As the watch shows it.
    #[default]
    Watched,
    /// It was written and got this resourceVersion, which the watch has not shown yet.
    Written {
        /// The version that holds it.
        version: String,
        /// The status.
        status: Box<VodMessageCallbackStatus>,
    },
    /// The API server has not taken it yet: without it a call that was made would be made again.
    Unwritten {
        /// The status.
        status: Box<VodMessageCallbackStatus>,
        /// When it is tried again.
        not_before: Instant,
    },
}

impl StatusCopy {
    /// When a status that waits to be written is tried again.
    pub fn unwritten(&self) -> Option<Instant> {
        match self {
            Self::Unwritten { not_before, .. } => Some(*not_before),
            Self::Watched | Self::Written { .. } => None,
        }
    }
}

/// What the metric counts a resource under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Not looked at yet.
    #[default]
    Nothing,
    /// The Ready condition's reason.
    Reason(Reason),
    /// Observed, and the service holds something else.
    ObservedDrift,
    /// Its deletion is under way.
    Deleting,
}

impl Shown {
    /// What a status says.
    pub fn of(status: &VodMessageCallbackStatus) -> Option<Self> {
        Some(match ready_reason(&status.conditions)? {
            Reason::Observed if !status.differences.is_empty() => Self::ObservedDrift,
            reason => Self::Reason(reason),
        })
    }
}

/// A resource's state, shared by those who look at it.
#[derive(Default)]
pub struct Entry {
    state: Mutex<ObjectState>,
    /// Held while it is said that the resource waits for its turn, so that this cannot come after what its pass says.
    pub speaks: tokio::sync::Mutex<()>,
    /// Held while others ask for its account, so that one asks for all.
    pub asked: tokio::sync::Mutex<()>,
}

impl Entry {
    /// Locks the state; never held across an await.
    pub fn lock(&self) -> MutexGuard<'_, ObjectState> {
        self.state.lock()
    }
}

/// All resources, by uid.
#[derive(Default)]
pub struct ObjectStates(Mutex<HashMap<String, Arc<Entry>>>);

impl ObjectStates {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Entry>>> {
        self.0.lock()
    }

    /// The state of one resource, made if new.
    pub fn of(&self, uid: &str) -> Arc<Entry> {
        let mut all = self.all();
        if let Some(entry) = all.get(uid) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(Entry::default());
        all.insert(uid.to_owned(), Arc::clone(&entry));
        entry
    }

    /// The state of one resource, if it has one.
    pub fn find(&self, uid: &str) -> Option<Arc<Entry>> {
        self.all().get(uid).cloned()
    }

    /// The store shows this version of a resource: a status that it has caught up with need not be kept apart.
    pub fn caught_up(&self, uid: &str, seen: &str) {
        let Some(entry) = self.find(uid) else { return };
        let mut state = entry.lock();
        state.written_at.take_if(|version| !is_newer(version, seen));
        if let StatusCopy::Written { version, .. } = &state.status
            && !is_newer(version, seen)
        {
            state.status = StatusCopy::Watched;
        }
    }

    /// Those whose status waits to be written.
    pub fn unwritten(&self) -> HashSet<String> {
        let all = self.all();
        let unwritten = all
            .iter()
            .filter(|(_, entry)| entry.lock().status.unwritten().is_some());
        unwritten.map(|(uid, _)| uid.clone()).collect()
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, uid: &str) {
        self.all().remove(uid);
    }

    /// How many resources stand at each Ready reason.
    pub fn states(&self) -> BTreeMap<&'static str, i64> {
        let mut counts = BTreeMap::new();
        for entry in self.all().values() {
            let shown = match entry.lock().shown {
                Shown::Nothing => continue,
                Shown::Reason(reason) => reason.as_str(),
                Shown::ObservedDrift => Reason::Observed.as_str(),
                Shown::Deleting => "Deleting",
            };
            *counts.entry(shown).or_insert(0) += 1;
        }
        counts
    }

    /// How many resources are only observed, and the service holds something else.
    pub fn observed_drift(&self) -> i64 {
        let drifted = |entry: &Arc<Entry>| entry.lock().shown == Shown::ObservedDrift;
        i64::try_from(self.all().values().filter(|entry| drifted(entry)).count()).unwrap_or(i64::MAX)
    }

    /// How many resources say that their checks fail.
    pub fn checks_failing(&self) -> i64 {
        let failing = |entry: &Arc<Entry>| entry.lock().failing.are_told();
        i64::try_from(self.all().values().filter(|entry| failing(entry)).count()).unwrap_or(i64::MAX)
    }
}
