use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// So many corrections within [`CONTEST_WINDOW`] intervals are made before somebody else is taken to be at work.
const CORRECTIONS: usize = 5;
/// In check intervals.
pub const CONTEST_WINDOW: u32 = 10;

/// What to do about drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Correct it.
    Correct,
    /// Leave it: the setting is contested.
    Hold {
        /// When one attempt is made again.
        next_attempt_in: Duration,
    },
}

/// Notices that somebody else keeps changing a setting, so that corrections stop growing in number.
#[derive(Clone, Debug, Default)]
pub struct Contest {
    corrections: VecDeque<Instant>,
    /// Corrections one after the other that the service did not show, however long they took.
    in_vain: usize,
    last_attempt: Option<Instant>,
}

impl Contest {
    /// After a restart that finds the setting contested, the last attempt so long ago.
    pub fn resumed_contested(now: Instant, since: Duration) -> Self {
        Self {
            last_attempt: now.checked_sub(since).or(Some(now)),
            ..Self::default()
        }
    }

    /// Whether the setting is contested.
    pub fn is_contested(&self) -> bool {
        self.last_attempt.is_some()
    }

    /// Drift was found.
    pub fn on_drift(&mut self, now: Instant, interval: Duration) -> Correction {
        let window = interval.saturating_mul(CONTEST_WINDOW);
        if self.last_attempt.is_none() {
            while self
                .corrections
                .front()
                .is_some_and(|first| now.duration_since(*first) >= window)
            {
                self.corrections.pop_front();
            }
            if self.corrections.len().max(self.in_vain) < CORRECTIONS {
                return Correction::Correct;
            }
            self.last_attempt = self.corrections.back().copied().or(Some(now));
        }
        let since = self.last_attempt.map_or(window, |last| now.duration_since(last));
        if since >= window {
            Correction::Correct
        } else {
            Correction::Hold {
                next_attempt_in: window - since,
            }
        }
    }

    /// A correction was made, and the service showed it after that, or not.
    pub fn corrected(&mut self, now: Instant, held: bool) {
        self.in_vain = if held { 0 } else { self.in_vain + 1 };
        if self.last_attempt.is_some() {
            self.last_attempt = Some(now);
        } else {
            self.corrections.push_back(now);
        }
    }

    /// A check found the setting as it should be: the last attempt lasted.
    pub fn on_in_sync(&mut self, now: Instant, interval: Duration) {
        self.in_vain = 0;
        if self.last_attempt.take().is_some() {
            self.corrections.clear();
        }
        let window = interval.saturating_mul(CONTEST_WINDOW);
        self.corrections.retain(|at| now.duration_since(*at) < window);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn five_then_one_in_ten_intervals_until_one_lasts() {
        let mut contest = Contest::default();
        let start = Instant::now();
        let mut made = Vec::new();
        for minute in 0..40u32 {
            let now = start + MINUTE * minute;
            if contest.on_drift(now, MINUTE) == Correction::Correct {
                contest.corrected(now, true);
                made.push(minute);
            }
        }
        assert_eq!(made, [0, 1, 2, 3, 4, 14, 24, 34]);
        assert!(contest.is_contested());
        contest.on_in_sync(start + MINUTE * 40, MINUTE);
        assert!(!contest.is_contested());
        assert_eq!(contest.on_drift(start + MINUTE * 41, MINUTE), Correction::Correct);
    }

    /// Each of them may take longer than two short intervals.
    #[test]
    fn five_in_vain_are_a_contest_however_long_they_take() {
        let mut contest = Contest::default();
        let start = Instant::now();
        let made = (0..20u32).filter(|n| {
            let now = start + MINUTE * 3 * *n;
            let goes = contest.on_drift(now, MINUTE) == Correction::Correct;
            if goes {
                contest.corrected(now, false);
            }
            goes && *n < 8
        });
        assert_eq!(made.count(), 5);
        assert!(contest.is_contested());
    }

    #[test]
    fn a_restart_goes_on_waiting() {
        let now = Instant::now();
        let now = now + MINUTE * 100;
        let mut contest = Contest::resumed_contested(now, MINUTE * 9);
        assert!(matches!(contest.on_drift(now, MINUTE), Correction::Hold { .. }));
        assert_eq!(contest.on_drift(now + MINUTE, MINUTE), Correction::Correct);
        let mut contest = Contest::resumed_contested(now, Duration::ZERO);
        assert_eq!(
            contest.on_drift(now, MINUTE),
            Correction::Hold {
                next_attempt_in: MINUTE * 10
            }
        );
        assert_eq!(contest.on_drift(now + MINUTE * 10, MINUTE), Correction::Correct);
    }

    proptest! {
        #[test]
        fn never_more_than_five_in_ten_intervals(gaps in proptest::collection::vec((1..120u64, any::<bool>()), 1..200)) {
            let mut contest = Contest::default();
            let mut now = Instant::now();
            let mut made: Vec<Instant> = Vec::new();
            for (seconds, drifted) in gaps {
                now += Duration::from_secs(seconds);
                if !drifted {
                    if !contest.is_contested() { contest.on_in_sync(now, MINUTE); }
                } else if contest.on_drift(now, MINUTE) == Correction::Correct {
                    contest.corrected(now, true);
                    made.push(now);
                }
                let recent = made.iter().filter(|at| now.duration_since(**at) < MINUTE * 10).count();
                prop_assert!(recent <= CORRECTIONS, "{recent}");
            }
        }
    }
}
