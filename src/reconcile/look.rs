//! A look at a resource that was woken: what this process remembers of it is brought up to date, and what is due for it
//! follows from that.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;

use super::context::Context;
use super::due::{RetryInputs, View, due};
use super::object_state::{ObjectState, Schedule, Sets, Shown};
use super::pass::{Pass, until_next_check};
use super::report::current_status;
use super::{claims, convert, facts, finalizer, secret_refs};
use crate::RECONCILE_ANNOTATION;
use crate::api::{VodMessageCallback, VodMessageCallbackStatus};
use crate::ownership::Ownership;
use crate::schedule::Contest;
use crate::status::{Reason, ready_reason};

impl Pass {
    /// Looks at a resource: what is due for it now.
    pub fn look(ctx: &Arc<Context>, resource: Arc<VodMessageCallback>) -> Self {
        let now = Instant::now();
        let uid = resource.uid().unwrap_or_default();
        claims::take_over(ctx, &resource);
        let entry = ctx.object_states.of(&uid);
        let status = current_status(&resource, &entry);
        let inputs = retry_inputs(ctx, &resource);
        // One that has to wait for the answer is woken, or looked at again when its Secrets are seen.
        let takes_over = ready_reason(&status.conditions) == Some(Reason::Conflict)
            && ctx.ownership().ownership_of(&uid) == Ownership::Owner;
        let due = {
            let mut state = entry.lock();
            if state.schedule.is_none() {
                let interval = convert::check_interval(&resource.spec, ctx.defaults.check_interval);
                state.schedule = Some(Schedule::first(now, until_next_check(ctx, &uid, interval)));
                learn_from_status(&mut state, ctx, &resource, &status, &inputs);
            }
            renew(&mut state, &resource, &status, &inputs);
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
                unblocked: is_unblocked(ctx, &resource, &status),
                unwritten: state.status.unwritten(),
                next_check: schedule.map_or(now, |schedule| schedule.next_check),
                now,
            })
        };
        Self::new(ctx, resource, entry, status, inputs, due)
    }
}

/// What a stored status tells a process that sees the resource for the first time.
fn learn_from_status(
    state: &mut ObjectState,
    ctx: &Context,
    resource: &VodMessageCallback,
    status: &VodMessageCallbackStatus,
    inputs: &RetryInputs,
) {
    let created = resource.metadata.creation_timestamp.as_ref();
    let is_old = created.is_none_or(|created| created.0 < ctx.began);
    state.found_at = is_old.then_some(inputs.generation);
    if status.is_fresh() && !finalizer::is_on(resource) {
        state.sets = Sets::None;
    }
    let reason = ready_reason(&status.conditions);
    let said = reason.filter(|reason| !reason.is_ready() && status.observed_generation == Some(inputs.generation));
    if let Some(trouble) = said {
        let uid = resource.uid().unwrap_or_default();
        ctx.events.was_told(&uid, inputs.generation, trouble);
    }
    if reason == Some(Reason::Contested) {
        let now = Timestamp::now();
        let since = status.last_applied_time.as_ref().map_or(now, |time| time.0);
        let since = std::time::Duration::try_from(now.duration_since(since)).unwrap_or_default();
        state.contest = Contest::resumed_contested(Instant::now(), since);
    }
}

/// The flags of the operator are what a resource without credentials of its own depends on, and they change with a restart.
fn is_unblocked(ctx: &Context, resource: &VodMessageCallback, status: &VodMessageCallbackStatus) -> bool {
    match ready_reason(&status.conditions) {
        Some(Reason::AmbientCredentialsDisabled) => {
            let namespace = resource.namespace().unwrap_or_default();
            ctx.defaults.ambient_allowed(&namespace)
        }
        // Only where nobody was asked: what STS refused is no question of flags.
        Some(reason @ Reason::InvalidCredentials) => {
            let lacks_provider = secret_refs::lacks_oidc_provider(&resource.spec);
            let last = status.last_error.as_ref();
            lacks_provider
                && ctx.defaults.oidc_provider_arn.is_some()
                && last.is_some_and(|error| error.code == reason.as_str())
        }
        _ => false,
    }
}

/// What every look brings up to date.
fn renew(
    state: &mut ObjectState,
    resource: &VodMessageCallback,
    status: &VodMessageCallbackStatus,
    inputs: &RetryInputs,
) {
    if status.account_id.is_some() {
        state.account.clone_from(&status.account_id);
    }
    state.was_to_be_removed |= inputs.deleting && !facts::keeps(&resource.spec);
    state.shown = match inputs.deleting {
        true => Shown::Deleting,
        false => Shown::Reason(ready_reason(&status.conditions).unwrap_or(Reason::Progressing)),
    };
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
