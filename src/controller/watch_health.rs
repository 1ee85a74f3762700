//! Whether the watches are alive. A watch that works gets on at least as often as it is begun anew; one that does not,
//! while the API server answers others, is stuck, and a restart may help it. An API server that answers nobody is no
//! reason to restart.

use std::time::Duration;

use kube::Api;

use crate::api::VodMessageCallback;
use crate::health::Health;
pub(super) use crate::health::SignOfLife;

/// What is asked for; whether it exists does not matter.
const NOBODY: &str = "vod-operator.probe";
const PATIENCE: Duration = Duration::from_secs(5);
/// A slow machine, or an API server with much to do, is not stuck yet.
const ALLOWANCE: Duration = Duration::from_secs(10);

/// How long a watch may be silent before somebody asks whether the API server answers, by how long a watch lasts.
pub(crate) fn silence(watch: Duration) -> Duration {
    watch * 3 / 2 + ALLOWANCE
}

/// Looks after all watches that `health` knows; never ends.
pub(super) async fn look_after(api: Api<VodMessageCallback>, watch: Duration, health: Health) {
    let patience = PATIENCE.min(watch / 6);
    look(watch / 6, &health, async || {
        // From its store, as lists and watches are, and yet none of these, which are what is in doubt.
        let answer = tokio::time::timeout(patience, api.get_metadata_opt(NOBODY)).await;
        answer.is_ok_and(|answer| is_well(&answer))
    })
    .await;
}

/// Whether the API server is well, judged by an answer of any kind: a refusal is one, too.
fn is_well<T>(answer: &kube::Result<T>) -> bool {
    match answer {
        Ok(_) => true,
        Err(kube::Error::Api(status)) => status.code < 500 && status.code != 429,
        Err(_) => false,
    }
}

/// Twice in a row: one that is silent after the process was stopped needs a moment to be heard of.
async fn look(every: Duration, health: &Health, answers: impl AsyncFn() -> bool) {
    let mut before = Vec::new();
    loop {
        tokio::time::sleep(every).await;
        if health.silent().is_empty() || !answers().await {
            before.clear();
            continue;
        }
        // Asked again: it may have got on while the API server was asked.
        let silent = health.silent();
        for name in silent.iter().filter(|name| before.contains(*name)) {
            health.stuck(name);
        }
        before = silent;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    fn refusal(code: u16) -> kube::Result<()> {
        let status = kube::core::Status::failure("no", "No").with_code(code);
        Err(kube::Error::Api(status.boxed()))
    }

    #[test]
    fn a_refusal_is_an_answer_and_a_failure_is_none() {
        assert!(is_well(&Ok(())) && is_well(&refusal(403)) && is_well(&refusal(404)));
        assert!(!is_well(&refusal(500)) && !is_well(&refusal(504)) && !is_well(&refusal(429)));
    }

    /// With no silence allowed at all, a watch is silent whenever nobody speaks.
    #[tokio::test(start_paused = true)]
    async fn stuck_is_who_is_silent_while_the_api_server_answers() {
        let health = Health::new(Duration::ZERO);
        let watch = health.watch("resources", "resources");
        let (answering, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
        let looking = look(Duration::from_secs(1), &health, async || {
            asked.fetch_add(1, Ordering::Relaxed);
            answering.load(Ordering::Relaxed)
        });
        let test = async {
            let times = async |times| {
                let until = asked.load(Ordering::Relaxed) + times;
                while asked.load(Ordering::Relaxed) < until {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                // What follows the last answer is done.
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            times(5).await;
            assert!(health.healthy().is_ok(), "an API server that answers nobody");
            answering.store(true, Ordering::Relaxed);
            times(1).await;
            assert!(health.healthy().is_ok(), "once is not twice");
            times(1).await;
            assert!(health.healthy().is_err());
            watch.seen();
            assert!(health.healthy().is_ok());
        };
        tokio::select! {
            () = looking => {}
            () = test => {}
        }
    }

    #[test]
    fn a_watch_that_is_begun_anew_is_never_silent_for_too_long() {
        for seconds in [5, 120, 3600] {
            let watch = Duration::from_secs(seconds);
            assert!(silence(watch) > watch + Duration::from_secs(5));
        }
    }
}
