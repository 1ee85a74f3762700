//! The last step: says in the status what came of it, and only when that is update.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt};

use super::context::Context;
use super::convert;
use super::failure::Failure;
use super::object_state::{Entry, Written};
use super::trigger::is_newer;
use crate::api::{
    AppliedSetting, LastError, ObservedSecret, ReportedSetting, VodMessageCallback, VodMessageCallbackStatus,
};
use crate::status::{Outcome, conditions, ready_reason, write_status};

/// What changes in the status beside the conditions.
#[derive(Default)]
pub struct StatusUpdate {
    /// The outcome; absent: the conditions stay as they are.
    pub outcome: Option<Outcome>,
    /// The account, once known.
    pub account: Option<String>,
    /// The service's address.
    pub endpoint: Option<String>,
    /// A successful Set.
    pub request_id: Option<String>,
    /// What is applied now.
    pub applied: Option<AppliedSetting>,
    /// Its read-back; `Some(None)` when that is still due.
    pub reported: Option<Option<ReportedSetting>>,
    /// The Secrets that this attempt went by.
    pub observed_secrets: Option<Vec<ObservedSecret>>,
    /// What went wrong; `Some(None)` clears it.
    pub last_error: Option<Option<LastError>>,
    /// The reconcile annotation that was handled.
    pub handled: Option<String>,
    /// The setting of another account was left behind: what is known of it no longer counts.
    pub forget_applied: bool,
}

/// The status as it should be; pure.
pub fn next_status(
    current: &VodMessageCallbackStatus,
    generation: i64,
    update: StatusUpdate,
    now: Timestamp,
) -> VodMessageCallbackStatus {
    let mut status = current.clone();
    if update.forget_applied {
        status.applied = None;
        status.reported = None;
        status.request_id = None;
        status.last_applied_time = None;
    }
    if let Some(outcome) = &update.outcome {
        status.observed_generation = Some(generation);
        status.conditions = conditions(&current.conditions, outcome, generation, now);
        status.differences = convert::differences(&outcome.differences);
    }
    if let Some(request_id) = update.request_id {
        status.request_id = Some(request_id);
        status.last_applied_time = Some(Time(now));
    }
    status.account_id = update.account.or(status.account_id);
    status.endpoint = update.endpoint.or(status.endpoint);
    status.applied = update.applied.or(status.applied);
    if let Some(reported) = update.reported {
        status.reported = reported;
    }
    if let Some(observed) = update.observed_secrets {
        status.observed_secrets = observed;
    }
    if let Some(error) = update.last_error {
        // The same error again is no update: its first time stays.
        let same = |a: &LastError, b: &LastError| a.code == b.code && a.message == b.message;
        match (&status.last_error, error) {
            (Some(old), Some(new)) if same(old, &new) => {}
            (_, error) => status.last_error = error,
        }
    }
    status.last_handled_reconcile_at = update.handled.or(status.last_handled_reconcile_at);
    status
}

/// What `status.lastError` says about a failure.
pub fn last_error(failure: &Failure, now: Timestamp) -> Option<LastError> {
    let (reason, message, call) = match failure {
        Failure::Stalled { reason, message, call }
        | Failure::Waiting {
            reason, message, call, ..
        } => (reason, message, call),
        Failure::Kubernetes(_) | Failure::Stopping => return None,
    };
    Some(LastError {
        code: call
            .as_ref()
            .map_or_else(|| reason.as_str().to_owned(), |c| c.code.clone()),
        message: call.as_ref().map_or_else(|| message.clone(), |c| c.message.clone()),
        request_id: call.as_ref().and_then(|c| c.request_id.clone()),
        http_status: call.as_ref().and_then(|c| c.http_status).map(i32::from),
        time: Time(now),
    })
}

/// The status as this process knows it: what it could not write yet, or what it wrote last, until the watch shows
/// that or something newer. Versions are compared, not words: the API server keeps times to the second, and somebody
/// else may have written since.
pub fn current_status(resource: &VodMessageCallback, entry: &Entry) -> VodMessageCallbackStatus {
    let seen = resource.resource_version().unwrap_or_default();
    let mut memory = entry.lock();
    if let Some(unwritten) = &memory.unwritten {
        return (**unwritten).clone();
    }
    memory.written.take_if(|written| !is_newer(&written.version, &seen));
    match &memory.written {
        Some(written) => (*written.status).clone(),
        None => resource.status.clone().unwrap_or_default(),
    }
}

/// Writes the status if `update` changes anything in it, or an earlier one is still due.
pub async fn report(
    ctx: &Context,
    resource: &VodMessageCallback,
    entry: &Entry,
    current: &VodMessageCallbackStatus,
    update: StatusUpdate,
) -> Result<VodMessageCallbackStatus, Failure> {
    let generation = resource.metadata.generation.unwrap_or_default();
    let status = next_status(current, generation, update, Timestamp::now());
    {
        let mut memory = entry.lock();
        memory.state = ready_reason(&status.conditions);
        if status == *current && memory.unwritten.is_none() {
            return Ok(status);
        }
        // Until it is known to be written, also when this is abandoned half-way.
        memory.unwritten = Some(Box::new(status.clone()));
    }
    let namespace = resource.namespace().unwrap_or_default();
    let api: Api<VodMessageCallback> = Api::namespaced(ctx.client.clone(), &namespace);
    let uid = resource.uid().unwrap_or_default();
    let _permit = ctx.status_writes.acquire().await;
    // Words of a stale leader must not come after those of the present one, which finds out for itself.
    if !ctx.claim.holds() {
        return Err(Failure::Stopping);
    }
    match write_status(&api, &resource.name_any(), &uid, &status).await {
        Ok(stored) => {
            let mut memory = entry.lock();
            let version = stored.resource_version().unwrap_or_default();
            memory.written = memory.unwritten.take().map(|status| Written { version, status });
            Ok(status)
        }
        Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.is_conflict() => {
            entry.lock().unwritten = None;
            tracing::debug!(resource = %resource.name_any(), "the resource went away while its status was written");
            Ok(status)
        }
        Err(error) => Err(error.into()),
    }
}
