//! The pipeline for a resource that stays: observe → decide → act → report.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;

use super::act::{self, Change};
use super::decide::{Cause, KeyStanding, Observed, OwedReadBack, Plan};
use super::failure::Failure;
use super::observe::{self, Inputs};
use super::report::{StatusUpdate, last_error, report};
use super::trigger::{Due, version_of};
use super::{Pass, convert, finalizer, warnings};
use crate::api::{AppliedKeySecret, AppliedSetting, ObservedSecret};
use crate::domain::{FieldDifference, LiveSetting, ReadBack};
use crate::events::{EventReason, Notice};
use crate::quota::Urgency;
use crate::schedule::Correction;
use crate::status::{Outcome, Reason, ready_reason};

/// A read that another resource of the same setting made this recently serves a scheduled check too.
const SHARED_READ_AGE: std::time::Duration = std::time::Duration::from_secs(5);

/// What an attempt found out, also one that failed later.
#[derive(Default)]
struct Seen {
    /// The Secrets that it read.
    secrets: Vec<ObservedSecret>,
    /// The account, where STS named it. A resource that waits for its owner to go must know it after a restart.
    account: Option<String>,
    /// The service's address.
    endpoint: Option<String>,
}

/// Brings one resource forward and reports.
pub async fn apply(pass: &mut Pass<'_>, urgency: Urgency, what: Due) -> Result<(), Failure> {
    // After a restart what the stored status already speaks of has been told.
    let told = pass.resource.status.as_ref().and_then(|s| s.observed_generation) == pass.resource.metadata.generation;
    let due = if told {
        Vec::new()
    } else {
        warnings::warnings(&pass.resource.spec)
    };
    for (reason, note) in due {
        pass.ctx.events.publish(pass.resource, Notice::warning(reason, note));
    }
    let mut seen = Seen::default();
    let result = attempt(pass, urgency, &mut seen).await;
    pass.retry_inputs.note_versions_read(&seen.secrets);
    let mut update = match result {
        Ok(update) => {
            pass.entry.lock().failing_since = None;
            update
        }
        Err(failure) => {
            let failure = failure.unless_past(pass.ctx.claim.holds());
            failed(pass, what, seen, &failure).await?;
            return Err(failure);
        }
    };
    update.account = seen.account;
    update.endpoint = seen.endpoint;
    update.observed_secrets = Some(seen.secrets);
    update.handled.clone_from(&pass.retry_inputs.requested);
    update.last_error = Some(None);
    pass.status = report(pass.ctx, pass.resource, pass.entry, &pass.status, update).await?;
    let contested = ready_reason(&pass.status.conditions) == Some(Reason::Contested);
    if contested {
        Err(Failure::stalled(Reason::Contested, "said in the status already"))
    } else {
        Ok(())
    }
}

async fn attempt(pass: &mut Pass<'_>, urgency: Urgency, seen: &mut Seen) -> Result<StatusUpdate, Failure> {
    let (ctx, resource) = (pass.ctx, pass.resource);
    let asked_at = Instant::now();
    let inputs = observe::inputs(ctx, resource, &mut seen.secrets).await?;
    let moved = moved_account(pass, &inputs);
    if !moved {
        seen.account = inputs.access.account.account().map(|id| id.0.clone());
        seen.endpoint = Some(inputs.access.endpoint.as_str().to_owned());
    }
    observe::ownership(ctx, resource).await?;

    let baseline = pass.status.reported.as_ref().filter(|_| !moved);
    let baseline = baseline.and_then(convert::baseline);
    let applied = pass.status.applied.as_ref().filter(|_| !moved);
    let (live_is_known, owed) = {
        let memory = pass.entry.lock();
        // Read once and believed: a second read comes with the pass as one piece.
        let owed = if memory.read_back_due {
            OwedReadBack::Second
        } else {
            OwedReadBack::No
        };
        (memory.live_is_known, owed)
    };
    let facts = Observed {
        wanted: &inputs.wanted,
        wanted_applied: &inputs.wanted_applied,
        applied,
        unconfirmed: false,
        baseline: baseline.as_ref(),
        key: key_standing(pass, &inputs.wanted_applied, applied),
        owed,
        policy: resource.spec.management_policy,
    };
    let not_before = match urgency {
        Urgency::Change => asked_at,
        Urgency::Check => asked_at
            .checked_sub(SHARED_READ_AGE.min(pass.interval / 2))
            .unwrap_or(asked_at),
    };
    let live = if facts.needs_live(live_is_known) {
        let live = observe::live(ctx, &inputs.access, urgency, not_before).await?;
        let mut memory = pass.entry.lock();
        memory.live_is_known = true;
        memory.read_back_due = false;
        Some(live)
    } else {
        None
    };
    let plan = facts.decide(live.as_deref().map(Option::as_ref));
    let live = live.as_deref().and_then(Option::as_ref);
    let mut update = carry_out(pass, &inputs, plan, live).await?;
    if let Some(outcome) = &mut update.outcome {
        outcome.credentials_note.clone_from(&inputs.access.account_note);
    }
    // Of another account only once something was done there: until then the old one is what the words are about.
    seen.account = inputs.access.account.account().map(|id| id.0.clone());
    seen.endpoint = Some(inputs.access.endpoint.as_str().to_owned());
    update.forget_applied = moved;
    Ok(update)
}

