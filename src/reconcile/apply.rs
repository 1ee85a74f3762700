//! The pipeline for a resource that stays: observe → decide → act → report.

use tokio::time::Instant;

use super::claims::{self, Learned};
use super::due::Due;
use super::execute::execute;
use super::facts::{self, Facts, Known};
use super::failure::Failure;
use super::next_action::End;
use super::object_state::Live;
use super::observe::{self, Wanted};
use super::pass::Pass;
use super::report::{Edit, StatusUpdate};
use super::{act, failure_status, finalizer, warnings};
use crate::api::ManagementPolicy;
use crate::events::{EventReason, Notice};
use crate::service::Turn;
use crate::status::{Reason, ready_reason};

/// A read that another resource of the same setting made this recently serves a scheduled check too.
const SHARED_READ_AGE: std::time::Duration = std::time::Duration::from_secs(5);

/// Brings one resource forward and reports.
pub async fn apply(pass: &Pass, turn: &Turn) -> Result<End, Failure> {
    let attempt = attempt(pass, turn).await;
    report(pass, attempt).await
}

/// Says what came of an attempt.
pub async fn report(pass: &Pass, attempt: Result<StatusUpdate, Failure>) -> Result<End, Failure> {
    let seen = pass.seen().clone();
    let mut update = match attempt {
        Ok(update) => {
            pass.entry.lock().failing.ended();
            update
        }
        Err(failure) => {
            // What a stale leader meets is no news of the resource: whoever leads now finds out for itself.
            if !pass.ctx.claim.holds() {
                return Err(Failure::StaleLeader);
            }
            claims::note_refusal_by_vod(pass, &failure);
            if let Some(mut update) = failure_status::of(pass, &failure) {
                update.events.splice(0..0, spec_warnings(pass));
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
    update.events.splice(0..0, spec_warnings(pass));
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

/// What is worth a word about the spec; after a restart what the stored status already speaks of has been told. That it
/// waits, or that work is under way, is said before anything else is.
fn spec_warnings(pass: &Pass) -> Vec<Notice> {
    let said = pass.resource.status.as_ref().is_some_and(|status| {
        let reason = ready_reason(&status.conditions);
        status.observed_generation == pass.resource.metadata.generation
            && !matches!(reason, Some(Reason::Progressing | Reason::Throttled))
    });
    if said {
        return Vec::new();
    }
    let warnings = warnings::warnings(&pass.resource.spec);
    warnings
        .into_iter()
        .map(|(reason, note)| Notice::warning(reason, note))
        .collect()
}

/// Observes, decides and acts. What comes of it is a value; nothing is said yet.
pub async fn attempt(pass: &Pass, turn: &Turn) -> Result<StatusUpdate, Failure> {
    let ctx = &pass.ctx;
    let asked_at = Instant::now();
    let wanted = Box::pin(observe::wanted(pass, turn)).await?;
    let access = &wanted.access;
    {
        let mut seen = pass.seen();
        seen.resolved = true;
        seen.accepted = access.account.account().is_some();
    }
    let (moved, left_behind) = moved_account(pass, &wanted);
    let note_account = || {
        let mut seen = pass.seen();
        seen.learned = Learned::of(&access.account);
        seen.endpoint = Some(access.endpoint.as_str().to_owned());
    };
    // Of another account only once something was done there: until then the old one is what the words are about.
    if !moved {
        note_account();
    }
    if let Err(failure) = Box::pin(observe::ownership(pass, turn)).await {
        if failure.told().is_some_and(|told| told.reason == Reason::Conflict) {
            pass.seen().left_behind = left_behind;
            note_account();
        }
        return Err(failure);
    }
    pass.join_line(access)?;
    // Whatever came up meanwhile, a suspension or the end of the process, comes before the first call.
    if turn.interrupted.is_cancelled() {
        return Err(Failure::Outdated);
    }

    let known = pass.entry.lock().live;
    let account_before = pass.account();
    let facts = Facts::of(&Known {
        spec: &pass.resource.spec,
        generation: pass.inputs.generation,
        status: &pass.status,
        account_before: account_before.as_deref(),
        wanted: &wanted.setting,
        wanted_applied: &wanted.applied,
        account: &access.account,
    });
    let observed = facts.observed(known == Live::ReadBackDue);
    let live = if observed.needs_live(known == Live::Known) {
        let read = ctx.service.get(access, turn, not_before(pass, asked_at));
        // Whatever the live setting is, a resource that may change it holds the finalizer first: the two waits do not
        // depend on each other.
        let (live, finalizer) = if observed.policy == ManagementPolicy::Observe {
            (read.await, Ok(()))
        } else {
            // The work first, so that it keeps the place while the read is away.
            let work = turn.meanwhile(Box::pin(finalizer::put_on(ctx, &pass.resource, &pass.entry)));
            let (finalizer, live) = tokio::join!(work, read);
            (live, finalizer)
        };
        finalizer?;
        let live = live?;
        pass.note_live(Live::Known);
        pass.seen().accepted = true;
        Some(live)
    } else {
        Box::pin(finalizer::put_on(ctx, &pass.resource, &pass.entry)).await?;
        None
    };
    let live = match live {
        // Where that fails it is still owed.
        Some(live) if observed.is_doubtful((*live).as_ref()) => Some(
            act::read_again(pass, turn, access)
                .await
                .inspect_err(|_| pass.note_live(known))?,
        ),
        live => live,
    };
    let plan = observed.decide(live.as_deref().map(Option::as_ref));
    let live = live.as_deref().and_then(Option::as_ref);
    let mut update = Box::pin(execute(pass, turn, &wanted, plan, live)).await?;
    if pass.resource.spec.management_policy != ManagementPolicy::Observe {
        update.unconfirmed = Edit::Clear;
    }
    if let Some(outcome) = &mut update.outcome {
        outcome.credentials_note.clone_from(&access.account_note);
    }
    update.events.extend(left_behind);
    note_account();
    if moved && pass.resource.spec.management_policy == ManagementPolicy::Observe {
        // What was applied to the other account is not in this one.
        update.applied = None;
    }
    update.forget_applied |= moved;
    Ok(update)
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
fn moved_account(pass: &Pass, wanted: &Wanted) -> (bool, Option<Notice>) {
    let before = pass.account();
    let Some((old, new)) = facts::moved_account(before.as_deref(), &wanted.access.account) else {
        return (false, None);
    };
    let spec = &pass.resource.spec;
    let notice = pass.status.applied.is_some().then(|| {
        let note = format!(
            "the credentials moved from account {old} to {new}: the setting of account {old} in {} for {} stays as it is; remove it there if it is not wanted",
            spec.region, spec.app_id
        );
        Notice::warning(EventReason::AccountChanged, note)
    });
    (true, notice)
}
