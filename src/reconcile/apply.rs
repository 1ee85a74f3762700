//! The pipeline for a resource that stays: observe → decide → act → report.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::act::act;
use super::claims::{self, Learned};
use super::decide::Observed;
use super::due::Due;
use super::facts::{self, Basis, Facts};
use super::failure::Failure;
use super::next_action::End;
use super::object_state::Live;
use super::pass::Pass;
use super::report::{Edit, StatusUpdate};
use super::under_way::say_progressing;
use super::{calls, failure_status, finalizer, observe, spec_warnings};
use crate::api::ManagementPolicy;
use crate::domain::AccountId;
use crate::events::{EventReason, Notice};
use crate::service::{Access, LiveRead, Turn};
use crate::status::Reason;

/// A read that another resource of the same setting made this recently serves a scheduled check too.
const SHARED_READ_AGE: std::time::Duration = std::time::Duration::from_secs(5);

/// Brings one resource forward and says what came of it, or, while that takes long, that it is under way.
pub async fn apply(pass: &Pass, turn: &Turn) -> Result<End, Failure> {
    let done = CancellationToken::new();
    let work = async {
        let _done = done.clone().drop_guard();
        Box::pin(attempt(pass, turn)).await
    };
    // What is being said is said to its end, so that it cannot come after what is said next.
    let (attempt, ()) = tokio::join!(work, say_progressing(pass, &done));
    conclude(pass, attempt).await
}

/// Says what came of an attempt.
async fn conclude(pass: &Pass, attempt: Result<StatusUpdate, Failure>) -> Result<End, Failure> {
    let seen = pass.seen().clone();
    let mut update = match attempt {
        Ok(mut update) => {
            pass.entry.lock().failing.ended();
            update.events.extend(seen.left_behind);
            update
        }
        Err(failure) => {
            // What a stale leader meets is no news of the resource: whoever leads now finds out for itself.
            if !pass.ctx.claim.holds() {
                return Err(Failure::StaleLeader);
            }
            claims::note_refusal_by_vod(pass, &failure);
            if let Some(mut update) = failure_status::of(pass, &failure) {
                update.events.splice(0..0, spec_warnings::untold(pass));
                tracing::info!(class = failure.class(), "reconcile failed");
                pass.report(update).await;
            }
            return Err(failure);
        }
    };
    let evidence = claims::evidence(&pass.resource, &pass.status, seen.secrets, seen.learned);
    update.account = evidence.account;
    update.endpoint = seen.endpoint;
    update.observed_secrets = Some(evidence.secrets);
    update.handled.clone_from(&pass.inputs.requested);
    if update.last_error == Edit::Keep {
        update.last_error = Edit::Clear;
    }
    update.events.splice(0..0, spec_warnings::untold(pass));
    let reason = update.outcome.as_ref().map(|outcome| outcome.reason);
    pass.report(update).await;
    match reason {
        Some(reason) if reason.stalls() => return Err(Failure::stalled(reason, "said in the status already")),
        // The Set was made.
        Some(reason) if reason.is_under_way() => return Err(Failure::NotHeld),
        Some(_) | None => {}
    }
    Ok(match pass.entry.lock().live {
        Live::ReadBackDue => End::ReadBackDue,
        Live::Known | Live::Unknown => End::Done,
    })
}