/// Carries out a plan and says what came of it.
async fn carry_out(
    pass: &Pass<'_>,
    inputs: &Inputs,
    plan: Plan,
    live: Option<&LiveSetting>,
) -> Result<StatusUpdate, Failure> {
    let tell = |notice: Notice| pass.ctx.events.publish(pass.resource, notice);
    match plan {
        Plan::Set(Cause::First { replacing }) => {
            if !replacing.is_empty() {
                tell(Notice::warning(EventReason::Replacing, replaced_words(&replacing)));
            }
            set(pass, inputs, "first", convert::field_list(&replacing), Reason::Applied).await
        }
        Plan::Set(Cause::Change) => set(pass, inputs, "change", String::new(), Reason::Applied).await,
        Plan::Set(Cause::Drift(found)) => correct(pass, inputs, found).await,
        // Not planned for a second read.
        Plan::ReadAgain => Ok(StatusUpdate::default()),
        Plan::Adopt(baseline) => {
            finalizer::put_on(pass.ctx, pass.resource).await?;
            tell(Notice::normal(
                EventReason::Adopted,
                "the service already holds what the spec says; no call was needed",
            ));
            in_sync(pass);
            Ok(StatusUpdate {
                outcome: Some(Outcome::new(
                    Reason::InSync,
                    "the service already held what the spec says",
                )),
                applied: Some(inputs.wanted_applied.clone()),
                reported: Some(Some(convert::reported(&baseline))),
                ..StatusUpdate::default()
            })
        }
        Plan::InSync(baseline) => {
            in_sync(pass);
            // `Applied` stays until something happens: a resource at rest is not written.
            let before = ready_reason(&pass.status.conditions).filter(|_| pass.holds_generation());
            let reason = if before == Some(Reason::Applied) {
                Reason::Applied
            } else {
                Reason::InSync
            };
            Ok(StatusUpdate {
                outcome: Some(Outcome::new(reason, words(reason))),
                applied: Some(inputs.wanted_applied.clone()),
                reported: baseline.map(|baseline| Some(convert::reported(&baseline))),
                ..StatusUpdate::default()
            })
        }
        Plan::TakeBaseline { reworded, baseline } => {
            tell_rewritten(pass, &reworded);
            Ok(StatusUpdate {
                outcome: Some(Outcome::new(Reason::Applied, words(Reason::Applied))),
                applied: Some(inputs.wanted_applied.clone()),
                reported: Some(Some(convert::reported(&baseline))),
                ..StatusUpdate::default()
            })
        }
        Plan::ReportDrift(found) => {
            if pass.status.differences != convert::differences(&found) {
                pass.ctx.metrics.drift("reported");
                let fields = convert::field_list(&found);
                tell(Notice::warning(
                    EventReason::DriftDetected,
                    format!("changed at the service, left as found (ApplyOnly): {fields}"),
                ));
            }
            let message = format!(
                "the service holds another value for {}; managementPolicy ApplyOnly leaves it",
                convert::field_list(&found)
            );
            Ok(differing(Reason::Drifted, message, found))
        }
        Plan::ReportObserved(found) => {
            let message = if found.is_empty() {
                "observed: the service holds what the spec says".to_owned()
            } else {
                format!(
                    "observed: the service holds another value for {}",
                    convert::field_list(&found)
                )
            };
            let reported = convert::observed(live, pass.status.reported.as_ref(), !found.is_empty());
            Ok(StatusUpdate {
                reported: Some(reported),
                ..differing(Reason::Observed, message, found)
            })
        }
    }
}

