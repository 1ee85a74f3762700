//! A look at a resource that was woken: what this process remembers of it is brought up to date, and what is due for it
//! follows from that.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::context::Context;
use super::due::{Due, View, due};
use super::object_state::{ObjectState, Schedule, Sets, Shown};
use super::pass::{Pass, until_next_check};
use super::{claims, facts, finalizer, secret_refs};
use crate::api::VodMessageCallback;
use crate::ownership::Ownership;
use crate::schedule::Contest;
use crate::status::{Reason, ready_reason};

impl Pass {
    /// Looks at a resource: notes what is new of it, and finds what is due for it now.
    pub fn look(ctx: &Arc<Context>, resource: Arc<VodMessageCallback>) -> Self {
        claims::note_proven_by_status(ctx, &resource);
        let mut pass = Self::of(ctx, resource);
        let now = Instant::now();
        pass.renew(now);
        pass.due = pass.due_at(now);
        pass
    }

    /// Brings what is remembered up to date.
    fn renew(&self, now: Instant) {
        let reason = ready_reason(&self.status.conditions);
        // One that has to wait for the answer is woken, or looked at again when its Secrets are seen.
        let takes_over =
            reason == Some(Reason::Conflict) && self.ctx.ownership().ownership_of(&self.uid) == Ownership::Owner;
        let mut state = self.entry.lock();
        if state.schedule.is_none() {
            let until_check = until_next_check(&self.ctx, &self.uid, self.interval);
            state.schedule = Some(Schedule::first(now, until_check));
            self.learn_from_status(&mut state);
        }
        if self.status.account_id.is_some() {
            state.account.clone_from(&self.status.account_id);
        }
        state.was_to_be_removed |= self.inputs.deleting && !facts::keeps(&self.resource.spec);
        state.shown = match self.inputs.deleting {
            true => Shown::Deleting,
            false => Shown::of(&self.status).unwrap_or(Shown::Reason(Reason::Progressing)),
        };
        // An owner that went while no operator ran has woken nobody. A retry goes by what happened since.
        let is_retry = state.schedule.as_ref().is_some_and(|schedule| schedule.retry.is_some());
        state.ownership_changed |= takes_over && !is_retry;
    }

    /// What a stored status tells a process that sees the resource for the first time.
    fn learn_from_status(&self, state: &mut ObjectState) {
        let created = self.resource.metadata.creation_timestamp.as_ref();
        let is_old = created.is_none_or(|created| created.0 < self.ctx.began);
        state.found_at = is_old.then_some(self.inputs.generation);
        if self.is_fresh() && !finalizer::is_on(&self.resource) {
            state.sets = Sets::None;
        }
        let reason = ready_reason(&self.status.conditions);
        if let Some(trouble) = reason.filter(|reason| !reason.is_ready() && self.is_spoken_of()) {
            self.ctx.events.was_told(&self.uid, self.inputs.generation, trouble);
        }
        if reason == Some(Reason::Contested) {
            let now = Timestamp::now();
            let since = self.status.last_applied_time.as_ref().map_or(now, |time| time.0);
            let since = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            state.contest = Contest::resumed_contested(Instant::now(), since);
        }
    }

    fn due_at(&self, now: Instant) -> Due {
        let state = self.entry.lock();
        let schedule = state.schedule.as_ref();
        due(&View {
            inputs: &self.inputs,
            status: &self.status,
            suspended: self.resource.spec.suspend,
            has_finalizer: finalizer::is_on(&self.resource) && !state.is_released,
            retry: schedule.and_then(|schedule| schedule.retry.as_ref()),
            ownership_changed: state.ownership_changed,
            unblocked: self.is_unblocked(),
            unwritten: state.status.unwritten(),
            next_check: schedule.map_or(now, |schedule| schedule.next_check),
            now,
        })
    }

    /// The flags of the operator are what a resource without credentials of its own depends on, and they change with a
    /// restart.
    fn is_unblocked(&self) -> bool {
        let defaults = &self.ctx.defaults;
        match ready_reason(&self.status.conditions) {
            Some(Reason::AmbientCredentialsDisabled) => defaults.ambient_allowed(&self.name.namespace),
            // Only where nobody was asked: what STS refused is no question of flags.
            Some(reason @ Reason::InvalidCredentials) => {
                let last = self.status.last_error.as_ref();
                secret_refs::lacks_oidc_provider(&self.resource.spec)
                    && defaults.oidc_provider_arn.is_some()
                    && last.is_some_and(|error| error.code == reason.as_str())
            }
            _ => false,
        }
    }
}
