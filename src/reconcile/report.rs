//! The last step: says in the status what came of a pass, and only when that is news.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt};
use tokio::time::Instant;

use super::context::Context;
use super::convert::{self, Reported};
use super::drift::Drift;
use super::failure::Told;
use super::object_state::{Entry, Shown, StatusCopy};
use super::resource_version::is_newer;
use crate::api::{AppliedSetting, LastError, ObservedSecret, VodMessageCallback, VodMessageCallbackStatus};
use crate::events::Notice;
use crate::ownership::ObjectName;
use crate::status::{Outcome, Reason, conditions, conditions_of_failing_checks, write_status};

/// A status that was not taken is written again after this.
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// So often others may change the resource between a look at it and the write, before that is left for later.
const WRITE_OVER_ATTEMPTS: u32 = 3;

/// What a pass came to, as a value: what changes in the status, and what is told.
#[derive(Debug, Default, PartialEq)]
pub struct StatusUpdate {
    /// What the conditions say; absent: they stay as they are.
    pub outcome: Option<Outcome>,
    /// The account; cleared when the credentials are not proven to be anybody's.
    pub account: Edit<String>,
    /// The service's address.
    pub endpoint: Option<String>,
    /// A successful Set.
    pub request_id: Option<String>,
    /// What is applied now.
    pub applied: Option<AppliedSetting>,
    /// Its read-back; cleared when that is still due.
    pub reported: Edit<Reported>,
    /// The Secrets that this attempt went by.
    pub observed_secrets: Option<Vec<ObservedSecret>>,
    /// What went wrong.
    pub last_error: Edit<LastError>,
    /// The reconcile annotation that was handled.
    pub handled: Option<String>,
    /// What is known of the setting no longer counts, but for what else is said here.
    pub forget_applied: bool,
    /// What was sent without an answer.
    pub unconfirmed: Edit<AppliedSetting>,
    /// Drift that was found.
    pub drift: Option<Drift>,
    /// Checks fail, and have for long.
    pub failing: Option<ChecksFail>,
    /// What is told in Events, once the status says it too.
    pub events: Vec<Notice>,
}

/// What becomes of a field of the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Edit<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// Nothing is said any more.
    Clear,
    /// This.
    To(T),
}

impl<T: Clone> Edit<T> {
    fn apply(&self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::To(value) => *field = Some(value.clone()),
        }
    }
}

impl<T> From<Option<T>> for Edit<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::To)
    }
}

/// Checks that fail while the last word on the setting is still that it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecksFail {
    /// What they fail with.
    pub reason: Reason,
    /// In words.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// The status as it should be; pure.
pub fn next_status(
    current: &VodMessageCallbackStatus,
    generation: i64,
    update: &StatusUpdate,
    now: Timestamp,
) -> VodMessageCallbackStatus {
    let mut status = current.clone();
    if update.forget_applied {
        status.applied = None;
        status.unconfirmed = None;
        Reported::write(None, &mut status);
        status.request_id = None;
        status.last_applied_time = None;
    }
    if let Some(outcome) = &update.outcome {
        status.observed_generation = Some(generation);
        status.conditions = conditions(&current.conditions, outcome, generation, now);
        status.differences = convert::differences_after(&outcome.differences, &current.differences);
    }
    if let Some(ChecksFail { reason, message, since }) = &update.failing {
        status.conditions = conditions_of_failing_checks(&status.conditions, *reason, message, *since, now);
    }
    if let Some(drift) = &update.drift {
        status.last_drift = Some(drift.last(now));
    }
    update.unconfirmed.apply(&mut status.unconfirmed);
    if let Some(request_id) = &update.request_id {
        status.request_id = Some(request_id.clone());
        status.last_applied_time = Some(Time(now));
    }
    let or = |new: &Option<String>, old: Option<String>| new.clone().or(old);
    if update.account != Edit::Keep {
        let before = status.account_id.take().or(status.setting_account_id.take());
        update.account.apply(&mut status.account_id);
        status.setting_account_id = before.filter(|_| status.account_id.is_none() && status.applied.is_some());
    }
    status.endpoint = or(&update.endpoint, status.endpoint);
    status.applied = update.applied.clone().or(status.applied);
    let mut reported = Reported::of(&status);
    update.reported.apply(&mut reported);
    Reported::write(reported, &mut status);
    if let Some(observed) = &update.observed_secrets {
        status.observed_secrets.clone_from(observed);
    }
    // The same error again is no news: its first time stays.
    let same = |a: &LastError, b: &LastError| a.code == b.code && a.message == b.message;
    match (&status.last_error, &update.last_error) {
        (Some(old), Edit::To(new)) if same(old, new) => {}
        (_, error) => error.apply(&mut status.last_error),
    }
    status.last_handled_reconcile_at = or(&update.handled, status.last_handled_reconcile_at);
    status
}

