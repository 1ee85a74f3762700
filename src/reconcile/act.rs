//! The third step: makes the calls that change something, and reads back what they made of it.

use tokio::time::Instant;

use super::context::{Context, LiveRead};
use super::failure::Failure;
use super::object_state::Entry;
use super::observe::{self, Access};
use crate::cloud::CallError;
use crate::domain::{FieldDifference, Setting};
use crate::ownership::ObjectName;
use crate::quota::{Operation, Slot, Urgency};
use crate::status::Reason;

/// A SetMessageCallback that succeeded.
pub struct Applied {
    /// Its RequestId.
    pub request_id: String,
    /// The read-back, where it succeeded; it is due otherwise.
    pub live: Option<LiveRead>,
    /// Where the service's own words differ from what was sent.
    pub rewritten: Vec<FieldDifference>,
}

/// Who and what a change is, for the one log line that each change gets.
pub struct Change<'a> {
    /// Whose.
    pub resource: &'a ObjectName,
    /// Why.
    pub why: &'static str,
    /// The fields that change, where they are known.
    pub fields: String,
}

/// Calls SetMessageCallback and reads the setting back.
pub async fn set(
    ctx: &Context,
    access: &Access,
    wanted: &Setting,
    entry: &Entry,
    change: &Change<'_>,
) -> Result<Applied, Failure> {
    let slot = slot(ctx, access, Operation::Set).await?;
    {
        let mut memory = entry.lock();
        memory.writing = true;
        memory.set_was_sent = true;
        // Until the answer is here it is not known what the service holds.
        memory.live_is_known = false;
    }
    let parameters = wanted.to_parameters(&access.app);
    let next_turn = || {
        drop(slot);
        observe::slot(ctx, access, Operation::Set, Urgency::Change)
    };
    let call = ctx
        .vod
        .set(&access.endpoint, &access.credentials, &parameters, next_turn);
    let result = ctx.while_leading(call).await;
    ctx.reads.forget(&access.key());
    let request_id = match result {
        Ok(request_id) => request_id,
        Err(error) => {
            entry.lock().live_is_known = !error.lost_answer;
            return Err(call_failed(ctx, access, "SetMessageCallback", change, error));
        }
    };
    log_change(access, "SetMessageCallback", change, &request_id);
    entry.lock().live_is_known = true;
    let (live, rewritten) = match observe::live(ctx, access, Urgency::Change, Instant::now()).await {
        Ok(live) => {
            let rewritten = wanted.differences((*live).as_ref(), None);
            (Some(live), rewritten)
        }
        Err(failure) => {
            tracing::warn!(
                resource = %change.resource,
                ?failure,
                "the setting was applied but could not be read back yet"
            );
            (None, Vec::new())
        }
    };
    Ok(Applied {
        request_id,
        live,
        rewritten,
    })
}

/// Calls DeleteMessageCallback.
pub async fn delete(ctx: &Context, access: &Access, change: &Change<'_>) -> Result<(), Failure> {
    let slot = slot(ctx, access, Operation::Delete).await?;
    let next_turn = || {
        drop(slot);
        observe::slot(ctx, access, Operation::Delete, Urgency::Change)
    };
    let call = ctx
        .vod
        .delete(&access.endpoint, &access.credentials, &access.app, next_turn);
    let result = ctx.while_leading(call).await;
    ctx.reads.forget(&access.key());
    match result {
        Ok(deleted) => {
            log_change(
                access,
                "DeleteMessageCallback",
                change,
                deleted.request_id.as_deref().unwrap_or_default(),
            );
            Ok(())
        }
        Err(error) => Err(call_failed(ctx, access, "DeleteMessageCallback", change, error)),
    }
}

/// Waits for the quota; afterwards this process must still be the one that may write.
async fn slot(ctx: &Context, access: &Access, operation: Operation) -> Result<Slot, Failure> {
    let slot = observe::slot(ctx, access, operation, Urgency::Change).await?;
    if ctx.may_write() {
        Ok(slot)
    } else {
        Err(Failure::Stopping)
    }
}

fn call_failed(ctx: &Context, access: &Access, action: &str, change: &Change<'_>, error: CallError) -> Failure {
    observe::note_call_error(ctx, access, &error);
    tracing::warn!(
        resource = %change.resource,
        action,
        code = %error.code,
        request_id = error.request_id.as_deref().unwrap_or_default(),
        "a change was not made"
    );
    if error.class == crate::cloud::ErrorClass::Spec && action == "DeleteMessageCallback" {
        // The spec is not what a deletion sends, so the user is told about the service instead.
        return Failure::Waiting {
            reason: Reason::ServiceUnavailable,
            message: format!("the service refused the deletion ({}): {}", error.code, error.message),
            not_before: error.retry_after,
            call: Some(Box::new(error)),
        };
    }
    Failure::from(error)
}

fn log_change(access: &Access, action: &str, change: &Change<'_>, request_id: &str) {
    tracing::info!(
        resource = %change.resource,
        action,
        why = change.why,
        fields = %change.fields,
        account = access.account.account().map_or("unknown", |id| id.0.as_str()),
        region = %access.region,
        app = %access.app,
        request_id,
        "changed the service's setting"
    );
}
