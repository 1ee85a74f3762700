//! One resource, once: observe → decide → act → report.
//!
//! A [`look`] at a resource that was woken makes a [`pass`], and asks what is [`due`]; it waits in its [`mod@line`]. Then it goes
//! through [`apply`], or [`cleanup`] where the resource goes:
//!
//! 1. [`observe`]: [`secret_refs`], [`secret_read`], and [`claims`] to an account; the [`finalizer`] before anything is set.
//! 2. [`decide`] (pure), on [`facts`] that are put together for `plan` as well.
//! 3. [`act`], by the [`calls`] that are [`still_wanted`], with its words on [`drift`].
//! 4. [`report`], with [`spec_warnings`]; what failed is a [`failure`] and has its [`failure_status`]; then [`next_action`]
//!    (pure). [`under_way`] is what is said before.
//!
//! A resource is let go with its setting left behind after the [`deletion_grace`], and where its CRD goes ([`crd_going`]).
//! What all passes share is the [`context`], with the [`stores`], the [`secret_index`] and an [`object_state`] for each
//! resource.

mod act;
mod apply;
mod calls;
pub mod claims;
mod cleanup;
pub mod context;
pub(crate) mod convert;
mod crd_going;
pub mod decide;
pub mod deletion_grace;
mod drift;
pub mod due;
pub(crate) mod facts;
pub(crate) mod failure;
mod failure_status;
pub mod finalizer;
mod line;
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
mod spec_warnings;
mod still_wanted;
pub mod stores;
mod under_way;

#[cfg(test)]
mod tests;

use tokio::time::Instant;

use self::due::Due;
use self::failure::Failure;
use self::next_action::End;
use self::report::{Edit, StatusUpdate};
use crate::service::Turn;
use crate::status::{Outcome, Reason};

pub use pass::Pass;
pub use under_way::say_waiting;

/// Brings a resource forward. Failures are said in the status and retried from here, so none is left for the caller.
pub async fn reconcile(pass: Pass, turn: &Turn) {
    // What is being said of its wait is said to its end first.
    drop(pass.entry.speaks.lock().await);
    let began = Instant::now();
    // Boxed: most of a crowd waits for its turn or for an answer.
    let result = match pass.due {
        Due::Nothing(_) => return,
        Due::WriteStatus => {
            write_status(&pass).await;
            Ok(End::StatusWritten)
        }
        Due::Suspend => Ok(suspend(&pass).await),
        Due::Cleanup => Box::pin(cleanup::cleanup(&pass, turn)).await,
        Due::Change | Due::RequestedCheck | Due::ScheduledCheck => Box::pin(apply::apply(&pass, turn)).await,
    };
    if let Err(Failure::NotWritten(error)) = &result {
        tracing::warn!(error = %crate::telemetry::in_words(error), "the API server did not do its part; it is tried again");
    }
    let label = result.as_ref().map_or_else(Failure::class, |_| "ok");
    pass.ctx.metrics.reconciled(label, turn.worked(began.elapsed()));
    let end = result.unwrap_or_else(|failure| failure.end(&pass));
    pass.end(end, began);
}

/// Writes the status that the API server would not take before.
pub async fn write_status(pass: &Pass) {
    pass.report(StatusUpdate::default()).await;
}

async fn suspend(pass: &Pass) -> End {
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
    End::Done
}
