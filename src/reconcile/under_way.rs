//! What is said before a pass has come to anything: that work is under way, or that it waits for its turn.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::due::Due;
use super::pass::Pass;
use super::report::StatusUpdate;
use crate::api::VodMessageCallback;
use crate::status::{Outcome, Reason, ready_reason};

/// A pass over a new resource or a new generation that lasts longer than this says so.
const PROGRESSING_AFTER: Duration = Duration::from_secs(1);

/// Says that work is under way, where nothing was said of the generation yet and the work is not `done` soon.
pub async fn say_progressing(pass: &Pass, done: &CancellationToken) {
    if pass.is_spoken_of() {
        return;
    }
    tokio::select! {
        () = done.cancelled() => return,
        () = tokio::time::sleep(PROGRESSING_AFTER) => {}
    }
    let words = if pass.is_fresh() {
        "seen for the first time; the live setting is being read"
    } else {
        "the change is being carried out"
    };
    say(pass, Reason::Progressing, words).await;
}

/// Says of a change that waits for long in its account's line that it does.
pub async fn say_waiting(ctx: &Arc<Context>, resource: Arc<VodMessageCallback>) {
    let pass = Pass::look(ctx, resource);
    let _speaks = pass.entry.speaks.lock().await;
    if ctx.queue().waits_since(&pass.name).is_none() {
        return;
    }
    let waits = pass.due == Due::Change && !pass.holds_generation();
    let said = pass.is_spoken_of() && ready_reason(&pass.status.conditions).is_some_and(Reason::is_under_way);
    if waits && !said {
        let words = "waits for its turn in the account's quota of calls";
        say(&pass, Reason::Throttled, words).await;
    }
}

async fn say(pass: &Pass, reason: Reason, words: &str) {
    pass.report(StatusUpdate {
        outcome: Some(Outcome::new(reason, words)),
        ..StatusUpdate::default()
    })
    .await;
}
