//! The third step: carries a plan out by the calls that it needs, and finds the words for what came of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::calls::{self, Change};
use super::convert;
use super::decide::{Cause, Plan};
use super::drift::{Drift, found_words};
use super::failure::Failure;
use super::observe::Wanted;
use super::pass::Pass;
use super::report::{Edit, StatusUpdate};
use crate::api::{AppliedSetting, DriftOutcome, LastError};
use crate::domain::{FieldDifference, LiveSetting, ReadBack};
use crate::events::{EventReason, Notice};
use crate::schedule::CONTEST_WINDOW;
use crate::service::Turn;
use crate::status::{Outcome, Reason, ready_reason};

/// Said where the Set succeeded, and what the service made of it could not be read yet.
const READ_BACK_DUE: &str =
    "SetMessageCallback succeeded; the setting could not be read back yet, which is made up for soon";

/// Carries out a plan and says what came of it.
pub async fn act(
    pass: &Pass,
    turn: &Turn,
    wanted: &Wanted,
    plan: Plan,
    live: Option<&LiveSetting>,
) -> Result<StatusUpdate, Failure> {
    match plan {
        Plan::Set(Cause::First { replacing }) => {
            let mut update = set(pass, turn, wanted, "first", found_words(&replacing), Reason::Applied).await?;
            if !replacing.is_empty() {
                let notice = Notice::warning(EventReason::Replacing, replaced_words(&replacing));
                update.events.insert(0, notice);
            }
            Ok(update)
        }
        Plan::Set(Cause::Change) => set(pass, turn, wanted, "change", String::new(), Reason::Applied).await,
        Plan::Set(Cause::Drift(found)) => correct(pass, turn, wanted, found).await,
        Plan::Adopt(baseline) => {
            in_sync(pass);
            Ok(StatusUpdate {
                outcome: Some(Outcome::new(
                    Reason::InSync,
                    "the service already held what the spec says",
                )),
                applied: Some(wanted.applied.clone()),
                reported: Edit::To(convert::reported(&baseline)),
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
                applied: Some(wanted.applied.clone()),
                reported: baseline.map_or(Edit::Keep, |baseline| Edit::To(convert::reported(&baseline))),
                ..said(Outcome::new(reason, words(reason)))
            })
        }
        Plan::TakeBaseline { reworded, baseline } => Ok(StatusUpdate {
            applied: Some(wanted.applied.clone()),
            reported: Edit::To(convert::reported(&baseline)),
            events: rewritten_notice(&reworded).into_iter().collect(),
            ..said(Outcome::new(Reason::Applied, words(Reason::Applied)))
        }),
        Plan::ReportDrift(found) => Ok(reported_drift(pass, found)),
        Plan::ReportObserved(found) => {
            let reported = convert::observed(live, convert::Reported::of(&pass.status), !found.is_empty());
            // It owns nothing meanwhile: which key is in force is not known any more, and where another one has the setting,
            // nothing of it.
            let is_given_up = pass.ctx.ownership().is_owned_by_another(&pass.uid);
            let applied = pass.status.applied.clone().filter(|_| !is_given_up);
            let applied = applied.map(|applied| AppliedSetting {
                auth_key_secret: None,
                ..applied
            });
            Ok(StatusUpdate {
                forget_applied: is_given_up,
                applied,
                reported: reported.into(),
                ..observed(pass, found)
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
    let message = format!("the service holds another value for {fields}; managementPolicy ApplyOnly leaves it");
    left_as_found(pass, Reason::Drifted, message, found)
}

fn observed(pass: &Pass, found: Vec<FieldDifference>) -> StatusUpdate {
    let message = if found.is_empty() {
        "observed: the service holds what the spec says".to_owned()
    } else {
        let fields = convert::field_list(&found);
        format!("observed: the service holds another value for {fields}")
    };
    left_as_found(pass, Reason::Observed, message, found)
}

/// What differs is told when it is news.
fn left_as_found(pass: &Pass, reason: Reason, message: String, found: Vec<FieldDifference>) -> StatusUpdate {
    let is_news = !found.is_empty() && {
        let before = &pass.status.differences;
        *before != convert::differences_after(&found, before)
    };
    let drift = is_news.then(|| Drift {
        outcome: DriftOutcome::Reported,
        found: found.clone(),
    });
    let notice = drift.as_ref().map(|drift| drift.notice(reason == Reason::Observed));
    StatusUpdate {
        drift,
        events: notice.into_iter().collect(),
        ..differing(reason, message, found)
    }
}

async fn set(
    pass: &Pass,
    turn: &Turn,
    wanted: &Wanted,
    why: &'static str,
    fields: String,
    reason: Reason,
) -> Result<StatusUpdate, Failure> {
    let change = Change { why, fields };
    let form = convert::baseline(&pass.status);
    let form = form.and_then(|baseline| baseline.key_form);
    let done = Box::pin(calls::set(pass, turn, wanted, form, &change)).await?;
    // An event would say again what the status says, one write more for each resource; a correction is said, because
    // the next check writes over it.
    let corrected = (reason == Reason::DriftCorrected).then(|| {
        let note = format!("SetMessageCallback succeeded, RequestId {}", done.request_id);
        Notice::normal(EventReason::DriftCorrected, note)
    });
    let set = StatusUpdate {
        request_id: Some(done.request_id),
        applied: Some(wanted.applied.clone()),
        ..StatusUpdate::default()
    };
    let was_read_back = done.read_back.is_some();
    let (baseline, reworded) = match done.read_back {
        Some(ReadBack::Held { reworded, baseline }) => (Some(baseline), reworded),
        Some(ReadBack::Foreign(found)) => return Ok(not_held(set, &found)),
        // It is due.
        None => (None, Vec::new()),
    };
    Ok(StatusUpdate {
        outcome: Some(Outcome::new(
            reason,
            if was_read_back { words(reason) } else { READ_BACK_DUE },
        )),
        reported: baseline.as_ref().map(convert::reported).into(),
        events: corrected.into_iter().chain(rewritten_notice(&reworded)).collect(),
        ..set
    })
}

/// The Set succeeded, and yet the service shows something else, also a second later: that is no baseline, and the
/// resource is looked at again soon, for drift.
fn not_held(set: StatusUpdate, found: &[FieldDifference]) -> StatusUpdate {
    let message = format!(
        "SetMessageCallback succeeded, but the service still reports another setting: {}; it is looked at again",
        found_words(found)
    );
    StatusUpdate {
        outcome: Some(Outcome::new(Reason::ServiceUnavailable, message.clone())),
        reported: Edit::Clear,
        last_error: Edit::To(LastError {
            code: "ReadBackDiffers".to_owned(),
            message: message.clone(),
            request_id: set.request_id.clone(),
            http_status: None,
            time: Time(Timestamp::now()),
        }),
        events: vec![Notice::warning(EventReason::ReadBackDiffers, message)],
        ..set
    }
}

async fn correct(
    pass: &Pass,
    turn: &Turn,
    wanted: &Wanted,
    found: Vec<FieldDifference>,
) -> Result<StatusUpdate, Failure> {
    let now = Instant::now();
    let corrects = pass.entry.lock().contest.corrects(now, pass.interval);
    if !corrects {
        let outcome = contested_outcome(&found);
        let is_news = ready_reason(&pass.status.conditions) != Some(Reason::Contested);
        let drift = is_news.then(|| Drift {
            outcome: DriftOutcome::Contested,
            found: found.clone(),
        });
        return Ok(StatusUpdate {
            drift,
            events: vec![Notice::warning(
                EventReason::of(Reason::Contested),
                outcome.message.clone(),
            )],
            ..said(outcome)
        });
    }
    let drift = Drift {
        outcome: DriftOutcome::Corrected,
        found,
    };
    let fields = found_words(&drift.found);
    pass.seen().drift = Some(drift.found.clone());
    let mut update = set(pass, turn, wanted, "drift", fields, Reason::DriftCorrected).await?;
    pass.seen().drift = None;
    let held = update
        .outcome
        .as_ref()
        .is_some_and(|outcome| outcome.reason == Reason::DriftCorrected);
    let contested = {
        let mut state = pass.entry.lock();
        state.contest.corrected(now, held);
        state.contest.is_contested()
    };
    if contested && !held {
        // One attempt more that did not last is no other trouble.
        update.outcome = Some(contested_outcome(&drift.found));
        update.last_error = Edit::Clear;
    }
    update.events.insert(0, drift.notice(false));
    update.drift = Some(Drift {
        outcome: if held {
            DriftOutcome::Corrected
        } else {
            DriftOutcome::Reported
        },
        ..drift
    });
    Ok(update)
}

fn contested_outcome(found: &[FieldDifference]) -> Outcome {
    let message = format!(
        "somebody else keeps changing {}: corrections are paused and tried again once in {CONTEST_WINDOW} check intervals; \
         find the other writer (another cluster, a script, the console), or write the value as the service reports it",
        convert::field_list(found)
    );
    Outcome {
        differences: found.to_vec(),
        ..Outcome::new(Reason::Contested, message)
    }
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
    format!("replacing a setting that was already there: {}", found_words(replacing))
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
