//! The pipeline for a resource that stays: observe → decide → act → report.

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::act::{self, Change};
use super::decide::{Cause, KeyStanding, Observed, OwedReadBack, Plan};
use super::failure::Failure;
use super::next_action::End;
use super::object_state::{Failing, Live};
use super::observe::{self, Inputs};
use super::pass::Pass;
use super::report::{StatusUpdate, last_error};
use super::trigger::{Due, version_of};
use super::{convert, finalizer, warnings};
use crate::api::{AppliedKeySecret, AppliedSetting, ManagementPolicy};
use crate::domain::{FieldDifference, LiveSetting, ReadBack};
use crate::events::{EventReason, Notice};
use crate::schedule::Correction;
use crate::service::Turn;
use crate::status::{Outcome, Reason, ready_reason};

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
            pass.entry.lock().failing = None;
            update
        }
        Err(failure) => {
            // What a stale leader meets is no news of the resource: whoever leads now finds out for itself.
            if !pass.ctx.claim.holds() {
                return Err(Failure::StaleLeader);
            }
            if let Some(mut update) = failed(pass, &failure) {
                update.events.splice(0..0, spec_warnings(pass));
                tracing::info!(class = failure.class(), "reconcile failed");
                pass.report(update).await;
            }
            return Err(failure);
        }
    };
    update.account = seen.account;
    update.endpoint = seen.endpoint;
    update.observed_secrets = Some(seen.secrets);
    update.handled.clone_from(&pass.inputs.requested);
    update.last_error = Some(None);
    update.events.splice(0..0, spec_warnings(pass));
    let contested = update
        .outcome
        .as_ref()
        .is_some_and(|outcome| outcome.reason == Reason::Contested);
    pass.report(update).await;
    if contested {
        return Err(Failure::stalled(Reason::Contested, "said in the status already"));
    }
    Ok(match pass.entry.lock().live {
        Live::ReadBackDue => End::ReadBackDue,
        Live::Known | Live::Unknown => End::Done,
    })
}

