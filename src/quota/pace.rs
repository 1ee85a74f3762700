use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::SECOND;

/// After so long without a throttled answer more is tried; twice as long after each try that was refused.
const CALM: Duration = Duration::from_secs(5);
const LONGEST_CALM: Duration = Duration::from_secs(60);
/// Where even one call a second is too many, calls are up to so many seconds apart.
const WIDEST: u32 = 32;

/// How many calls of one operation an account allows in a second, as its answers teach: never more than the quota,
/// less where others use the same account.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    full: usize,
    allowed: usize,
    /// An account that has not been heard of is not met with a full burst.
    opening: bool,
    /// How much more is tried next.
    step: usize,
    calm: Duration,
    /// When the pace last changed.
    since: Instant,
    /// When the last lesson was learned; answers to calls sent before it belong to the same lesson.
    lesson: Option<Instant>,
    /// The present pace is a try for more.
    trying: bool,
    /// Something succeeded since the last lesson; until then nothing more is tried, unless long enough nothing was.
    encouraged: bool,
    /// How many seconds apart single calls are.
    apart: u32,
    /// Successes within the last second.
    succeeded: VecDeque<Instant>,
}

impl Pace {
    pub(super) fn new(full: usize, now: Instant) -> Self {
        let full = full.max(1);
        Self {
            full,
            allowed: full,
            opening: true,
            step: 1,
            calm: CALM,
            since: now,
            lesson: None,
            trying: false,
            encouraged: true,
            apart: 1,
            succeeded: VecDeque::new(),
        }
    }

    /// Calls in any second.
    pub(super) fn allowed(&mut self, now: Instant) -> usize {
        let calm = if self.encouraged { self.calm } else { LONGEST_CALM };
        while self.allowed < self.full && now.duration_since(self.since) >= calm {
            self.allowed = (self.allowed + self.step).min(self.full);
            self.step = self.step.saturating_mul(2);
            self.since += calm;
            self.trying = true;
            self.encouraged = true;
        }
        if self.opening {
            self.allowed.div_ceil(2)
        } else {
            self.allowed
        }
    }

    /// How long a call counts.
    pub(super) fn span(&self) -> Duration {
        SECOND * self.apart
    }

    /// A call that was sent at `sent` succeeded.
    pub(super) fn succeeded(&mut self, sent: Instant, now: Instant) {
        self.forget(now);
        self.succeeded.push_back(now);
        if self.succeeded.len() >= self.full.div_ceil(2) {
            self.opening = false;
        }
        match self.lesson {
            // The burst that was throttled also tells how much of it was let through.
            Some(lesson) if sent < lesson => {
                let through = self.succeeded.iter().filter(|at| **at + SECOND > lesson).count();
                self.allowed = self.allowed.max(through.min(self.full));
            }
            _ => {
                self.apart = 1;
                self.encouraged = true;
            }
        }
    }

    /// A call that was sent at `sent` was throttled.
    pub(super) fn throttled(&mut self, sent: Instant, now: Instant) {
        self.allowed(now);
        self.forget(now);
        self.opening = false;
        // Answers to calls that were under way together are one lesson, not many.
        if self.lesson.is_some_and(|lesson| sent < lesson) {
            return;
        }
        if self.allowed == 1 {
            self.apart = (self.apart * 2).min(WIDEST);
        }
        let less = self.allowed.saturating_sub(1).max(1);
        self.allowed = self.succeeded.len().clamp(1, less);
        self.calm = if self.trying {
            (self.calm * 2).min(LONGEST_CALM)
        } else {
            CALM
        };
        self.step = 1;
        self.trying = false;
        self.encouraged = false;
        self.lesson = Some(now);
        self.since = now;
    }

    /// Nothing is left of former throttling.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        self.allowed(now);
        self.allowed == self.full && self.apart == 1
    }

    fn forget(&mut self, now: Instant) {
        while self.succeeded.front().is_some_and(|at| *at + SECOND <= now) {
            self.succeeded.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls as fast as the pace allows for `seconds` against an account that lets `share` through in each second:
    /// how many were let through and how many refused.
    fn run(share: usize, seconds: u64) -> (usize, usize) {
        let start = Instant::now();
        let mut pace = Pace::new(15, start);
        let (mut through, mut refused) = (0, 0);
        let mut second = 0;
        while second < seconds {
            let now = start + SECOND * u32::try_from(second).unwrap();
            let mut sent = 0;
            loop {
                let allowed = pace.allowed(now);
                if sent >= allowed {
                    break;
                }
                let burst = allowed - sent;
                for n in 0..burst {
                    let answered = now + Duration::from_millis(u64::try_from(n).unwrap());
                    if sent + n < share {
                        through += 1;
                        pace.succeeded(now, answered);
                    } else {
                        refused += 1;
                        pace.throttled(now, answered);
                    }
                }
                sent += burst;
            }
            second += u64::from(pace.apart);
        }
        (through, refused)
    }

    #[test]
    fn a_smaller_share_is_found_and_kept_to() {
        for share in [1, 2, 4, 8, 14] {
            let (through, refused) = run(share, 60);
            assert!(through * 10 >= share * 60 * 8, "{share}: {through} let through");
            // The burst that an unknown account is met with, and a try for more now and then.
            assert!(
                refused <= 7 + through / 20,
                "{share}: {refused} refused, {through} let through"
            );
        }
    }

    #[test]
    fn an_account_of_its_own_is_used_in_full() {
        let (through, refused) = run(15, 60);
        assert_eq!((through, refused), (15 * 60, 0));
    }

    #[test]
    fn an_account_that_lets_nothing_through_is_asked_less_and_less() {
        let (_, refused) = run(0, 300);
        assert!(refused < 40, "{refused}");
    }

    #[test]
    fn after_calm_everything_is_allowed_again() {
        let start = Instant::now();
        let mut pace = Pace::new(15, start);
        pace.throttled(start, start);
        assert_eq!(pace.allowed(start), 1);
        assert_eq!(pace.allowed(start + CALM), 1, "nothing has succeeded since");
        pace.succeeded(start + SECOND, start + SECOND);
        assert!(!pace.is_full(start + CALM * 2));
        assert!(pace.is_full(start + CALM * 4), "{pace:?}");
    }
}
