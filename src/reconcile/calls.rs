//! The calls that change something, and the read-back of what they made of it.

use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::object_state::{Live, Sets};
use super::observe::Wanted;
use super::pass::Pass;
use crate::cloud::Operation;
use crate::domain::{KeyForm, ReadBack};
use crate::service::{Access, LiveRead, Turn, Unserved};

/// How long a read-back that looks like another setting is given before it is believed.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long a read-back may go on when the process stops.
const LAST_READ: Duration = Duration::from_secs(2);

/// A SetMessageCallback that succeeded.
pub struct Applied {
    /// Its RequestId.
    pub request_id: String,
    /// What was read back, where that succeeded; it is due otherwise.
    pub read_back: Option<ReadBack>,
}

/// Why a change is made, for the one log line that each change gets.
pub struct Change {
    /// Why.
    pub why: &'static str,
    /// The fields that change, where they are known.
    pub fields: String,
}

/// Calls SetMessageCallback and reads the setting back. `form` is how the service showed a key before.
pub async fn set(
    pass: &Pass,
    turn: &Turn,
    wanted: &Wanted,
    form: Option<KeyForm>,
    change: &Change,
) -> Result<Applied, Failure> {
    let (ctx, access) = (&pass.ctx, &wanted.access);
    let parameters = wanted.setting.to_parameters(&access.app);
    let about_to_send = || {
        let is_wanted = pass.is_still_wanted();
        if is_wanted {
            let mut state = pass.entry.lock();
            state.sets = Sets::Sent;
            // Until the answer is here it is not known what the service holds.
            state.live = Live::Unknown;
            pass.seen().sent = Some(wanted.applied.clone());
        }
        is_wanted
    };
    let result = ctx.service.set(access, turn, &parameters, &about_to_send).await;
    let request_id = match result {
        Ok(request_id) => request_id,
        Err(unserved) => {
            let was_refused = match &unserved {
                Unserved::Call(error) => !error.lost_answer,
                Unserved::NoCredentials(_) => true,
                Unserved::Rests { .. } | Unserved::Outdated | Unserved::StaleLeader => false,
            };
            if was_refused {
                pass.note_live(Live::Known);
                pass.seen().sent = None;
            }
            return Err(refused(Operation::Set, unserved));
        }
    };
    pass.seen().sent = None;
    log_change(pass, access, Operation::Set, change, &request_id);
    let read_back = match read_back(pass, turn, wanted, form).await {
        Ok(read_back) => {
            pass.note_live(Live::Known);
            Some(read_back)
        }
        Err(unserved) => {
            pass.note_live(Live::ReadBackDue);
            if !matches!(unserved, Unserved::Outdated) {
                tracing::warn!(?unserved, "the setting was applied but could not be read back yet");
            }
            None
        }
    };
    Ok(Applied { request_id, read_back })
}

async fn read_back(pass: &Pass, turn: &Turn, wanted: &Wanted, form: Option<KeyForm>) -> Result<ReadBack, Unserved> {
    let live = read(pass, turn, &wanted.access).await?;
    let live = if wanted.setting.doubts_read_back((*live).as_ref(), form) {
        read_again(pass, turn, &wanted.access).await?
    } else {
        live
    };
    Ok(wanted.setting.judge_read_back((*live).as_ref(), form))
}

/// Reads the setting once more, a moment later: what was read before may be of before.
pub async fn read_again(pass: &Pass, turn: &Turn, access: &Access) -> Result<LiveRead, Unserved> {
    turn.away(tokio::time::sleep(READ_AGAIN_AFTER)).await;
    read(pass, turn, access).await
}

/// A resource that was suspended meanwhile is not read any more: its setting is looked at when it goes on.
async fn read(pass: &Pass, turn: &Turn, access: &Access) -> Result<LiveRead, Unserved> {
    if pass.is_suspended_now() {
        return Err(Unserved::Outdated);
    }
    let stops = async {
        pass.ctx.stop.cancelled().await;
        tokio::time::sleep(LAST_READ).await;
    };
    tokio::select! {
        live = pass.ctx.service.get(access, turn, Instant::now()) => live,
        // That it was set must be told before the process ends.
        () = stops => Err(Unserved::Outdated),
    }
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
