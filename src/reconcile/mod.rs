//! One resource, once: observe → decide → act → report.
//!
//! [`trigger`] and [`decide`] are pure; [`observe`], [`act`], [`finalizer`] and [`report`] do the I/O.

mod act;
mod apply;
pub mod claims;
mod cleanup;
pub mod context;
pub(crate) mod convert;
pub mod decide;
#[cfg_attr(not(test), expect(dead_code, reason = "the pass does not tell it in one place yet"))]
mod drift;
mod failure;
mod finalizer;
pub mod object_state;
mod observe;
#[cfg_attr(not(test), expect(dead_code, reason = "the cleanup does not go by it yet"))]
mod release;
mod report;
pub mod secrets;
pub mod trigger;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use tokio::time::Instant;

use self::context::Context;
use self::failure::Failure;
use self::object_state::Entry;
use self::report::{StatusUpdate, current_status, report};
use self::trigger::{Due, Retry, RetryInputs, View, due};
use crate::RECONCILE_ANNOTATION;
use crate::api::{ManagementPolicy, VodMessageCallback, VodMessageCallbackStatus};
use crate::ownership::ObjectName;
use crate::quota::{Admitted, Urgency};
use crate::schedule::next_check;
use crate::status::{Outcome, Reason, ready_reason};

/// A change that waits longer than this for the quota says so in its status.
const QUIET_WAIT: Duration = Duration::from_secs(2);
/// How soon an attempt is repeated that the API server, not the service, made fail.
const KUBERNETES_RETRY: Duration = Duration::from_secs(1);

/// One resource as a reconcile sees it.
pub(crate) struct Pass<'a> {
    pub ctx: &'a Context,
    pub resource: &'a VodMessageCallback,
    pub entry: &'a Entry,
    pub retry_inputs: RetryInputs,
    pub status: VodMessageCallbackStatus,
    pub interval: Duration,
}

impl Pass<'_> {
    /// Its name, for logs.
    pub fn name(&self) -> ObjectName {
        ObjectName::of(self.resource)
    }

    /// Whether the status says that the present generation is held by the service.
    pub fn holds_generation(&self) -> bool {
        self.status.observed_generation == Some(self.retry_inputs.generation)
            && ready_reason(&self.status.conditions).is_some_and(Reason::is_ready)
    }
}

/// Reconciles one resource. Failures are said in the status and retried from here, so none is left for the caller.
pub async fn reconcile(
    resource: Arc<VodMessageCallback>,
    ctx: Arc<Context>,
) -> Result<Action, std::convert::Infallible> {
    let started = Instant::now();
    let uid = resource.uid().unwrap_or_default();
    let entry = ctx.object_states.of(&uid);
    claims::take_over(&ctx, &resource);
    let status = current_status(&resource, &entry);
    let retry_inputs = retry_inputs(&ctx, &resource);
    let interval = convert::check_interval(&resource.spec, ctx.defaults.check_interval);
    let what = {
        let woken = ctx.was_woken(&ObjectName::of(resource.as_ref()));
        let mut memory = entry.lock();
        if memory.next_check.is_none() {
            memory.next_check = Some(started + until_next_check(&ctx, &uid, interval));
            memory.seen_from_birth = status.is_fresh() && !finalizer::is_on(&resource);
            if ready_reason(&status.conditions) == Some(Reason::Contested) {
                memory.contest = crate::schedule::Contest::resumed_contested(started);
            }
        }
        memory.state = ready_reason(&status.conditions).or(Some(Reason::Progressing));
        memory.woken |= woken;
        memory.deleting = retry_inputs.deleting;
        let view = View {
            retry_inputs: &retry_inputs,
            status: &status,
            suspended: resource.spec.suspend,
            has_finalizer: finalizer::is_on(&resource),
            retry: memory.retry.as_ref(),
            woken: memory.woken,
            next_check: memory.next_check.unwrap_or(started),
            now: started,
        };
        due(&view)
    };
    let mut pass = Pass {
        ctx: &ctx,
        resource: &resource,
        entry: &entry,
        retry_inputs,
        status,
        interval,
    };
    let unwritten = entry.lock().unwritten.is_some();
    // Boxed: a restart looks at all resources at once, most of them with nothing due, and a crowd may wait for its turn.
    let result = match what {
        // What is known is said first; the next check comes in its own time.
        Due::Nothing(_) | Due::ScheduledCheck if unwritten => Box::pin(write_unwritten_status(&mut pass)).await,
        Due::Nothing(wait) => return Ok(wait.map_or_else(Action::await_change, Action::requeue)),
        Due::Suspend => Box::pin(suspend(&mut pass)).await,
        Due::Cleanup => Box::pin(cleanup_in_turn(&mut pass)).await,
        Due::Change => Box::pin(admitted(&mut pass, Urgency::Change, what)).await,
        Due::RequestedCheck => Box::pin(admitted(&mut pass, Urgency::Change, what)).await,
        Due::ScheduledCheck => Box::pin(admitted(&mut pass, Urgency::Check, what)).await,
    };
    let label = match &result {
        Ok(()) => "ok",
        Err(failure) => failure.class(),
    };
    ctx.metrics.reconciled(label, started.elapsed());
    Ok(next_action(&pass, result))
}