/// What `status.lastError` says about a failure.
pub fn last_error(told: &Told<'_>, now: Timestamp) -> LastError {
    LastError {
        code: told
            .call
            .map_or_else(|| told.reason.as_str().to_owned(), |call| call.code.clone()),
        message: told
            .call
            .map_or_else(|| told.message.to_owned(), |call| call.message.clone()),
        request_id: told.call.and_then(|call| call.request_id.clone()),
        http_status: told.call.and_then(|call| call.http_status).map(i32::from),
        time: Time(now),
    }
}

/// The status as this process knows it: what it could not write yet, or what it wrote last, until the watch shows
/// that or something newer. Versions are compared, not words: the API server keeps times to the second, and somebody
/// else may have written since.
pub fn current_status(resource: &VodMessageCallback, entry: &Entry) -> VodMessageCallbackStatus {
    let seen = resource.resource_version().unwrap_or_default();
    match &entry.lock().status {
        StatusCopy::Unwritten { status, .. } => (**status).clone(),
        StatusCopy::Written { version, status } if is_newer(version, &seen) => (**status).clone(),
        StatusCopy::Written { .. } | StatusCopy::Watched => resource.status.clone().unwrap_or_default(),
    }
}

/// The resource as the watch shows it now, where that is newer than what the pass began with: what another pass or this
/// one has written meanwhile must not be written over.
fn newest(ctx: &Context, resource: &VodMessageCallback) -> Option<VodMessageCallback> {
    let newest = ctx.stores.held(&ObjectName::of(resource))?;
    let version = resource.resource_version().unwrap_or_default();
    let is_it = newest.is(resource) && is_newer(newest.version(), &version);
    is_it.then(|| newest.unpack()).flatten()
}

/// Writes the status if `update` changes anything in it, or an earlier one is still unwritten. What the API server does
/// not take is kept and written later.
pub async fn write(ctx: &Context, resource: &VodMessageCallback, entry: &Entry, update: &StatusUpdate) {
    let generation = resource.metadata.generation.unwrap_or_default();
    let newest = newest(ctx, resource);
    let known = newest.as_ref().unwrap_or(resource);
    let current = current_status(known, entry);
    let status = next_status(&current, generation, update, Timestamp::now());
    {
        let mut state = entry.lock();
        if let Some(shown) = Shown::of(&status) {
            state.shown = shown;
        }
        if status == current && state.status.unwritten().is_none() {
            return;
        }
        // Until it is known to be written, also when this is abandoned half-way.
        state.status = StatusCopy::Unwritten {
            status: Box::new(status.clone()),
            not_before: Instant::now() + WRITE_AGAIN,
        };
    }
    // Words of a stale leader must not come after those of the present one, which finds out for itself.
    if !ctx.claim.holds() {
        return;
    }
    let mut version = known.resource_version().unwrap_or_default();
    if let Some(ours) = entry.lock().written_at.clone().filter(|ours| is_newer(ours, &version)) {
        version = ours;
    }
    match write_over(ctx, resource, version, &status).await {
        Ok(stored) => {
            let version = stored.resource_version().unwrap_or_default();
            let mut state = entry.lock();
            state.written_at = Some(version.clone());
            state.status = StatusCopy::Written {
                version,
                status: Box::new(status),
            };
        }
        // Also where it may have gone: then the watch will say so, and nothing is left to be written.
        Err(error) => {
            let mut state = entry.lock();
            let wait = state.backoff.next(Some(WRITE_AGAIN));
            if let StatusCopy::Unwritten { not_before, .. } = &mut state.status {
                *not_before = Instant::now() + wait;
            }
            tracing::warn!(error = %crate::telemetry::in_words(&error), retry_in = ?wait, "a status was not written; it is kept and written later");
        }
    }
}

