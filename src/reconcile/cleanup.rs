//! The pipeline for a resource that goes: its setting is removed if it is still the one it applied, and the resource
//! is let go, whatever happens, after the grace period.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;

use super::act::{self, Change};
use super::context::Context;
use super::decide::{self, Cleanup, Ours};
use super::failure::Failure;
use super::observe;
use super::report::{StatusUpdate, last_error, report};
use super::{Pass, convert, finalizer};
use crate::api::{AppliedSetting, DeletionPolicy, ManagementPolicy, VodMessageCallback};
use crate::events::{EventReason, Notice};
use crate::ownership::Ownership;
use crate::quota::Urgency;
use crate::status::{Outcome, Reason, ready_reason};

/// How long until the grace period of a deletion ends.
pub fn until_release(ctx: &Context, resource: &VodMessageCallback) -> Duration {
    let Some(asked) = &resource.metadata.deletion_timestamp else {
        return ctx.defaults.deletion_grace;
    };
    let waited = Timestamp::now().duration_since(asked.0);
    let waited = Duration::try_from(waited).unwrap_or_default();
    ctx.defaults.deletion_grace.saturating_sub(waited)
}

/// Deals with the setting and lets the resource go.
pub async fn cleanup(pass: &mut Pass<'_>) -> Result<(), Failure> {
    let Some(applied) = setting_to_remove(pass) else {
        tell_left_behind(pass);
        return finalizer::take_off(pass.ctx, pass.resource).await;
    };
    let removed = remove(pass, &applied).await;
    match removed.map_err(|failure| failure.unless_past(pass.ctx.claim.holds())) {
        Ok(()) => finalizer::take_off(pass.ctx, pass.resource).await,
        Err(failure @ (Failure::Stopping | Failure::Kubernetes(_))) => Err(failure),
        Err(failure) if until_release(pass.ctx, pass.resource).is_zero() => release(pass, &failure).await,
        Err(failure) => {
            say(pass, &failure).await?;
            Err(failure)
        }
    }
}

/// A deletion that was held up and is let go by another policy says what stays; one that was never to remove
/// anything has nothing to say.
fn tell_left_behind(pass: &Pass<'_>) {
    let held_up = pass.entry.lock().retry.is_some();
    if held_up && pass.status.applied.is_some() && pass.resource.spec.deletion_policy == DeletionPolicy::Retain {
        let note = left_behind(pass, "deletionPolicy is Retain now");
        pass.ctx
            .events
            .publish(pass.resource, Notice::warning(EventReason::Released, note));
    }
}

fn left_behind(pass: &Pass<'_>, why: &str) -> String {
    let spec = &pass.resource.spec;
    let account = pass.status.account_id.as_deref().unwrap_or("unknown");
    format!(
        "released without removing the setting of account {account}, region {}, app {}; remove it there if it is not wanted: {why}",
        spec.region, spec.app_id
    )
}

/// What this resource may have left at the service, if anything is to be done about it.
fn setting_to_remove(pass: &Pass<'_>) -> Option<AppliedSetting> {
    let spec = &pass.resource.spec;
    let keeps = spec.deletion_policy == DeletionPolicy::Retain
        || spec.suspend
        || spec.management_policy == ManagementPolicy::Observe;
    let uid = pass.resource.uid().unwrap_or_default();
    if keeps || matches!(pass.ctx.ownership().ownership_of(&uid), Ownership::Loser { .. }) {
        return None;
    }
    if let Some(applied) = &pass.status.applied {
        return Some(applied.clone());
    }
    // A process that was killed between a Set and its report left no word of it; what the spec says is then looked
    // for. One that has watched the resource from its creation knows whether it sent a Set.
    let memory = pass.entry.lock();
    let in_between = ready_reason(&pass.status.conditions).is_some_and(Reason::is_under_way);
    let may_be_set = memory.set_was_sent || (in_between && !memory.seen_from_birth);
    may_be_set.then(|| convert::applied(spec, None))
}

