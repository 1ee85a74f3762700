//! When a resource whose deletion fails is let go with its setting left behind.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use crate::status::Reason;

/// Two attempts in passing trouble must lie so far apart.
pub const APART: Duration = Duration::from_secs(5);

/// How long until the grace period of an object's deletion ends.
pub fn until_release(object: &ObjectMeta, grace: Duration) -> Duration {
    let Some(asked) = &object.deletion_timestamp else {
        return grace;
    };
    let waited = Timestamp::now().duration_since(asked.0);
    grace.saturating_sub(Duration::try_from(waited).unwrap_or_default())
}

/// What holds a deletion up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// The service answers, but not so often: it will be the resource's turn.
    Throttling,
    /// Something that may pass: the service or a Secret cannot be reached.
    Passing,
    /// What does not pass by itself: credentials, permission, a Secret that is gone.
    Refusal,
}

impl HeldBy {
    /// By the reason that the failure is told with.
    pub fn of(reason: Reason) -> Self {
        match reason {
            Reason::Throttled => Self::Throttling,
            reason if reason.is_under_way() => Self::Passing,
            _ => Self::Refusal,
        }
    }
}

/// The attempts of this process after the grace period: what failed before it, or in a process that is gone, does not
/// say that the service is out of reach now.
#[derive(Clone, Copy, Debug, Default)]
pub struct LateAttempts {
    first_passing: Option<Instant>,
}

impl LateAttempts {
    /// An attempt failed: whether the resource is let go now.
    pub fn failed(&mut self, held_by: HeldBy, grace_is_over: bool, now: Instant) -> bool {
        if !grace_is_over {
            return false;
        }
        match held_by {
            HeldBy::Throttling => {
                // The service answered, so it is not out of reach.
                self.first_passing = None;
                false
            }
            HeldBy::Passing => {
                let first = *self.first_passing.get_or_insert(now);
                now.duration_since(first) >= APART
            }
            HeldBy::Refusal => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_releases_a_resource_is_a_table() {
        use HeldBy::{Passing, Refusal, Throttling};
        // what failed, whether the grace is over, after how many seconds, and whether it is let go then
        type Attempt = (HeldBy, bool, u64, bool);
        let table: Vec<(&str, Vec<Attempt>)> = vec![
            (
                "within the grace",
                vec![(Refusal, false, 0, false), (Passing, false, 60, false)],
            ),
            ("a refusal", vec![(Refusal, true, 0, true)]),
            (
                "throttled for ever",
                vec![(Throttling, true, 0, false), (Throttling, true, 6000, false)],
            ),
            (
                "out of reach",
                vec![
                    (Passing, true, 0, false),
                    (Passing, true, 4, false),
                    (Passing, true, 5, true),
                ],
            ),
            (
                "what failed before the grace does not count",
                vec![
                    (Passing, false, 0, false),
                    (Passing, true, 60, false),
                    (Passing, true, 65, true),
                ],
            ),
            (
                "an answer in between",
                vec![
                    (Passing, true, 0, false),
                    (Throttling, true, 3, false),
                    (Passing, true, 6, false),
                    (Passing, true, 11, true),
                ],
            ),
        ];
        for (case, attempts) in table {
            let start = Instant::now();
            let mut late = LateAttempts::default();
            for (n, (held_by, over, second, released)) in attempts.into_iter().enumerate() {
                let now = start + Duration::from_secs(second);
                assert_eq!(late.failed(held_by, over, now), released, "{case}, attempt {n}");
            }
        }
    }

    #[test]
    fn a_reason_says_what_holds_a_deletion_up() {
        assert_eq!(HeldBy::of(Reason::Throttled), HeldBy::Throttling);
        assert_eq!(HeldBy::of(Reason::ServiceUnavailable), HeldBy::Passing);
        for reason in Reason::ALL.iter().filter(|r| r.stalls()) {
            assert_eq!(HeldBy::of(*reason), HeldBy::Refusal, "{reason:?}");
        }
    }

    proptest! {
        #[test]
        fn a_throttled_answer_never_releases_and_nothing_does_within_the_grace(
            attempts in proptest::collection::vec((0..3u8, any::<bool>(), 0..20u64), 1..30),
        ) {
            let mut now = Instant::now();
            let mut late = LateAttempts::default();
            for (kind, over, seconds) in attempts {
                now += Duration::from_secs(seconds);
                let held_by = [HeldBy::Throttling, HeldBy::Passing, HeldBy::Refusal][usize::from(kind)];
                let released = late.failed(held_by, over, now);
                prop_assert!(!released || (over && held_by != HeldBy::Throttling));
            }
        }
    }
}
