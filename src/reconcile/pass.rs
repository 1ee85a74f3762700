//! One pass over one resource, from its beginning to what comes next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::claims::Learned;
use super::context::Context;
use super::decide::holds;
use super::drift::found_words;
use super::due::{Due, RetryInputs};
use super::next_action::{End, Next, Timing, next_action};
use super::object_state::{Entry, Live};
use super::report::{self, StatusUpdate};
use super::{convert, deletion_grace, secret_refs};
use crate::RECONCILE_ANNOTATION;
use crate::api::{AppliedSetting, ObservedSecret, VodMessageCallback, VodMessageCallbackStatus};
use crate::domain::FieldDifference;
use crate::events::Notice;
use crate::ownership::ObjectName;
use crate::schedule::next_check;
use crate::status::{Reason, ready_reason};

/// One resource as a pass sees it.
pub struct Pass {
    /// What all share.
    pub ctx: Arc<Context>,
    /// The resource as it was when its turn came.
    pub resource: Arc<VodMessageCallback>,
    /// Its name.
    pub name: ObjectName,
    /// Its uid.
    pub uid: String,
    /// What is remembered of it.
    pub entry: Arc<Entry>,
    /// What a retry of this pass would depend on.
    pub inputs: RetryInputs,
    /// Its status as this process knows it.
    pub status: VodMessageCallbackStatus,
    /// How often it is checked.
    pub interval: Duration,
    /// Why it is looked at.
    pub due: Due,
    seen: Mutex<Seen>,
    /// A rival came or went before it began.
    pub(super) for_ownership: AtomicBool,
}

/// What a pass found out, also one that fails later.
#[derive(Clone, Default)]
pub struct Seen {
    /// The Secrets that it read.
    pub secrets: Vec<ObservedSecret>,
    /// Whose account it is. A resource that waits for its owner to go must know it after a restart.
    pub learned: Learned,
    /// Whether the credentials could be had.
    pub resolved: bool,
    /// Whether STS or the service accepted them.
    pub accepted: bool,
    /// The service's address.
    pub endpoint: Option<String>,
    /// What was sent by a Set that has no answer yet.
    pub sent: Option<AppliedSetting>,
    /// What is told of the setting of another account, which stays where it is.
    pub left_behind: Option<Notice>,
    /// Drift that is being corrected.
    pub drift: Option<Vec<FieldDifference>>,
}

impl Pass {
    /// A pass over a resource that nothing is due for as far as is known.
    pub(super) fn of(ctx: &Arc<Context>, resource: Arc<VodMessageCallback>) -> Self {
        let uid = resource.uid().unwrap_or_default();
        let entry = ctx.object_states.of(&uid);
        Self {
            ctx: Arc::clone(ctx),
            name: ObjectName::of(resource.as_ref()),
            interval: convert::check_interval(&resource.spec, ctx.defaults.check_interval),
            status: report::current_status(&resource, &entry),
            inputs: retry_inputs(ctx, &resource),
            due: Due::Nothing(None),
            uid,
            entry,
            resource,
            seen: Mutex::default(),
            for_ownership: AtomicBool::new(false),
        }
    }

    /// Its turn has come: what is told of its ownership from now on is for the next pass, and so is what came after the
    /// look where nothing was due that would ask for it.
    pub fn begin(&self) {
        let mut state = self.entry.lock();
        let judges = !matches!(self.due, Due::Nothing(_) | Due::WriteStatus | Due::Suspend);
        let told = judges && std::mem::take(&mut state.ownership_changed);
        let retry = state.schedule.as_ref().and_then(|schedule| schedule.retry.as_ref());
        // What failed before says nothing of what is asked for now.
        if retry.is_some_and(|retry| !retry.inputs.still_hold(&self.inputs)) {
            state.backoff.reset();
            state.asks_anew = false;
        }
        drop(state);
        self.for_ownership.store(told, Ordering::Relaxed);
    }

