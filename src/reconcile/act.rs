//! The third step: makes the calls that change something, and reads back what they made of it.

use tokio::time::Instant;

use super::failure::Failure;
use super::object_state::{Live, Sets};
use super::pass::Pass;
use crate::cloud::{ErrorClass, Operation};
use crate::domain::{FieldDifference, Setting};
use crate::service::{Access, LiveRead, Turn, Unserved};
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

/// Why a change is made, for the one log line that each change gets.
pub struct Change {
    /// Why.
    pub why: &'static str,
    /// The fields that change, where they are known.
    pub fields: String,
}

/// Calls SetMessageCallback and reads the setting back.
pub async fn set(
    pass: &Pass,
    turn: &Turn,
    access: &Access,
    wanted: &Setting,
    change: &Change,
) -> Result<Applied, Failure> {
    let ctx = &pass.ctx;
    let parameters = wanted.to_parameters(&access.app);
    let about_to_send = || {
        let wanted = pass.is_still_wanted();
        if wanted {
            let mut state = pass.entry.lock();
            state.sets = Sets::Sent;
            // Until the answer is here it is not known what the service holds.
            state.live = Live::Unknown;
        }
        wanted
    };
    let result = ctx.service.set(access, turn, &parameters, &about_to_send).await;
    let request_id = match result {
        Ok(request_id) => request_id,
        Err(unserved) => {
            if matches!(&unserved, Unserved::Call(error) if !error.lost_answer) {
                pass.note_live(Live::Known);
            }
            return Err(refused(Operation::Set, unserved));
        }
    };
    log_change(pass, access, Operation::Set, change, &request_id);
    let read_back = ctx.service.get(access, turn, Instant::now()).await;
    let (live, rewritten) = match read_back {
        Ok(live) => {
            pass.note_live(Live::Known);
            let rewritten = wanted.differences((*live).as_ref(), None);
            (Some(live), rewritten)
        }
        Err(unserved) => {
            pass.note_live(Live::ReadBackDue);
            tracing::warn!(?unserved, "the setting was applied but could not be read back yet");
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
pub async fn delete(pass: &Pass, turn: &Turn, access: &Access, change: &Change) -> Result<(), Failure> {
    match pass.ctx.service.delete(access, turn, &|| pass.is_still_wanted()).await {
        Ok(request_id) => {
            log_change(
                pass,
                access,
                Operation::Delete,
                change,
                request_id.as_deref().unwrap_or_default(),
            );
            Ok(())
        }
        Err(unserved) => Err(refused(Operation::Delete, unserved)),
    }
}

fn refused(operation: Operation, unserved: Unserved) -> Failure {
    let Unserved::Call(error) = &unserved else {
        return Failure::from(unserved);
    };
    tracing::warn!(
        action = operation.action(),
        code = %error.code,
        request_id = error.request_id.as_deref().unwrap_or_default(),
        "a change was not made"
    );
    if error.class == ErrorClass::Spec && operation == Operation::Delete {
        // The spec is not what a deletion sends, so the user is told about the service instead.
        return Failure::Waiting {
            reason: Reason::ServiceUnavailable,
            message: format!("the service refused the deletion ({}): {}", error.code, error.message),
            not_before: error.retry_after,
            call: Some(error.clone()),
        };
    }
    Failure::from(unserved)
}

fn log_change(pass: &Pass, access: &Access, operation: Operation, change: &Change, request_id: &str) {
    tracing::info!(
        resource = %pass.name,
        action = operation.action(),
        why = change.why,
        fields = %change.fields,
        account = access.account.account().map_or("unknown", |id| id.0.as_str()),
        region = %access.region,
        app = %access.app,
        request_id,
        "changed the service's setting"
    );
}