/// Writes the status that the API server would not take before.
async fn write_unwritten_status(pass: &mut Pass<'_>) -> Result<(), Failure> {
    pass.status = report(
        pass.ctx,
        pass.resource,
        pass.entry,
        &pass.status,
        StatusUpdate::default(),
    )
    .await?;
    Ok(())
}

/// Deletions wait for their turn as changes do.
async fn cleanup_in_turn(pass: &mut Pass<'_>) -> Result<(), Failure> {
    let (ctx, entry) = (pass.ctx, pass.entry);
    let hint = account_hint(pass.resource);
    let work = async {
        let admission = ctx.admission.enter(Urgency::Change, &hint).await;
        let done = Box::pin(cleanup::cleanup(pass)).await;
        drop(admission);
        done
    };
    tokio::select! {
        biased;
        done = work => done,
        () = stopped_while_reading(ctx, entry) => Err(Failure::Stopping),
    }
}

/// When to look again.
fn next_action(pass: &Pass<'_>, result: Result<(), Failure>) -> Action {
    let uid = pass.resource.uid().unwrap_or_default();
    let until_check = until_next_check(pass.ctx, &uid, pass.interval);
    let now = Instant::now();
    let mut memory = pass.entry.lock();
    memory.woken = false;
    memory.writing = false;
    memory.next_check = Some(now + until_check);
    let wait = match result {
        Ok(()) if memory.read_back_due && !pass.retry_inputs.deleting => memory.backoff.next(None),
        Ok(()) => {
            memory.retry = None;
            memory.backoff.reset();
            let done = pass.retry_inputs.deleting || pass.resource.spec.suspend;
            return if done {
                Action::await_change()
            } else {
                Action::requeue(until_check)
            };
        }
        Err(Failure::Stopping) => return Action::requeue(KUBERNETES_RETRY),
        Err(Failure::Kubernetes(error)) => {
            let wait = memory.backoff.next(Some(KUBERNETES_RETRY));
            tracing::warn!(resource = %pass.name(), error = %crate::telemetry::in_words(&error), "the API server did not do its part; it is tried again");
            wait
        }
        Err(Failure::Waiting { not_before, .. }) => memory.backoff.next(not_before),
        // Slowly: what it depends on has its own way to wake it.
        Err(Failure::Stalled { .. }) => {
            memory.backoff.reset();
            until_check
        }
    };
    let wait = if pass.retry_inputs.deleting {
        wait.min(cleanup::until_release(pass.ctx, pass.resource))
    } else {
        wait
    };
    memory.retry = Some(Retry {
        at: now + wait,
        retry_inputs: pass.retry_inputs.clone(),
    });
    Action::requeue(wait)
}

