//! One look at one resource, from its beginning to what comes next.

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
use super::due::{Due, Retry, RetryInputs, SecretVersion, View, due};
use super::failure::Failure;
use super::next_action::{End, Facts, Next, next_action};
use super::object_state::{Entry, Live, Schedule, Sets, Shown};
use super::report::{self, StatusUpdate, current_status};
use super::{claims, cleanup, convert, facts, finalizer, secrets};
use crate::RECONCILE_ANNOTATION;
use crate::api::{AppliedSetting, ObservedSecret, VodMessageCallback, VodMessageCallbackStatus};
use crate::domain::FieldDifference;
use crate::events::Notice;
use crate::ownership::{ObjectName, Ownership};
use crate::quota::{Line, Owner, Urgency};
use crate::schedule::{Contest, next_check};
use crate::service::Access;
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
    for_ownership: AtomicBool,
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
    /// Looks at a resource: what is due for it now.
    pub fn look(ctx: &Arc<Context>, resource: Arc<VodMessageCallback>) -> Self {
        let now = Instant::now();
        let uid = resource.uid().unwrap_or_default();
        claims::take_over(ctx, &resource);
        let entry = ctx.object_states.of(&uid);
        let status = current_status(&resource, &entry);
        let inputs = retry_inputs(ctx, &resource);
        let interval = convert::check_interval(&resource.spec, ctx.defaults.check_interval);
        // One that has to wait for the answer is woken, or looked at again when its Secrets are seen.
        let takes_over = ready_reason(&status.conditions) == Some(Reason::Conflict)
            && ctx.ownership().ownership_of(&uid) == Ownership::Owner;
        let due = {
            let mut state = entry.lock();
            if state.schedule.is_none() {
                state.schedule = Some(Schedule {
                    next_check: now + until_next_check(ctx, &uid, interval),
                    retry: None,
                    head: None,
                });
                let created = resource.metadata.creation_timestamp.as_ref();
                let is_old = created.is_none_or(|created| created.0 < ctx.began);
                state.found_at = is_old.then_some(inputs.generation);
                if status.is_fresh() && !finalizer::is_on(&resource) {
                    state.sets = Sets::None;
                }
                let said = ready_reason(&status.conditions).filter(|reason| !reason.is_ready());
                if let Some(trouble) = said.filter(|_| status.observed_generation == Some(inputs.generation)) {
                    ctx.events.was_told(&uid, inputs.generation, trouble);
                }
                if ready_reason(&status.conditions) == Some(Reason::Contested) {
                    let last = status.last_applied_time.as_ref();
                    let since = last.map_or(Timestamp::now(), |time| time.0);
                    let since = Duration::try_from(Timestamp::now().duration_since(since));
                    state.contest = Contest::resumed_contested(now, since.unwrap_or_default());
                }
            }
            if status.account_id.is_some() {
                state.account.clone_from(&status.account_id);
            }
            state.was_to_be_removed |= inputs.deleting && !facts::keeps(&resource.spec);
            state.shown = match inputs.deleting {
                true => Shown::Deleting,
                false => Shown::Reason(ready_reason(&status.conditions).unwrap_or(Reason::Progressing)),
            };
            // An owner that went while no operator ran has woken nobody. A retry goes by what happened since.
            let is_retry = state.schedule.as_ref().is_some_and(|schedule| schedule.retry.is_some());
            state.ownership_changed |= takes_over && !is_retry;
            let schedule = state.schedule.as_ref();
            due(&View {
                inputs: &inputs,
                status: &status,
                suspended: resource.spec.suspend,
                has_finalizer: finalizer::is_on(&resource) && !state.is_released,
                retry: schedule.and_then(|schedule| schedule.retry.as_ref()),
                ownership_changed: state.ownership_changed,
                unwritten: state.status.unwritten(),
                next_check: schedule.map_or(now, |schedule| schedule.next_check),
                now,
            })
        };
        Self {
            ctx: Arc::clone(ctx),
            name: ObjectName::of(resource.as_ref()),
            resource,
            uid,
            entry,
            inputs,
            status,
            interval,
            due,
            seen: Mutex::default(),
            for_ownership: AtomicBool::new(false),
        }
    }

    /// Its turn has come: what is told of its ownership from now on is for the next pass.
    pub fn begin(&self) {
        let told = std::mem::take(&mut self.entry.lock().ownership_changed);
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

    /// Whether the status says that the present generation is held by the service.
    pub fn holds_generation(&self) -> bool {
        holds(&self.status, self.inputs.generation)
    }

    /// Whether the status says of the present generation that somebody else has a hand in the setting.
    pub fn is_disputed(&self) -> bool {
        let reason = ready_reason(&self.status.conditions);
        self.status.observed_generation == Some(self.inputs.generation)
            && matches!(reason, Some(Reason::Conflict | Reason::Contested))
    }

    /// The account that the setting is of, also while the credentials are refused and the status names none for them.
    pub fn account(&self) -> Option<String> {
        let told = self.status.account_of_the_setting().map(str::to_owned);
        told.or_else(|| self.entry.lock().account.clone())
    }

    /// How urgent it is. What was found when work began, and what is tried again, is no news of the user's.
    pub fn urgency(&self) -> Urgency {
        let state = self.entry.lock();
        // One that was throttled goes on as what it was.
        let schedule = state.schedule.as_ref().filter(|schedule| schedule.head.is_none());
        let retry = schedule.and_then(|schedule| schedule.retry.as_ref());
        let is_retry = retry.is_some_and(|retry| retry.inputs.still_hold(&self.inputs));
        match self.due {
            Due::ScheduledCheck => Urgency::Check,
            // Many can be asked for in one go, and a change goes before them.
            Due::RequestedCheck => Urgency::Backlog,
            // So are those of an AccessKey that was rotated: nothing of the setting waits.
            Due::Change
                if !state.ownership_changed
                    && !self.for_ownership.load(Ordering::Relaxed)
                    && self.only_the_credentials_changed() =>
            {
                Urgency::Backlog
            }
            _ if is_retry || state.found_at == Some(self.inputs.generation) => Urgency::Backlog,
            Due::Nothing(_) | Due::Suspend | Due::Cleanup | Due::Change | Due::WriteStatus => Urgency::Change,
        }
    }

    fn only_the_credentials_changed(&self) -> bool {
        let key = secrets::key_ref(&self.resource.spec).map(|(name, _)| name);
        let now = key.and_then(|name| self.inputs.secrets.iter().find(|(n, _)| n == name));
        let applied = self
            .status
            .applied
            .as_ref()
            .and_then(|applied| applied.auth_key_secret.as_ref());
        let key_is_in_force = match (now, applied) {
            (None, None) => true,
            (Some((_, SecretVersion::Present(version))), Some(applied)) => *version == applied.resource_version,
            _ => false,
        };
        self.holds_generation() && key_is_in_force
    }

    /// The line it waits in: its account's, its credential's while the account is not known, or nobody's where the
    /// service is not called at all.
    pub fn line(&self) -> Line {
        let spec = &self.resource.spec;
        let local = match self.due {
            Due::Suspend | Due::WriteStatus | Due::Nothing(_) => true,
            Due::Cleanup => cleanup::settings_to_remove(self).is_empty(),
            Due::Change | Due::RequestedCheck | Due::ScheduledCheck => false,
        };
        if local {
            return Line {
                owner: Owner::Credential(String::new()),
                endpoint: String::new(),
            };
        }
        let account = self.ctx.ownership().account(&self.uid);
        Line {
            owner: account.map_or_else(
                || Owner::Credential(secrets::line_of_the_credential(&self.name.namespace, spec)),
                Owner::Account,
            ),
            endpoint: self.ctx.endpoints.vod(&convert::region(spec)).as_str().to_owned(),
        }
    }

    /// The account is known: from here on this pass counts in its line.
    ///
    /// # Errors
    /// [`Failure::InLine`] where that has no room: it has to wait there.
    pub fn join_line(&self, access: &Access) -> Result<(), Failure> {
        let line = Line {
            owner: Owner::Account(access.account.clone()),
            endpoint: access.endpoint.as_str().to_owned(),
        };
        if self.ctx.queue().join(&self.name, &line) {
            Ok(())
        } else {
            Err(Failure::InLine)
        }
    }

    /// The account was throttled: its line rests as long as the service asked, and this resource goes on at its head.
    pub fn rest(&self, not_before: Option<Duration>) -> End {
        let Some(wait) = not_before else { return End::Throttled };
        let Some(account) = self.ctx.ownership().account(&self.uid) else {
            return End::Waiting { not_before };
        };
        self.ctx.queue().rest(&account, Instant::now() + wait);
        End::Throttled
    }

    /// Writes what came of it, then tells the events: in this order, so that what they say can be looked up.
    pub async fn report(&self, update: StatusUpdate) {
        Box::pin(report::report(&self.ctx, &self.resource, &self.entry, &update)).await;
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
            self.ctx.events.publish(&self.resource, notice);
        }
        // The watch may have told of its end already; nobody else would forget it then.
        if self.ctx.stores.get(&self.name).is_none() {
            self.ctx.events.forget(&self.uid);
        }
    }

    /// Notes when it is looked at next.
    pub fn end(&self, end: End, began: Instant) {
        let until_check = until_next_check(&self.ctx, &self.uid, self.interval);
        let facts = Facts {
            deleting: self.inputs.deleting,
            until_release: self.until_release(),
            suspended: self.resource.spec.suspend,
            until_check,
        };
        let now = Instant::now();
        let mut state = self.entry.lock();
        // One that ends before it has judged leaves it to the next.
        state.ownership_changed |= self.for_ownership.load(Ordering::Relaxed) && end == End::Outdated;
        let state = &mut *state;
        let Some(schedule) = state.schedule.as_mut() else {
            return;
        };
        let next = next_action(end, &facts, &mut state.backoff);
        if matches!(next, Next::AwaitChange | Next::ScheduledCheck | Next::Retry(_)) {
            state.found_at = None;
        }
        match next {
            Next::AwaitChange => schedule.retry = None,
            Next::ScheduledCheck => {
                schedule.retry = None;
                schedule.next_check = now + until_check;
            }
            Next::Retry(wait) => {
                schedule.next_check = now + until_check;
                let mut inputs = self.inputs.clone();
                inputs.read.clone_from(&self.seen().secrets);
                schedule.retry = Some(Retry { at: now + wait, inputs });
            }
            // What was read for this attempt serves the next one too, unless the user changed something.
            Next::Head => {
                schedule.head = Some(schedule.head.unwrap_or(began));
                // Also a check that was asked for, and was answered as far as the annotation is concerned.
                schedule.retry = Some(Retry {
                    at: now,
                    inputs: self.inputs.clone(),
                });
            }
            Next::Again | Next::AsBefore => {}
        }
        if !matches!(end, End::Throttled) {
            schedule.head = None;
        }
    }

    /// How long until the grace period of its deletion ends.
    pub fn until_release(&self) -> Duration {
        let grace = self.ctx.defaults.deletion_grace;
        let Some(asked) = &self.resource.metadata.deletion_timestamp else {
            return grace;
        };
        let waited = Timestamp::now().duration_since(asked.0);
        grace.saturating_sub(Duration::try_from(waited).unwrap_or_default())
    }

    /// Notes what is known of the live setting.
    pub fn note_live(&self, live: Live) {
        self.entry.lock().live = live;
    }
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
        secrets: secrets::referenced(&resource.spec).into_iter().map(version).collect(),
        read: Vec::new(),
        deleting: resource.metadata.deletion_timestamp.is_some(),
    }
}

/// Checks fall on moments spread by uid; all resources of one setting share the oldest one's, and so one read.
fn until_next_check(ctx: &Context, uid: &str, interval: Duration) -> Duration {
    let phase = ctx.ownership().group_phase_uid(uid);
    next_check(&phase, interval, Timestamp::now())
}
