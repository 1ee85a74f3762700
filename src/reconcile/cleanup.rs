//! The pipeline for a resource that goes: its setting is removed if it is still the one it applied, and the resource
//! is released, whatever happens, after the grace period.

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::calls::{self, Change};
use super::decide::Cleanup;
use super::deletion_grace::HeldBy;
use super::due::secrets_changed;
use super::facts::UnnamedSet;
use super::failure::Failure;
use super::next_action::End;
use super::object_state::Sets;
use super::pass::Pass;
use super::report::{Edit, StatusUpdate, last_error};
use super::{claims, convert, crd_going, facts, finalizer, observe};
use crate::api::{AppliedSetting, DeletionPolicy};
use crate::events::{EventReason, Notice};
use crate::ownership::Ownership;
use crate::service::Turn;
use crate::status::{Outcome, Reason};

/// So begins what the status says of a deletion that cannot be carried out yet; a process that comes later knows it by
/// these words ([`kept_notice`]).
const HELD_UP: &str = "the deletion waits";

/// Deals with the setting and releases the resource.
pub async fn cleanup(pass: &Pass, turn: &Turn) -> Result<End, Failure> {
    pass.entry.lock().failing.ended();
    let settings = settings_to_remove(pass);
    if settings.is_empty() {
        return release(pass, kept_notice(pass)).await;
    }
    let is_going = crd_going::is_going(&pass.ctx.client, &pass.resource);
    if turn.away(Box::pin(is_going)).await? {
        return release_and_leave(pass, "CrdDeleted", "it was deleted together with its CRD").await;
    }
    let removed = remove(pass, turn, &settings).await;
    let failure = match removed {
        Ok(notice) => return release(pass, notice).await,
        Err(failure) => failure,
    };
    if !pass.ctx.claim.holds() {
        return Err(Failure::StaleLeader);
    }
    let Some(reason) = failure.told().map(|told| told.reason) else {
        return Err(failure);
    };
    claims::note_refusal_by_vod(pass, &failure);
    if HeldBy::of(reason) == HeldBy::Refusal && is_hardly_set(pass) {
        return release(pass, None).await;
    }
    if may_release(pass, reason) {
        let why = failure.told().map(|told| told.message.to_owned()).unwrap_or_default();
        return release_and_leave(pass, counted_as(&failure), &why).await;
    }
    let update = StatusUpdate {
        handled: pass.inputs.requested.clone(),
        ..waiting(&failure)
    };
    pass.report(update).await;
    Err(failure)
}

/// Takes the finalizer off, and tells what is to be told.
async fn release(pass: &Pass, notice: Option<Notice>) -> Result<End, Failure> {
    finalizer::take_off(&pass.ctx, &pass.resource.metadata).await?;
    pass.entry.lock().is_released = true;
    pass.tell(notice);
    Ok(End::Done)
}

/// The same, with its setting left at the service though nobody asked for that.
async fn release_and_leave(pass: &Pass, counted_as: &'static str, why: &str) -> Result<End, Failure> {
    let end = release(
        pass,
        Some(Notice::warning(EventReason::Released, left_behind(pass, why))),
    )
    .await?;
    let spec = &pass.resource.spec;
    tracing::warn!(region = %spec.region, app = %spec.app_id, reason = counted_as, "released; its setting stays at the service");
    pass.ctx.metrics.released(counted_as);
    Ok(end)
}

/// A deletion that was under way or held up and is released by another policy says what stays; one that was never to remove
/// anything has nothing to say.
fn kept_notice(pass: &Pass) -> Option<Notice> {
    let ready = pass
        .status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    let held_up = ready.is_some_and(|condition| condition.message.starts_with(HELD_UP));
    let stopped = (held_up || pass.entry.lock().was_to_be_removed) && !is_loser(pass);
    let kept = stopped && pass.status.applied.is_some() && pass.resource.spec.deletion_policy == DeletionPolicy::Retain;
    kept.then(|| Notice::warning(EventReason::Released, left_behind(pass, "deletionPolicy is Retain now")))
}

fn is_loser(pass: &Pass) -> bool {
    matches!(pass.ctx.ownership().ownership_of(&pass.uid), Ownership::Loser { .. })
}

fn left_behind(pass: &Pass, why: &str) -> String {
    let spec = &pass.resource.spec;
    let account = pass.account().unwrap_or_else(|| "unknown".to_owned());
    format!(
        "released without removing the setting of account {account}, region {}, app {}; remove it there if it is not wanted: {why}",
        spec.region, spec.app_id
    )
}

