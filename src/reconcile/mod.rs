//! One resource, once: observe → decide → act → report.
//!
//! [`look`] begins a [`pass`] over one resource that was woken. It is due for something ([`due`]) and goes through [`apply`] or [`cleanup`]:
//! [`observe`], [`decide`], [`execute`] with [`act`], [`report`] or, where it failed, [`failure_status`]; and then
//! [`next_action`]. [`due`], [`decide`], [`facts`], [`convert`] and [`next_action`] are pure; [`observe`], [`claims`],
//! [`secret_read`], [`act`], [`finalizer`], [`crd_going`] and [`report`] do the I/O.

mod act;
mod apply;
pub mod claims;
mod cleanup;
pub mod context;
pub(crate) mod convert;
mod crd_going;
pub mod decide;
pub mod deletion_grace;
mod drift;
pub mod due;
mod execute;
pub(crate) mod facts;
pub(crate) mod failure;
mod failure_status;
pub mod finalizer;
mod look;
mod next_action;
pub mod object_state;
mod observe;
mod pass;
mod report;
mod resource_version;
pub mod secret_index;
mod secret_read;
pub mod secret_refs;
mod still_wanted;
pub mod stores;
mod warnings;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::context::Context;
use self::due::Due;
use self::failure::Failure;
use self::next_action::End;
use self::report::{Edit, StatusUpdate};
use crate::api::{ManagementPolicy, VodMessageCallback};
use crate::service::Turn;
use crate::status::{Outcome, Reason, ready_reason};

pub use pass::Pass;

/// A pass over a new resource or a new generation that lasts longer than this says so.
const PROGRESSING_AFTER: Duration = Duration::from_secs(1);

/// Brings a resource forward. Failures are said in the status and retried from here, so none is left for the caller.
pub async fn reconcile(pass: Pass, turn: &Turn) {
    // What is being said of its wait is said to its end first.
    drop(pass.entry.speaks.lock().await);
    let began = Instant::now();
    // Boxed: most of a crowd waits for its turn or for an answer.
    let result = match pass.due {
        Due::Nothing(_) => return,
        Due::WriteStatus => Ok(write_status(&pass).await),
        Due::Suspend => suspend(&pass).await,
        Due::Cleanup => Box::pin(cleanup::cleanup(&pass, turn)).await,
        Due::Change | Due::RequestedCheck | Due::ScheduledCheck => Box::pin(unless_slow(&pass, turn)).await,
    };
    let end = match &result {
        Ok(end) => *end,
        Err(Failure::Throttled { not_before, .. }) => pass.rest(*not_before),
        Err(failure) => failure.end(),
    };
    if let Err(Failure::NotWritten(error)) = &result {
        tracing::warn!(error = %crate::telemetry::in_words(error), "the API server did not do its part; it is tried again");
    }
    let label = result.as_ref().map_or_else(Failure::class, |_| "ok");
    pass.ctx.metrics.reconciled(label, turn.worked(began.elapsed()));
    pass.end(end, began);
}

/// Applies a resource; one whose generation nothing was said of yet, and that takes long, says that work is under way.
async fn unless_slow(pass: &Pass, turn: &Turn) -> Result<End, Failure> {
    if pass.status.observed_generation == Some(pass.inputs.generation) {
        return apply::apply(pass, turn).await;
    }
    let done = tokio_util::sync::CancellationToken::new();
    let work = async {
        let _done = done.clone().drop_guard();
        Box::pin(apply::attempt(pass, turn)).await
    };
    let say = async {
        tokio::select! {
            () = done.cancelled() => {}
            () = tokio::time::sleep(PROGRESSING_AFTER) => say_progressing(pass).await,
        }
    };
    // What is being said is said to its end, so that it cannot come after what is said next.
    let (attempt, ()) = tokio::join!(work, say);
    apply::report(pass, attempt).await
}

async fn say_progressing(pass: &Pass) {
    let words = if pass.is_fresh() {
        "seen for the first time; the live setting is being read"
    } else {
        "the change is being carried out"
    };
    pass.report(StatusUpdate {
        outcome: Some(Outcome::new(Reason::Progressing, words)),
        ..StatusUpdate::default()
    })
    .await;
}

/// Says of a change that waits for long in its account's line that it does.
pub async fn say_waiting(ctx: &Arc<Context>, resource: Arc<VodMessageCallback>) {
    let pass = Pass::look(ctx, resource);
    let _speaks = pass.entry.speaks.lock().await;
    if ctx.queue().waits_since(&pass.name).is_none() {
        return;
    }
    let waits = matches!(pass.due, Due::Change) && !pass.holds_generation();
    let said = ready_reason(&pass.status.conditions).is_some_and(Reason::is_under_way)
        && pass.status.observed_generation == Some(pass.inputs.generation);
    if waits && !said {
        let outcome = Outcome::new(Reason::Throttled, "waits for its turn in the account's quota of calls");
        pass.report(StatusUpdate {
            outcome: Some(outcome),
            ..StatusUpdate::default()
        })
        .await;
    }
}

/// Writes the status that the API server would not take before.
async fn write_status(pass: &Pass) -> End {
    pass.report(StatusUpdate::default()).await;
    End::StatusWritten
}

async fn suspend(pass: &Pass) -> Result<End, Failure> {
    pass.entry.lock().failing.ended();
    let outcome = Outcome::new(
        Reason::Suspended,
        "spec.suspend is true: no call is made to the service",
    );
    pass.report(StatusUpdate {
        outcome: Some(outcome),
        handled: pass.inputs.requested.clone(),
        last_error: Edit::Clear,
        ..StatusUpdate::default()
    })
    .await;
    Ok(End::Done)
}

/// Whether a resource takes part in ownership.
pub fn contends(resource: &VodMessageCallback) -> bool {
    resource.spec.management_policy != ManagementPolicy::Observe
}
