use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// One check that fails says little; it takes another that was due since.
const IN_A_ROW: u32 = 2;

/// Checks that fail one after the other, while the last word on the setting is still that it is well.
#[derive(Clone, Copy, Debug, Default)]
pub struct FailingChecks(Option<Failing>);

#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    since_when: Timestamp,
    failed: u32,
    told: bool,
}

impl FailingChecks {
    /// A check failed. Since when checks fail, once they have failed for longer than `interval` and at least twice.
    pub fn failed(&mut self, now: Instant, time: Timestamp, interval: Duration) -> Option<Timestamp> {
        let failing = self.0.get_or_insert(Failing {
            since: now,
            since_when: time,
            failed: 0,
            told: false,
        });
        failing.failed = failing.failed.saturating_add(1);
        failing.told |= now.duration_since(failing.since) > interval && failing.failed >= IN_A_ROW;
        failing.told.then_some(failing.since_when)
    }

    /// Whether they have failed for so long.
    pub fn are_told(&self) -> bool {
        self.0.is_some_and(|failing| failing.told)
    }

    /// A check succeeded, or something else is said of the setting now.
    pub fn ended(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn checks_fail_when_two_in_a_row_span_more_than_an_interval() {
        let start = Instant::now();
        let time = |minutes: i64| Timestamp::from_second(minutes * 60).unwrap();
        let mut failing = FailingChecks::default();
        let mut at =
            |minutes: u32, interval| failing.failed(start + MINUTE * minutes, time(i64::from(minutes)), interval);
        assert_eq!(at(0, MINUTE * 10), None, "one says little");
        assert_eq!(at(1, MINUTE * 10), None, "two, but not for long");
        assert_eq!(at(10, MINUTE * 10), None, "not longer than the interval");
        assert_eq!(at(11, MINUTE * 10), Some(time(0)));
        assert_eq!(at(30, MINUTE * 10), Some(time(0)), "since the first");
        assert!(failing.are_told());
        failing.ended();
        assert!(!failing.are_told());
        assert_eq!(
            failing.failed(start + MINUTE * 50, time(50), Duration::ZERO),
            None,
            "it begins anew"
        );
        assert_eq!(
            failing.failed(start + MINUTE * 51, time(51), Duration::ZERO),
            Some(time(50))
        );
    }
}
