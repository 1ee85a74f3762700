use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

/// The right to call the service, for as long as the last renewal carries. Clones share it.
///
/// It does not depend on the renewing task getting to run: it is counted from when the last successful renewal was
/// sent. So it is false at once in a process that was stopped and goes on, before anything else has happened in it.
#[derive(Clone, Debug)]
pub struct LeaseClaim {
    term: Arc<Mutex<Term>>,
    lasts: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Term {
    sent: Sent,
    ended: bool,
}

/// When something was sent, on two clocks. The monotonic one goes on while the process is stopped, but not while the
/// machine sleeps; the wall clock does, but may be set. The one that says that more time has passed is believed:
/// at worst a claim rests until the next renewal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    monotonic: Instant,
    wall: SystemTime,
}

impl Sent {
    pub(super) fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    fn elapsed(&self) -> Duration {
        let wall = self.wall.elapsed().unwrap_or_default();
        self.monotonic.elapsed().max(wall)
    }
}

impl LeaseClaim {
    pub(super) fn new(sent: Sent, lasts: Duration) -> Self {
        let term = Term { sent, ended: false };
        let term = Arc::new(Mutex::new(term));
        Self { term, lasts }
    }

    /// The claim of an operator that runs without an election: it always holds.
    pub fn always() -> Self {
        Self::new(Sent::now(), Duration::MAX)
    }

    fn term(&self) -> MutexGuard<'_, Term> {
        self.term.lock()
    }

    pub(super) fn renewed(&self, sent: Sent) {
        self.term().sent = sent;
    }

    pub(super) fn end(&self) {
        self.term().ended = true;
    }

    /// Whether a call to the service may be sent now. Cheap: asked before each one.
    pub fn holds(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// For how much longer it holds without another renewal.
    pub fn remaining(&self) -> Duration {
        let term = *self.term();
        if term.ended {
            Duration::ZERO
        } else {
            self.lasts.saturating_sub(term.sent.elapsed())
        }
    }

    /// The same on the monotonic clock alone: a wall clock that was set must not end a term, only rest it.
    pub(super) fn remaining_of_term(&self) -> Duration {
        let term = *self.term();
        self.lasts.saturating_sub(term.sent.monotonic.elapsed())
    }

    /// When it ends without another renewal: a call sent now must not last much longer than this. It lies in a far
    /// future for [`LeaseClaim::always`].
    pub fn deadline(&self) -> Instant {
        const FAR: Duration = Duration::from_secs(365 * 86_400);
        let now = Instant::now();
        now.checked_add(self.remaining().min(FAR)).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(monotonic_ago: u64, wall_ago: u64) -> Sent {
        Sent {
            monotonic: Instant::now() - Duration::from_millis(monotonic_ago),
            wall: SystemTime::now() - Duration::from_millis(wall_ago),
        }
    }

    #[test]
    fn holds_until_the_deadline_on_either_clock() {
        let lasts = Duration::from_secs(10);
        for (monotonic, wall, holds) in [
            (0, 0, true),
            (9_000, 9_000, true),
            (10_000, 0, false),
            (0, 10_000, false),
            (60_000, 60_000, false),
        ] {
            let claim = LeaseClaim::new(sent(monotonic, wall), lasts);
            assert_eq!(claim.holds(), holds, "{monotonic} {wall}");
            assert_eq!(claim.deadline() > Instant::now(), holds, "{monotonic} {wall}");
        }
    }

    #[test]
    fn a_wall_clock_that_was_set_back_changes_nothing() {
        let future = Sent {
            monotonic: Instant::now() - Duration::from_secs(4),
            wall: SystemTime::now() + Duration::from_secs(3600),
        };
        let left = LeaseClaim::new(future, Duration::from_secs(10)).remaining();
        assert!(
            left > Duration::from_secs(5) && left <= Duration::from_secs(6),
            "{left:?}"
        );
    }

    #[test]
    fn an_ended_claim_stays_ended() {
        let claim = LeaseClaim::always();
        assert!(claim.clone().holds());
        claim.end();
        claim.renewed(Sent::now());
        assert!(!claim.holds());
        assert_eq!(claim.remaining(), Duration::ZERO);
    }
}