/// Waits for its turn; a change goes before checks, and a check steps back when the user changes something.
async fn admitted(pass: &mut Pass<'_>, urgency: Urgency, what: Due) -> Result<(), Failure> {
    let fresh = pass.status.is_fresh();
    if fresh {
        let outcome = Outcome::new(
            Reason::Progressing,
            "seen for the first time; the live setting is being read",
        );
        let update = StatusUpdate {
            outcome: Some(outcome),
            ..StatusUpdate::default()
        };
        pass.status = Box::pin(report(pass.ctx, pass.resource, pass.entry, &pass.status, update)).await?;
    }
    let (ctx, entry) = (pass.ctx, pass.entry);
    let hint = account_hint(pass.resource);
    let work = async {
        let admission = turn(pass, urgency, &hint).await?;
        let done = Box::pin(apply::apply(pass, urgency, what)).await;
        drop(admission);
        done
    };
    tokio::select! {
        biased;
        done = work => done,
        () = entry.changed_while_reading(), if urgency == Urgency::Check => Err(Failure::Stopping),
        () = stopped_while_reading(ctx, entry) => Err(Failure::Stopping),
    }
}

/// Waits for its turn; a change that waits long says so in its status.
async fn turn(pass: &mut Pass<'_>, urgency: Urgency, hint: &str) -> Result<Admitted, Failure> {
    let enter = pass.ctx.admission.enter(urgency, hint);
    tokio::pin!(enter);
    if urgency == Urgency::Change && !pass.holds_generation() {
        if let Ok(admitted) = tokio::time::timeout(QUIET_WAIT, &mut enter).await {
            return Ok(admitted);
        }
        let outcome = Outcome::new(Reason::Throttled, "waits for its turn in the account's quota of calls");
        let update = StatusUpdate {
            outcome: Some(outcome),
            ..StatusUpdate::default()
        };
        pass.status = Box::pin(report(pass.ctx, pass.resource, pass.entry, &pass.status, update)).await?;
    }
    Ok(enter.await)
}

/// Stopping lets a call in flight finish, so that its answer is not lost.
async fn stopped_while_reading(ctx: &Context, entry: &Entry) {
    ctx.stop.cancelled().await;
    if entry.lock().writing {
        std::future::pending::<()>().await;
    }
}

/// Resources with the same credentials share one line of waiting.
fn account_hint(resource: &VodMessageCallback) -> String {
    let namespace = resource.namespace().unwrap_or_default();
    match secrets::credentials_name(&resource.spec) {
        Some(name) => format!("{namespace}/{name}"),
        None => String::new(),
    }
}

async fn suspend(pass: &mut Pass<'_>) -> Result<(), Failure> {
    let outcome = Outcome::new(
        Reason::Suspended,
        "spec.suspend is true: no call is made to the service",
    );
    let update = StatusUpdate {
        outcome: Some(outcome),
        handled: pass.retry_inputs.requested.clone(),
        last_error: Some(None),
        ..StatusUpdate::default()
    };
    pass.status = report(pass.ctx, pass.resource, pass.entry, &pass.status, update).await?;
    Ok(())
}

fn retry_inputs(ctx: &Context, resource: &VodMessageCallback) -> RetryInputs {
    let namespace = resource.namespace().unwrap_or_default();
    let sight = |name: String| {
        let sight = ctx.secrets.sight(&namespace, &name);
        (name, sight)
    };
    RetryInputs {
        generation: resource.metadata.generation.unwrap_or_default(),
        requested: resource.annotations().get(RECONCILE_ANNOTATION).cloned(),
        secrets: secrets::referenced(&resource.spec).into_iter().map(sight).collect(),
        deleting: resource.metadata.deletion_timestamp.is_some(),
    }
}

/// Checks fall on moments spread by uid; all resources of one setting share the oldest one's, and so one read.
fn until_next_check(ctx: &Context, uid: &str, interval: Duration) -> Duration {
    let phase = ctx.ownership().group_phase_uid(uid);
    next_check(&phase, interval, k8s_openapi::jiff::Timestamp::now())
}

/// Whether a resource takes part in ownership.
pub fn contends(resource: &VodMessageCallback) -> bool {
    resource.spec.management_policy != ManagementPolicy::Observe
}