/// What this resource may have left at the service, if anything is to be done about it.
pub fn settings_to_remove(pass: &Pass) -> Vec<AppliedSetting> {
    if is_loser(pass) {
        return Vec::new();
    }
    // A process that has watched the resource from its creation knows whether it sent a Set.
    let may_be_set = unnamed_set(pass) != UnnamedSet::None && pass.entry.lock().sets != Sets::None;
    facts::settings_to_remove(&pass.resource.spec, &pass.status, may_be_set)
}

/// What was said before the deletion holds unless a Secret changed after that. It is asked for before the deletion has
/// anything to say itself, and kept.
fn unnamed_set(pass: &Pass) -> UnnamedSet {
    if secrets_changed(&pass.inputs.secrets, &pass.status.observed_secrets) {
        return UnnamedSet::Likely;
    }
    let mut state = pass.entry.lock();
    let by_status = || facts::unnamed_set(&pass.status, pass.inputs.generation);
    *state.unnamed_set.get_or_insert_with(by_status)
}

/// Nothing is known to be set, and whoever refuses to say so now has most likely refused to set it.
fn is_hardly_set(pass: &Pass) -> bool {
    let status = &pass.status;
    status.applied.is_none() && status.unconfirmed.is_none() && unnamed_set(pass) == UnnamedSet::Unlikely
}

/// Removes the setting, if it is this resource's. Returns what is to be told.
async fn remove(pass: &Pass, turn: &Turn, settings: &[AppliedSetting]) -> Result<Option<Notice>, Failure> {
    let access = Box::pin(observe::access_only(pass, turn)).await?;
    let before = pass.account();
    if let Some((old, new)) = facts::moved_account(before.as_deref(), &access.account) {
        let note = format!("the credentials now belong to account {new}: the setting of account {old} stays as it is");
        return Ok(Some(Notice::warning(EventReason::LeftBehind, note)));
    }
    // Two resources with one setting: the one that does not own it leaves it alone.
    match Box::pin(observe::ownership(pass, turn)).await {
        Ok(()) => {}
        Err(failure) if failure.told().is_some_and(|told| told.reason == Reason::Conflict) => return Ok(None),
        // Who owns it is not known yet.
        Err(failure) => return Err(failure),
    }
    pass.join_line(&access)?;
    // Whatever came up meanwhile, a suspension or another policy, comes before the first call.
    if turn.interrupted.is_cancelled() {
        return Err(Failure::Outdated);
    }
    let live = pass.ctx.service.get(&access, turn, Instant::now()).await?;
    match facts::removal(settings, &pass.status, (*live).as_ref()) {
        Cleanup::AlreadyGone => Ok(None),
        // Nothing was ever known to be set by it, so nothing of it was changed.
        Cleanup::NotOurs(_) if pass.status.applied.is_none() && pass.status.unconfirmed.is_none() => Ok(None),
        Cleanup::NotOurs(found) => {
            let note = format!(
                "the live setting is no longer the one this resource applied ({} differ), so it is left alone",
                convert::field_list(&found)
            );
            Ok(Some(Notice::warning(EventReason::NotOurs, note)))
        }
        Cleanup::Delete => {
            let change = Change {
                why: "deletion",
                fields: "all".to_owned(),
            };
            calls::delete(pass, turn, &access, &change).await?;
            let note = "DeleteMessageCallback succeeded";
            Ok(Some(Notice::normal(EventReason::Deleted, note)))
        }
    }
}

/// Whether a deletion that fails is given up.
fn may_release(pass: &Pass, reason: Reason) -> bool {
    let grace_is_over = pass.until_release().is_zero();
    let mut state = pass.entry.lock();
    state
        .late_attempts
        .failed(HeldBy::of(reason), grace_is_over, Instant::now())
}

/// What the metric counts a deletion under that was given up.
fn counted_as(failure: &Failure) -> &'static str {
    match failure {
        Failure::Stalled {
            reason: Reason::PermissionDenied,
            ..
        } => "PermissionDenied",
        Failure::Stalled { .. } => "CredentialsLost",
        _ => "ServiceUnreachable",
    }
}

/// Says what holds the deletion up, and until when.
fn waiting(failure: &Failure) -> StatusUpdate {
    let Some(told) = failure.told() else {
        return StatusUpdate::default();
    };
    // A throttled answer never releases: it will be its turn.
    let bound = match HeldBy::of(told.reason) {
        HeldBy::Throttling => "",
        HeldBy::Passing | HeldBy::Refusal => ", at most for the grace period",
    };
    let message = format!("{HELD_UP}{bound}: {}", told.message);
    StatusUpdate {
        outcome: Some(Outcome::new(told.reason, message.clone())),
        last_error: Edit::To(last_error(&told, Timestamp::now())),
        events: vec![Notice::warning(EventReason::of(told.reason), message)],
        ..StatusUpdate::default()
    }
}
