use std::time::Duration;

use tokio::time::Instant;

/// So many corrections within [`CONTEST_WINDOW`] intervals are made before somebody else is taken to be at work.
const CORRECTIONS: usize = 5;
/// In check intervals.
pub const CONTEST_WINDOW: u32 = 10;

/// Notices that somebody else keeps changing a setting, so that corrections stop growing in number.
#[derive(Clone, Debug, Default)]
pub struct Contest {
    corrections: Vec<Instant>,
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

    /// Drift was found: whether it is corrected now. It is left while the setting is contested.
    pub fn corrects(&mut self, now: Instant, interval: Duration) -> bool {
        let window = interval.saturating_mul(CONTEST_WINDOW);
        if self.last_attempt.is_none() {
            self.corrections.retain(|at| now.duration_since(*at) < window);
            if self.corrections.len().max(self.in_vain) < CORRECTIONS {
                return true;
            }
            self.last_attempt = self.corrections.last().copied().or(Some(now));
        }
        self.last_attempt.is_none_or(|last| now.duration_since(last) >= window)
    }

    /// A correction was made, and the service showed it after that, or not.
    pub fn corrected(&mut self, now: Instant, held: bool) {
        self.in_vain = if held { 0 } else { self.in_vain + 1 };
        if self.last_attempt.is_some() {
            self.last_attempt = Some(now);
        } else {
            self.corrections.push(now);
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
            if contest.corrects(now, MINUTE) {
                contest.corrected(now, true);
                made.push(minute);
            }
        }
        assert_eq!(made, [0, 1, 2, 3, 4, 14, 24, 34]);
        assert!(contest.is_contested());
        contest.on_in_sync(start + MINUTE * 40, MINUTE);
        assert!(!contest.is_contested());
        assert!(contest.corrects(start + MINUTE * 41, MINUTE));
    }

    /// Each of them may take longer than two short intervals.
    #[test]
    fn five_in_vain_are_a_contest_however_long_they_take() {
        let mut contest = Contest::default();
        let start = Instant::now();
        let made = (0..20u32).filter(|n| {
            let now = start + MINUTE * 3 * *n;
            let goes = contest.corrects(now, MINUTE);
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
        assert!(!contest.corrects(now, MINUTE));
        assert!(contest.corrects(now + MINUTE, MINUTE));
        let mut contest = Contest::resumed_contested(now, Duration::ZERO);
        assert!(!contest.corrects(now, MINUTE));
        assert!(!contest.corrects(now + MINUTE * 10 - Duration::from_nanos(1), MINUTE));
        assert!(contest.corrects(now + MINUTE * 10, MINUTE));
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
                } else if contest.corrects(now, MINUTE) {
                    contest.corrected(now, true);
                    made.push(now);
                }
                let recent = made.iter().filter(|at| now.duration_since(**at) < MINUTE * 10).count();
                prop_assert!(recent <= CORRECTIONS, "{recent}");
            }
        }
    }
}