    /// What was found out so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock()
    }

    /// Whether nothing has been said of it yet.
    pub fn is_fresh(&self) -> bool {
        self.status.is_fresh()
    }

    /// Whether the status speaks of the present generation.
    pub fn is_spoken_of(&self) -> bool {
        self.status.observed_generation == Some(self.inputs.generation)
    }

    /// Whether the status says that the present generation is held by the service.
    pub fn holds_generation(&self) -> bool {
        holds(&self.status, self.inputs.generation)
    }

    /// Whether the status says of the present generation that somebody else has a hand in the setting.
    pub fn is_disputed(&self) -> bool {
        let reason = ready_reason(&self.status.conditions);
        self.is_spoken_of() && matches!(reason, Some(Reason::Conflict | Reason::Contested))
    }

    /// The account that the setting is of, also while the credentials are refused and the status names none for them.
    pub fn account(&self) -> Option<String> {
        let told = self.status.account_of_the_setting().map(str::to_owned);
        told.or_else(|| self.entry.lock().account.clone())
    }

    /// Writes what came of it, then tells the events: in this order, so that what they say can be looked up.
    pub async fn report(&self, update: StatusUpdate) {
        Box::pin(report::write(&self.ctx, &self.resource, &self.entry, &update)).await;
        if let Some(drift) = &update.drift {
            let outcome = drift.outcome.as_str();
            self.ctx.metrics.drift(outcome);
            tracing::info!(outcome, fields = %found_words(&drift.found), "the setting was found changed at the service");
        }
        if update.outcome.as_ref().is_some_and(|outcome| outcome.reason.is_ready()) {
            self.ctx.events.well(&self.uid);
        }
        self.tell(update.events);
    }

    /// Tells notices.
    pub fn tell(&self, notices: impl IntoIterator<Item = Notice>) {
        for notice in notices {
            self.ctx.events.publish(&self.resource.metadata, notice);
        }
        // The watch may have told of its end already; nobody else would forget it then.
        if self.ctx.stores.held(&self.name).is_none() {
            self.ctx.events.forget(&self.uid);
        }
    }

    /// Notes when it is looked at next.
    pub fn end(&self, end: End, began: Instant) {
        let until_check = until_next_check(&self.ctx, &self.uid, self.interval);
        let now = Instant::now();
        let mut state = self.entry.lock();
        // One that ends before it has judged leaves it to the next.
        state.ownership_changed |= self.for_ownership.load(Ordering::Relaxed) && end == End::Outdated;
        let state = &mut *state;
        let asks_anew = matches!(end, End::Stalled { asked_anew: Some(_) });
        let timing = Timing {
            deleting: self.inputs.deleting,
            until_release: self.until_release(),
            suspended: self.resource.spec.suspend,
            until_check,
            asked_anew: std::mem::replace(&mut state.asks_anew, asks_anew),
        };
        let Some(schedule) = state.schedule.as_mut() else {
            return;
        };
        let next = next_action(end, &timing, &mut state.backoff);
        if matches!(next, Next::AwaitChange | Next::ScheduledCheck | Next::Retry(_)) {
            state.found_at = None;
        }
        schedule.go_on(next, began, now, until_check, || {
            let mut inputs = self.inputs.clone();
            if next != Next::Head {
                inputs.read.clone_from(&self.seen().secrets);
            }
            inputs
        });
    }

    /// How long until the grace period of its deletion ends.
    pub fn until_release(&self) -> Duration {
        deletion_grace::until_release(&self.resource.metadata, self.ctx.defaults.deletion_grace)
    }

    /// Notes what is known of the live setting.
    pub fn note_live(&self, live: Live) {
        self.entry.lock().live = live;
    }
}

/// Checks fall on moments spread by uid; all resources of one setting share the oldest one's, and so one read.
pub(super) fn until_next_check(ctx: &Context, uid: &str, interval: Duration) -> Duration {
    let phase = ctx.ownership().group_phase_uid(uid);
    next_check(&phase, interval, Timestamp::now())
}

fn retry_inputs(ctx: &Context, resource: &VodMessageCallback) -> RetryInputs {
    let namespace = resource.namespace().unwrap_or_default();
    let version = |name: String| {
        let version = ctx.secrets.version(&namespace, &name);
        (name, version)
    };
    RetryInputs {
        generation: resource.metadata.generation.unwrap_or_default(),
        requested: resource.annotations().get(RECONCILE_ANNOTATION).cloned(),
        secrets: secret_refs::referenced(&resource.spec)
            .into_iter()
            .map(version)
            .collect(),
        read: Vec::new(),
        deleting: resource.metadata.deletion_timestamp.is_some(),
    }
}
