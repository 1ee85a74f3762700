//! What the status says when an attempt fails: what passes by itself never makes a Ready resource un-Ready.

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::claims::{self, Learned};
use super::convert;
use super::drift::Drift;
use super::due::Due;
use super::failure::Failure;
use super::pass::Pass;
use super::report::{ChecksFail, Edit, StatusUpdate, last_error};
use crate::api::DriftOutcome;
use crate::events::{EventReason, Notice};
use crate::status::{Outcome, Reason, ready_reason};

/// What the status and the events say of a failure, as far as the contract wants it said.
pub fn of(pass: &Pass, failure: &Failure) -> Option<StatusUpdate> {
    let told = failure.told()?;
    let seen = pass.seen().clone();
    // A role that STS does not give is as good as refused; what VOD does not permit was asked for by somebody.
    let is_refusal =
        told.reason == Reason::InvalidCredentials || (told.reason == Reason::PermissionDenied && !seen.resolved);
    let refused = is_refusal && told.call.is_some();
    let learned = if refused { Learned::Refused } else { seen.learned };
    let evidence = claims::evidence(&pass.resource, &pass.status, seen.secrets, learned);
    let mut update = StatusUpdate {
        last_error: Edit::To(last_error(&told, Timestamp::now())),
        handled: pass.inputs.requested.clone(),
        account: evidence.account,
        endpoint: seen.endpoint,
        // The setting is another one's: what was applied before does not tell what is there when this one takes over.
        forget_applied: told.reason == Reason::Conflict,
        // What may have been carried out must be known when the resource goes, also to another process.
        unconfirmed: seen.sent.map_or(Edit::Keep, Edit::To),
        ..StatusUpdate::default()
    };
    // While the account rests no call is made, so what the service said last still says more.
    let rests = matches!(failure, Failure::Throttled { call: None, .. });
    if rests && pass.status.last_error.is_some() {
        update.last_error = Edit::Keep;
    }
    // Nor does it end a dispute: after a restart the status is all that is known of it.
    let is_check = pass.due != Due::Change && pass.is_disputed();
    if told.passes && (pass.holds_generation() || is_check) {
        // A check that fails in passing leaves the words as they are, until checks have failed for long.
        let since = pass
            .entry
            .lock()
            .failing
            .failed(Instant::now(), Timestamp::now(), pass.interval);
        match since {
            Some(since) => {
                update.failing = Some(ChecksFail {
                    reason: told.reason,
                    message: told.message.to_owned(),
                    since,
                });
            }
            None if pass.due != Due::Change => update.last_error = Edit::Keep,
            None => {}
        }
    } else {
        pass.entry.lock().failing.ended();
        // What waits for a retry must find its Secrets changed again after a restart.
        update.observed_secrets = (!told.passes).then_some(evidence.secrets);
        update.outcome = Some(Outcome {
            credentials_accepted: seen.accepted,
            ..Outcome::new(told.reason, told.message)
        });
        update
            .events
            .push(Notice::warning(EventReason::of(told.reason), told.message));
        if told.reason == Reason::Conflict {
            update.events.extend(seen.left_behind);
        }
    }
    // What throttling holds up is corrected soon; what was refused, or sent without an answer, may never be told otherwise.
    if let Some(found) = seen.drift.filter(|_| !told.passes || update.unconfirmed != Edit::Keep) {
        let mut drift = Drift {
            outcome: DriftOutcome::Corrected,
            found,
        };
        update.events.push(drift.notice(false));
        drift.outcome = DriftOutcome::Reported;
        let is_known = pass.status.last_drift.as_ref().is_some_and(|last| {
            last.outcome == drift.outcome
                && last.differences == convert::differences_after(&drift.found, &last.differences)
                && ready_reason(&pass.status.conditions) == Some(told.reason)
        });
        update.drift = Some(drift).filter(|_| !is_known);
    }
    Some(update)
}