/// Writes over `version`, or over what others made of the resource meanwhile, as long as this process leads: the status
/// is nobody else's.
async fn write_over(
    ctx: &Context,
    resource: &VodMessageCallback,
    mut version: String,
    status: &VodMessageCallbackStatus,
) -> kube::Result<VodMessageCallback> {
    let (name, uid) = (resource.name_any(), resource.uid().unwrap_or_default());
    let namespace = resource.namespace().unwrap_or_default();
    let api: Api<VodMessageCallback> = Api::namespaced(ctx.client.clone(), &namespace);
    let mut attempts = 0..WRITE_OVER_ATTEMPTS;
    loop {
        let conflict = match write_status(&api, &name, &uid, &version, status).await {
            Err(kube::Error::Api(answer)) if answer.is_conflict() => answer,
            result => return result,
        };
        let live = api.get_metadata_opt(&name).await?;
        let same = live.filter(|live| live.metadata.uid.as_ref() == Some(&uid) && ctx.claim.holds());
        match same.and_then(|live| live.metadata.resource_version) {
            Some(now) if attempts.next().is_some() => version = now,
            _ => return Err(kube::Error::Api(conflict)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Field, FieldDifference};

    #[test]
    fn events_in_another_order_are_no_other_difference() {
        let difference = |observed: &str| FieldDifference {
            field: Field::EventTypes,
            desired: "A".to_owned(),
            observed: observed.to_owned(),
        };
        let update = |observed: &str| {
            let outcome = Outcome {
                differences: vec![difference(observed)],
                ..Outcome::new(Reason::Observed, "observed")
            };
            StatusUpdate {
                outcome: Some(outcome),
                ..StatusUpdate::default()
            }
        };
        let told = |before: &VodMessageCallbackStatus, observed: &str| {
            next_status(before, 1, &update(observed), Timestamp::UNIX_EPOCH)
        };
        let first = told(&VodMessageCallbackStatus::default(), "C,B");
        assert_eq!(told(&first, "B,C"), first, "a resource at rest is not written");
        assert_ne!(told(&first, "B,D"), first);
    }

    #[test]
    fn the_account_of_what_is_applied_is_known_while_the_credentials_are_refused() {
        let learn = |status: &VodMessageCallbackStatus, account: Option<&str>| {
            let update = StatusUpdate {
                account: account.map(str::to_owned).into(),
                ..StatusUpdate::default()
            };
            next_status(status, 1, &update, Timestamp::UNIX_EPOCH)
        };
        let accounts = |status: &VodMessageCallbackStatus| {
            let of = |id: &Option<String>| id.clone().unwrap_or_default();
            (of(&status.account_id), of(&status.setting_account_id))
        };
        let nothing = VodMessageCallbackStatus::default();
        let new = learn(&nothing, Some("1"));
        assert_eq!(
            accounts(&learn(&new, None)),
            (String::new(), String::new()),
            "nothing is applied"
        );
        let applied: AppliedSetting =
            serde_json::from_value(serde_json::json!({"callbackType": "HTTP", "eventTypes": []})).unwrap();
        let held = VodMessageCallbackStatus {
            applied: Some(applied),
            ..new
        };
        let refused = learn(&held, None);
        assert_eq!(accounts(&refused), (String::new(), "1".to_owned()));
        assert_eq!(accounts(&learn(&refused, None)), (String::new(), "1".to_owned()));
        assert_eq!(accounts(&learn(&refused, Some("2"))), ("2".to_owned(), String::new()));
    }
}