/// Observes, decides and acts. What comes of it is a value; nothing is said yet.
async fn attempt(pass: &Pass, turn: &Turn) -> Result<StatusUpdate, Failure> {
    let asked_at = Instant::now();
    let wanted = Box::pin(observe::wanted(pass, turn)).await?;
    let access = &wanted.access;
    let account_before = pass.account();
    let moved = facts::moved_account(account_before.as_deref(), &access.account);
    {
        let mut seen = pass.seen();
        seen.resolved = true;
        seen.accepted = access.account.account().is_some();
        seen.left_behind = moved.and_then(|(old, new)| left_behind(pass, old, new));
    }
    // Of another account only once something was done there: until then the old one is what the words are about.
    if moved.is_none() {
        note_account(pass, access);
    }
    if let Err(failure) = Box::pin(observe::ownership(pass, turn)).await {
        if failure.told().is_some_and(|told| told.reason == Reason::Conflict) {
            note_account(pass, access);
        }
        return Err(failure);
    }
    pass.join_line(access)?;
    // Whatever came up meanwhile, a suspension or the end of the process, comes before the first call.
    if turn.interrupted.is_cancelled() {
        return Err(Failure::Outdated);
    }
    let facts = Facts::of(&Basis {
        spec: &pass.resource.spec,
        generation: pass.inputs.generation,
        status: &pass.status,
        account_before: account_before.as_deref(),
        wanted: &wanted.setting,
        wanted_applied: &wanted.applied,
        account: &access.account,
    });
    let observed = facts.observed(pass.entry.lock().live == Live::ReadBackDue);
    let live = live_and_finalizer(pass, turn, access, &observed, asked_at).await?;
    let plan = observed.decide(live.as_deref().map(Option::as_ref));
    let live = live.as_deref().and_then(Option::as_ref);
    let mut update = Box::pin(act(pass, turn, &wanted, plan, live)).await?;
    note_account(pass, access);
    if let Some(outcome) = &mut update.outcome {
        outcome.credentials_note.clone_from(&access.account_note);
    }
    update.forget_applied |= moved.is_some();
    match observed.policy {
        // What was applied to the other account is not in this one.
        ManagementPolicy::Observe if moved.is_some() => update.applied = None,
        ManagementPolicy::Observe => {}
        ManagementPolicy::Enforce | ManagementPolicy::ApplyOnly => update.unconfirmed = Edit::Clear,
    }
    Ok(update)
}

fn note_account(pass: &Pass, access: &Access) {
    let mut seen = pass.seen();
    seen.learned = Learned::of(&access.account);
    seen.endpoint = Some(access.endpoint.as_str().to_owned());
}

/// Reads the live setting where the decision needs it, once more where that is doubtful. Whatever it is, a resource that
/// may change it holds the finalizer first.
async fn live_and_finalizer(
    pass: &Pass,
    turn: &Turn,
    access: &Access,
    observed: &Observed<'_>,
    asked_at: Instant,
) -> Result<Option<LiveRead>, Failure> {
    let finalizer = Box::pin(finalizer::put_on(&pass.ctx, &pass.resource, &pass.entry));
    let known = pass.entry.lock().live;
    if !observed.needs_live(known == Live::Known) {
        finalizer.await?;
        return Ok(None);
    }
    let read = pass.ctx.service.get(access, turn, not_before(pass, asked_at));
    let live = if observed.policy == ManagementPolicy::Observe {
        read.await?
    } else {
        // The two do not depend on each other. The work first, so that it keeps the place while the read is away.
        let (finalizer, live) = tokio::join!(turn.meanwhile(finalizer), read);
        finalizer?;
        live?
    };
    pass.note_live(Live::Known);
    pass.seen().accepted = true;
    if !observed.is_doubtful((*live).as_ref()) {
        return Ok(Some(live));
    }
    let again = calls::read_again(pass, turn, access).await;
    // Where that fails it is still owed.
    let again = again.inspect_err(|_| pass.note_live(known))?;
    Ok(Some(again))
}

/// Since when a read of the live setting counts for this pass.
fn not_before(pass: &Pass, asked_at: Instant) -> Instant {
    if let Some(head) = pass.entry.lock().schedule.as_ref().and_then(|schedule| schedule.head) {
        return head;
    }
    match pass.due {
        Due::ScheduledCheck => asked_at
            .checked_sub(SHARED_READ_AGE.min(pass.interval / 2))
            .unwrap_or(asked_at),
        _ => asked_at,
    }
}

/// Credentials that now belong to another account leave the old account's setting behind.
fn left_behind(pass: &Pass, old: &str, new: &AccountId) -> Option<Notice> {
    pass.status.applied.as_ref()?;
    let spec = &pass.resource.spec;
    let note = format!(
        "the credentials moved from account {old} to {new}: the setting of account {old} in {} for {} stays as it is; remove it there if it is not wanted",
        spec.region, spec.app_id
    );
    Some(Notice::warning(EventReason::AccountChanged, note))
}
