//! Waiting for something, by looking, with a bound and a reason.

use std::fmt::Display;
use std::time::Duration;

use control_plane::{Error, Result};
use tokio::time::{Instant, sleep, timeout};

/// Generous: it is only used up when something is broken, or the machine is busy with a compiler.
pub const DEFAULT_BOUND: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// What a look at the awaited thing can yield: that it is there, or what was seen instead.
pub trait Outcome {
    /// What waiting returns.
    type Value;
    /// The value, or what was seen instead.
    fn settle(self) -> Result<Self::Value, String>;
}

impl Outcome for bool {
    type Value = ();
    fn settle(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("false".to_owned()) }
    }
}

impl<T> Outcome for Option<T> {
    type Value = T;
    fn settle(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

/// An error is what was seen instead of the value; it does not end the waiting.
impl<T, E: Display> Outcome for Result<T, E> {
    type Value = T;
    fn settle(self) -> Result<T, String> {
        self.map_err(|seen| seen.to_string())
    }
}

/// [`wait_until`] with [`DEFAULT_BOUND`].
pub async fn eventually<O: Outcome>(what: &str, probe: impl AsyncFnMut() -> O) -> Result<O::Value> {
    wait_until(what, DEFAULT_BOUND, probe).await
}

/// The same for a test that has no other way to go on.
///
/// # Panics
/// Where it was awaited in vain.
#[expect(clippy::panic, reason = "a test ends so")]
pub async fn until<O: Outcome>(what: &str, probe: impl AsyncFnMut() -> O) -> O::Value {
    eventually(what, probe).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Looks again and again until the probe yields `true`, `Some` or `Ok`. Past the bound the error
/// names what was awaited and what was seen last.
pub async fn wait_until<O: Outcome>(
    what: &str,
    bound: Duration,
    mut probe: impl AsyncFnMut() -> O,
) -> Result<O::Value> {
    let deadline = Instant::now() + bound;
    let mut last_seen = "no answer at all".to_owned();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match timeout(left, probe()).await.map(Outcome::settle) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last_seen = seen,
            // The look itself hangs: what was seen before it is the better word.
            Err(_) => {}
        }
        if Instant::now() + POLL > deadline {
            return Err(Error::Timeout(format!(
                "waited {bound:?} in vain for {what}; last seen: {last_seen}"
            )));
        }
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn returns_what_came_about() {
        let mut looks = 0;
        let value = eventually("the third look", async || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn tells_what_was_awaited_and_seen() {
        let look = async || Err::<(), _>("a frog");
        let error = wait_until("a prince", Duration::from_millis(120), look)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "waited 120ms in vain for a prince; last seen: a frog"
        );
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_hang_the_test() {
        let error = wait_until("an answer", Duration::from_millis(60), async || {
            std::future::pending::<bool>().await
        });
        assert!(
            error
                .await
                .unwrap_err()
                .to_string()
                .ends_with("last seen: no answer at all")
        );
    }
}
