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
use super::due::{Due, RetryInputs};
use super::failure::Failure;
use super::next_action::{End, Next, Timing, next_action};
use super::object_state::{Entry, Live};
use super::report::{self, StatusUpdate};
use super::resource_version::{is_newer, version_of};
use super::secret_index::SecretVersion;
use super::{cleanup, convert, deletion_grace, secret_refs};
use crate::api::{
    AppliedSetting, ObservedSecret, VodMessageCallback, VodMessageCallbackSpec, VodMessageCallbackStatus,
};
use crate::domain::FieldDifference;
use crate::events::Notice;
use crate::ownership::ObjectName;
use crate::quota::{Line, Owner, Urgency};
use crate::schedule::next_check;
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
    /// A pass over a resource as it was looked at.
    pub(super) fn new(
        ctx: &Arc<Context>,
        resource: Arc<VodMessageCallback>,
        entry: Arc<Entry>,
        status: VodMessageCallbackStatus,
        inputs: RetryInputs,
        due: Due,
    ) -> Self {
        Self {
            ctx: Arc::clone(ctx),
            name: ObjectName::of(resource.as_ref()),
            uid: resource.uid().unwrap_or_default(),
            interval: convert::check_interval(&resource.spec, ctx.defaults.check_interval),
            resource,
            entry,
            inputs,
            status,
            due,
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
        let key = secret_refs::key_ref(&self.resource.spec).map(|(name, _)| name);
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
                owner: Owner::NoCalls,
                endpoint: String::new(),
            };
        }
        let account = self.ctx.ownership().account(&self.uid);
        Line {
            owner: account
                .filter(|_| self.has_the_credentials_of_its_account())
                .map_or_else(
                    || Owner::Credential(line_of_the_credential(&self.name.namespace, spec)),
                    Owner::Account,
                ),
            endpoint: self.ctx.endpoints.vod(&convert::region(spec)).as_str().to_owned(),
        }
    }

    /// Others may be another account's, and do not wait in this one's line; whose they are is asked first.
    fn has_the_credentials_of_its_account(&self) -> bool {
        let spec = &self.resource.spec;
        let state = self.entry.lock();
        let with = state.proven_with.as_ref();
        if with.is_some_and(|with| with.mark != secret_refs::credentials_mark(spec)) {
            return false;
        }
        let Some(name) = secret_refs::credentials_name(spec) else {
            return true;
        };
        let now = self.inputs.secrets.iter().find(|(secret, _)| secret == name);
        let Some((_, SecretVersion::Present(now))) = now else {
            return true;
        };
        let then = match with {
            Some(with) => with.version.as_deref(),
            // By a process before this one.
            None => version_of(&self.status.observed_secrets, name),
        };
        then.is_some_and(|then| !is_newer(now, then))
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
        let timing = Timing {
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

/// What a spec's credentials go by until their account is known, for those who wait in line.
fn line_of_the_credential(namespace: &str, spec: &VodMessageCallbackSpec) -> String {
    let credentials = spec.credentials.as_ref();
    let account = credentials.and_then(|c| c.service_account_ref.as_ref());
    let base = match (secret_refs::credentials_name(spec), account) {
        (Some(secret), _) => format!("{namespace}/{secret}"),
        (None, Some(account)) => format!("{namespace} {} {}", account.name, account.role_arn),
        (None, None) => "ambient".to_owned(),
    };
    let role = credentials.and_then(|c| c.assume_role.as_ref());
    role.map_or_else(|| base.clone(), |role| format!("{base} {}", role.role_arn))
}