fn differing(reason: Reason, message: String, found: Vec<FieldDifference>) -> StatusUpdate {
    let outcome = Outcome {
        differences: found,
        ..Outcome::new(reason, message)
    };
    StatusUpdate {
        outcome: Some(outcome),
        ..StatusUpdate::default()
    }
}

async fn set(
    pass: &Pass<'_>,
    inputs: &Inputs,
    why: &'static str,
    fields: String,
    reason: Reason,
) -> Result<StatusUpdate, Failure> {
    finalizer::put_on(pass.ctx, pass.resource).await?;
    let name = pass.name();
    let change = Change {
        resource: &name,
        why,
        fields,
    };
    let applied = act::set(pass.ctx, &inputs.access, &inputs.wanted, pass.entry, &change).await?;
    pass.entry.lock().read_back_due = applied.live.is_none();
    pass.ctx.events.publish(
        pass.resource,
        Notice::normal(
            if reason == Reason::DriftCorrected {
                EventReason::DriftCorrected
            } else {
                EventReason::Applied
            },
            format!("SetMessageCallback succeeded, RequestId {}", applied.request_id),
        ),
    );
    tell_rewritten(pass, &applied.rewritten);
    let form = pass.status.reported.as_ref().and_then(convert::baseline);
    let form = form.and_then(|baseline| baseline.key_form);
    let judged = applied
        .live
        .as_deref()
        .map(|live| inputs.wanted.judge_read_back(live.as_ref(), form, true));
    let baseline = match &judged {
        Some(ReadBack::Held { baseline, .. }) => Some(baseline),
        Some(ReadBack::Doubtful | ReadBack::Foreign(_)) | None => None,
    };
    Ok(StatusUpdate {
        outcome: Some(Outcome::new(reason, words(reason))),
        request_id: Some(applied.request_id),
        applied: Some(inputs.wanted_applied.clone()),
        reported: Some(baseline.map(convert::reported)),
        ..StatusUpdate::default()
    })
}

async fn correct(pass: &Pass<'_>, inputs: &Inputs, found: Vec<FieldDifference>) -> Result<StatusUpdate, Failure> {
    let now = Instant::now();
    let fields = convert::field_list(&found);
    let correction = pass.entry.lock().contest.on_drift(now, pass.interval);
    if let Correction::Hold { .. } = correction {
        if ready_reason(&pass.status.conditions) != Some(Reason::Contested) {
            pass.ctx.metrics.drift("contested");
        }
        let message = format!(
            "somebody else keeps changing {fields}: corrections are paused and tried again once in 10 check intervals; \
             find the other writer (another cluster, a script, the console)"
        );
        pass.ctx.events.publish(
            pass.resource,
            Notice::warning(EventReason::of(Reason::Contested), message.clone()),
        );
        return Ok(differing(Reason::Contested, message, found));
    }
    pass.ctx.events.publish(
        pass.resource,
        Notice::warning(
            EventReason::DriftDetected,
            format!("changed at the service, being corrected: {fields}"),
        ),
    );
    let update = set(pass, inputs, "drift", fields, Reason::DriftCorrected).await?;
    pass.entry.lock().contest.corrected(now);
    pass.ctx.metrics.drift("corrected");
    Ok(update)
}

fn in_sync(pass: &Pass<'_>) {
    pass.entry.lock().contest.on_in_sync(Instant::now(), pass.interval);
}

fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::DriftCorrected => "the setting was changed behind the operator's back and has been corrected",
        Reason::Applied => "applied: the service holds what the spec says",
        _ => "the service holds what the spec says",
    }
}

fn replaced_words(replacing: &[FieldDifference]) -> String {
    let each = |d: &FieldDifference| {
        let observed = if d.observed.is_empty() {
            "(none)"
        } else {
            d.observed.as_str()
        };
        format!("{} {observed}", d.field.path())
    };
    let list = replacing.iter().map(each).collect::<Vec<_>>().join(", ");
    format!("replacing a setting that was already there: {list}")
}

fn tell_rewritten(pass: &Pass<'_>, rewritten: &[FieldDifference]) {
    if !rewritten.is_empty() {
        let fields = convert::field_list(rewritten);
        let note = format!(
            "the service reports its own words for {fields} (see status.reported); they are taken as the baseline"
        );
        pass.ctx
            .events
            .publish(pass.resource, Notice::warning(EventReason::ReadBackDiffers, note));
    }
}

/// Credentials that now belong to another account leave the old account's setting behind.
fn moved_account(pass: &Pass<'_>, inputs: &Inputs) -> bool {
    let (Some(old), Some(new)) = (&pass.status.account_id, inputs.access.account.account()) else {
        return false;
    };
    if *old == new.0 {
        return false;
    }
    if pass.status.applied.is_some() {
        let spec = &pass.resource.spec;
        let note = format!(
            "the credentials moved from account {old} to {new}: the setting of account {old} in {} for {} stays as it is; remove it there if it is not wanted",
            spec.region, spec.app_id
        );
        pass.ctx
            .events
            .publish(pass.resource, Notice::warning(EventReason::AccountChanged, note));
    }
    true
}

/// Whether the AuthKey that the spec names is the one that was applied.
fn key_standing(pass: &Pass<'_>, wanted: &AppliedSetting, applied: Option<&AppliedSetting>) -> KeyStanding {
    let wanted = wanted.auth_key_secret.as_ref();
    let applied = applied.and_then(|applied| applied.auth_key_secret.as_ref());
    let read =
        |key: &AppliedKeySecret| version_of(&pass.status.observed_secrets, &key.name) == Some(&key.resource_version);
    let spoken_for = pass.holds_generation() && wanted.is_some_and(read);
    KeyStanding::of(wanted, applied, spoken_for)
}

/// Says in the status and in an event what went wrong, as far as the contract wants it said.
async fn failed(pass: &mut Pass<'_>, what: Due, seen: Seen, failure: &Failure) -> Result<(), Failure> {
    let (Failure::Stalled { reason, message, .. } | Failure::Waiting { reason, message, .. }) = failure else {
        return Ok(());
    };
    let mut update = StatusUpdate {
        last_error: last_error(failure, Timestamp::now()).map(Some),
        handled: pass.retry_inputs.requested.clone(),
        account: seen.account,
        endpoint: seen.endpoint,
        ..StatusUpdate::default()
    };
    // While the account rests no call is made, so what the service said last still says more.
    if failure.is_a_rest() && pass.status.last_error.is_some() {
        update.last_error = None;
    }
    let passing = matches!(failure, Failure::Waiting { .. });
    if passing && pass.holds_generation() {
        // A check that fails in passing leaves the words as they are, until it has failed for long.
        let since = *pass.entry.lock().failing_since.get_or_insert_with(Instant::now);
        if what != Due::Change && since.elapsed() < pass.interval {
            update.last_error = None;
        }
    } else {
        // What waits for a retry must find its Secrets changed again after a restart.
        update.observed_secrets = (!passing).then_some(seen.secrets);
        update.outcome = Some(Outcome::new(*reason, message.clone()));
        let notice = Notice::warning(EventReason::of(*reason), message.clone());
        pass.ctx.events.publish(pass.resource, notice);
    }
    tracing::info!(resource = %pass.name(), uid = %pass.resource.uid().unwrap_or_default(), class = failure.class(), "not done yet");
    pass.status = report(pass.ctx, pass.resource, pass.entry, &pass.status, update).await?;
    Ok(())
}