async fn remove(pass: &Pass<'_>, applied: &AppliedSetting) -> Result<(), Failure> {
    let (ctx, resource) = (pass.ctx, pass.resource);
    let access = observe::access_only(ctx, resource).await?;
    if let (Some(old), Some(new)) = (&pass.status.account_id, access.account.account())
        && *old != new.0
    {
        let note = format!("the credentials now belong to account {new}: the setting of account {old} stays as it is");
        ctx.events
            .publish(resource, Notice::warning(EventReason::LeftBehind, note));
        return Ok(());
    }
    // Two resources with one setting: the one that does not own it leaves it alone.
    if observe::ownership(ctx, resource).await.is_err() {
        return Ok(());
    }
    let Some(setting) = convert::setting_of_applied(applied) else {
        return Ok(());
    };
    let baseline = pass.status.reported.as_ref().and_then(convert::baseline);
    let live = observe::live(ctx, &access, Urgency::Change, Instant::now()).await?;
    let ours = Ours {
        setting,
        auth_enabled: convert::auth_enabled(applied),
        baseline: baseline.as_ref(),
    };
    match decide::cleanup(&[ours], (*live).as_ref()) {
        Cleanup::AlreadyGone => Ok(()),
        Cleanup::NotOurs(found) => {
            let note = format!(
                "the live setting is no longer the one this resource applied ({} differ), so it is left alone",
                convert::field_list(&found)
            );
            ctx.events
                .publish(resource, Notice::warning(EventReason::NotOurs, note));
            Ok(())
        }
        Cleanup::Delete => {
            let name = pass.name();
            let change = Change {
                resource: &name,
                why: "deletion",
                fields: "all".to_owned(),
            };
            pass.entry.lock().writing = true;
            act::delete(ctx, &access, &change).await?;
            ctx.events.publish(
                resource,
                Notice::normal(EventReason::Deleted, "DeleteMessageCallback succeeded"),
            );
            Ok(())
        }
    }
}

/// Lets a resource go whose setting could not be removed in time.
async fn release(pass: &Pass<'_>, failure: &Failure) -> Result<(), Failure> {
    let spec = &pass.resource.spec;
    let account = pass.status.account_id.as_deref().unwrap_or("unknown");
    let why = match failure {
        Failure::Stalled { message, .. } | Failure::Waiting { message, .. } => message.as_str(),
        Failure::Kubernetes(_) | Failure::Stopping => "",
    };
    let note = left_behind(pass, why);
    tracing::warn!(resource = %pass.name(), account, region = %spec.region, app = %spec.app_id, class = failure.class(), "released; its setting stays at the service");
    pass.ctx
        .events
        .publish(pass.resource, Notice::warning(EventReason::Released, note));
    pass.ctx.metrics.released(match failure {
        Failure::Stalled {
            reason: Reason::PermissionDenied,
            ..
        } => "PermissionDenied",
        Failure::Stalled { .. } => "CredentialsLost",
        _ => "ServiceUnreachable",
    });
    finalizer::take_off(pass.ctx, pass.resource).await
}

/// Says what holds the deletion up, and until when.
async fn say(pass: &mut Pass<'_>, failure: &Failure) -> Result<(), Failure> {
    let (Failure::Stalled { reason, message, .. } | Failure::Waiting { reason, message, .. }) = failure else {
        return Ok(());
    };
    let message = format!("the deletion waits, at most for the grace period: {message}");
    let outcome = Outcome::new(*reason, message.clone());
    pass.ctx
        .events
        .publish(pass.resource, Notice::warning(EventReason::of(*reason), message));
    let error = last_error(failure, Timestamp::now());
    let update = StatusUpdate {
        outcome: Some(outcome),
        last_error: error.map(Some),
        ..StatusUpdate::default()
    };
    pass.status = report(pass.ctx, pass.resource, pass.entry, &pass.status, update).await?;
    Ok(())
}