/// What is worth a word about the spec; after a restart what the stored status already speaks of has been told.
fn spec_warnings(pass: &Pass) -> Vec<Notice> {
    let status = pass.resource.status.as_ref();
    if status.and_then(|s| s.observed_generation) == pass.resource.metadata.generation {
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
    let inputs = Box::pin(observe::inputs(pass, turn)).await?;
    let access = &inputs.access;
    let (moved, left_behind) = moved_account(pass, &inputs);
    let note_account = || {
        let mut seen = pass.seen();
        seen.account = access.account.account().map(|id| id.0.clone());
        seen.endpoint = Some(access.endpoint.as_str().to_owned());
    };
    // Of another account only once something was done there: until then the old one is what the words are about.
    if !moved {
        note_account();
    }
    Box::pin(observe::ownership(pass, turn)).await?;
    pass.join_line(access)?;

    let baseline = pass.status.reported.as_ref().filter(|_| !moved);
    let baseline = baseline.and_then(convert::baseline);
    let applied = pass.status.applied.as_ref().filter(|_| !moved);
    let known = pass.entry.lock().live;
    let facts = Observed {
        wanted: &inputs.wanted,
        wanted_applied: &inputs.wanted_applied,
        applied,
        unconfirmed: false,
        baseline: baseline.as_ref(),
        key: key_standing(pass, &inputs.wanted_applied, applied),
        // Read once and believed: a second read comes with the pass as one piece.
        owed: match known {
            Live::ReadBackDue => OwedReadBack::Second,
            Live::Known | Live::Unknown => OwedReadBack::No,
        },
        policy: pass.resource.spec.management_policy,
    };
    let live = if facts.needs_live(known == Live::Known) {
        let read = ctx.service.get(access, turn, not_before(pass, asked_at));
        // Whatever the live setting is, a resource that may change it holds the finalizer first: the two waits do not
        // depend on each other.
        let (live, finalizer) = if facts.policy == ManagementPolicy::Observe {
            (read.await, Ok(()))
        } else {
            tokio::join!(read, finalizer::put_on(ctx, &pass.resource))
        };
        finalizer?;
        let live = live?;
        pass.note_live(Live::Known);
        Some(live)
    } else {
        finalizer::put_on(ctx, &pass.resource).await?;
        None
    };
    let plan = facts.decide(live.as_deref().map(Option::as_ref));
    let live = live.as_deref().and_then(Option::as_ref);
    let mut update = Box::pin(carry_out(pass, turn, &inputs, plan, live)).await?;
    if let Some(outcome) = &mut update.outcome {
        outcome.credentials_note.clone_from(&access.account_note);
    }
    update.events.extend(left_behind);
    note_account();
    update.forget_applied = moved;
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

/// Carries out a plan and says what came of it.
async fn carry_out(
    pass: &Pass,
    turn: &Turn,
    inputs: &Inputs,
    plan: Plan,
    live: Option<&LiveSetting>,
) -> Result<StatusUpdate, Failure> {
    match plan {
        Plan::Set(Cause::First { replacing }) => {
            let mut update = set(
                pass,
                turn,
                inputs,
                "first",
                convert::field_list(&replacing),
                Reason::Applied,
            )
            .await?;
            if !replacing.is_empty() {
                let notice = Notice::warning(EventReason::Replacing, replaced_words(&replacing));
                update.events.insert(0, notice);
            }
            Ok(update)
        }
        Plan::Set(Cause::Change) => set(pass, turn, inputs, "change", String::new(), Reason::Applied).await,
        Plan::Set(Cause::Drift(found)) => correct(pass, turn, inputs, found).await,
        // Not planned for a second read.
        Plan::ReadAgain => Ok(StatusUpdate::default()),
        Plan::Adopt(baseline) => {
            in_sync(pass);
            Ok(StatusUpdate {
                outcome: Some(Outcome::new(
                    Reason::InSync,
                    "the service already held what the spec says",
                )),
                applied: Some(inputs.wanted_applied.clone()),
                reported: Some(Some(convert::reported(&baseline))),
                events: vec![Notice::normal(
                    EventReason::Adopted,
                    "the service already holds what the spec says; no call was needed",
                )],
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
                applied: Some(inputs.wanted_applied.clone()),
                reported: baseline.map(|baseline| Some(convert::reported(&baseline))),
                ..said(Outcome::new(reason, words(reason)))
            })
        }
        Plan::TakeBaseline { reworded, baseline } => Ok(StatusUpdate {
            applied: Some(inputs.wanted_applied.clone()),
            reported: Some(Some(convert::reported(&baseline))),
            events: rewritten_notice(&reworded).into_iter().collect(),
            ..said(Outcome::new(Reason::Applied, words(Reason::Applied)))
        }),
        Plan::ReportDrift(found) => Ok(reported_drift(pass, found)),
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

fn said(outcome: Outcome) -> StatusUpdate {
    StatusUpdate {
        outcome: Some(outcome),
        ..StatusUpdate::default()
    }
}

fn differing(reason: Reason, message: String, found: Vec<FieldDifference>) -> StatusUpdate {
    said(Outcome {
        differences: found,
        ..Outcome::new(reason, message)
    })
}

fn reported_drift(pass: &Pass, found: Vec<FieldDifference>) -> StatusUpdate {
    let fields = convert::field_list(&found);
    let is_news = pass.status.differences != convert::differences(&found);
    let message = format!("the service holds another value for {fields}; managementPolicy ApplyOnly leaves it");
    let mut update = differing(Reason::Drifted, message, found);
    if is_news {
        update.drift = Some("reported");
        update.events.push(Notice::warning(
            EventReason::DriftDetected,
            format!("changed at the service, left as found (ApplyOnly): {fields}"),
        ));
    }
    update
}

async fn set(
    pass: &Pass,
    turn: &Turn,
    inputs: &Inputs,
    why: &'static str,
    fields: String,
    reason: Reason,
) -> Result<StatusUpdate, Failure> {
    let change = Change { why, fields };
    let applied = act::set(pass, turn, &inputs.access, &inputs.wanted, &change).await?;
    let told = if reason == Reason::DriftCorrected {
        EventReason::DriftCorrected
    } else {
        EventReason::Applied
    };
    let note = format!("SetMessageCallback succeeded, RequestId {}", applied.request_id);
    let mut events = vec![Notice::normal(told, note)];
    events.extend(rewritten_notice(&applied.rewritten));
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
        events,
        ..StatusUpdate::default()
    })
}

async fn correct(
    pass: &Pass,
    turn: &Turn,
    inputs: &Inputs,
    found: Vec<FieldDifference>,
) -> Result<StatusUpdate, Failure> {
    let now = Instant::now();
    let fields = convert::field_list(&found);
    let correction = pass.entry.lock().contest.on_drift(now, pass.interval);
    if let Correction::Hold { .. } = correction {
        let message = format!(
            "somebody else keeps changing {fields}: corrections are paused and tried again once in 10 check intervals; \
             find the other writer (another cluster, a script, the console)"
        );
        let is_news = ready_reason(&pass.status.conditions) != Some(Reason::Contested);
        return Ok(StatusUpdate {
            drift: is_news.then_some("contested"),
            events: vec![Notice::warning(EventReason::of(Reason::Contested), message.clone())],
            ..differing(Reason::Contested, message, found)
        });
    }
    let detected = Notice::warning(
        EventReason::DriftDetected,
        format!("changed at the service, being corrected: {fields}"),
    );
    let mut update = set(pass, turn, inputs, "drift", fields, Reason::DriftCorrected).await?;
    pass.entry.lock().contest.corrected(now);
    update.events.insert(0, detected);
    update.drift = Some("corrected");
    Ok(update)
}

fn in_sync(pass: &Pass) {
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

fn rewritten_notice(rewritten: &[FieldDifference]) -> Option<Notice> {
    (!rewritten.is_empty()).then(|| {
        let fields = convert::field_list(rewritten);
        let note = format!(
            "the service reports its own words for {fields} (see status.reported); they are taken as the baseline"
        );
        Notice::warning(EventReason::ReadBackDiffers, note)
    })
}

/// Credentials that now belong to another account leave the old account's setting behind.
fn moved_account(pass: &Pass, inputs: &Inputs) -> (bool, Option<Notice>) {
    let (Some(old), Some(new)) = (&pass.status.account_id, inputs.access.account.account()) else {
        return (false, None);
    };
    if *old == new.0 {
        return (false, None);
    }
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

/// Whether the AuthKey that the spec names is the one that was applied.
fn key_standing(pass: &Pass, wanted: &AppliedSetting, applied: Option<&AppliedSetting>) -> KeyStanding {
    let wanted = wanted.auth_key_secret.as_ref();
    let applied = applied.and_then(|applied| applied.auth_key_secret.as_ref());
    let read =
        |key: &AppliedKeySecret| version_of(&pass.status.observed_secrets, &key.name) == Some(&key.resource_version);
    let spoken_for = pass.holds_generation() && wanted.is_some_and(read);
    KeyStanding::of(wanted, applied, spoken_for)
}

/// What the status and the events say of a failure, as far as the contract wants it said.
fn failed(pass: &Pass, failure: &Failure) -> Option<StatusUpdate> {
    let told = failure.told()?;
    let seen = pass.seen().clone();
    let mut update = StatusUpdate {
        last_error: last_error(failure, Timestamp::now()).map(Some),
        handled: pass.inputs.requested.clone(),
        account: seen.account,
        endpoint: seen.endpoint,
        ..StatusUpdate::default()
    };
    // While the account rests no call is made, so what the service said last still says more.
    let rests = matches!(failure, Failure::Throttled { call: None, .. });
    if rests && pass.status.last_error.is_some() {
        update.last_error = None;
    }
    if told.passes && pass.holds_generation() {
        // A check that fails in passing leaves the words as they are, until it has failed for long.
        let mut state = pass.entry.lock();
        let failing = state.failing.get_or_insert_with(|| Failing {
            since: Instant::now(),
            since_time: Timestamp::now(),
            times: 0,
        });
        failing.times = failing.times.saturating_add(1);
        if pass.due != Due::Change && failing.since.elapsed() < pass.interval {
            update.last_error = None;
        }
    } else {
        // What waits for a retry must find its Secrets changed again after a restart.
        update.observed_secrets = (!told.passes).then_some(seen.secrets);
        update.outcome = Some(Outcome::new(told.reason, told.message));
        update
            .events
            .push(Notice::warning(EventReason::of(told.reason), told.message));
    }
    Some(update)
}
