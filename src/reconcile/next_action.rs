//! When a resource is looked at next: one pure rule for every way a pass can end.

use std::time::Duration;

use super::deletion_grace;
use crate::schedule::Backoff;

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With all done that there was to do.
    Done,
    /// The setting was applied, but its read-back is still due.
    ReadBackDue,
    /// Only a status was written that the API server had not taken before.
    StatusWritten,
    /// Something newer came up.
    Outdated,
    /// The process stops, or another replica may lead.
    StaleLeader,
    /// The account's quota is used up: it goes on at the head of its line.
    Throttled,
    /// It may pass by itself, but not sooner than this.
    Waiting {
        /// What the service asked for.
        not_before: Option<Duration>,
    },
    /// A Set succeeded, and the service shows something else: it is corrected as drift, which is counted by intervals.
    NotHeld,
    /// The user must change something.
    Stalled {
        /// How long until it is asked whether that was done, where the answer was one to somebody else.
        asked_anew: Option<Duration>,
    },
    /// The API server would not take what we wrote.
    NotWritten,
}

/// Where the resource is on its way, and how long until what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The resource is being deleted.
    pub deleting: bool,
    /// How long until its deletion is released, whatever happens; zero once the grace period is over.
    pub until_release: Duration,
    /// `spec.suspend`
    pub suspended: bool,
    /// Until the next scheduled check.
    pub until_check: Duration,
    /// The attempt before went by what another one was refused, too: once is enough, so that of many each is slow in the end.
    pub asked_anew: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something wakes it.
    AwaitChange,
    /// The next scheduled check.
    ScheduledCheck,
    /// A retry after this, unless what it depends on changes before.
    Retry(Duration),
    /// At once, at the head of its line.
    Head,
    /// At once, as whatever is due then.
    Again,
    /// What was waited for before goes on being waited for.
    AsBefore,
}

/// The shortest pause after a failure, whatever a grace period says.
const SHORTEST: Duration = Duration::from_secs(1);

/// Decides what comes after `end`.
pub fn next_action(end: End, timing: &Timing, backoff: &mut Backoff) -> Next {
    let in_time = |wait: Duration| {
        let wait = match timing.deleting {
            // The end of the grace period is a moment to look, and from then on the attempts are few seconds apart.
            true if timing.until_release.is_zero() => wait.min(deletion_grace::APART),
            true => wait.min(timing.until_release),
            false => wait,
        };
        Next::Retry(wait.max(SHORTEST))
    };
    match end {
        End::Done => {
            backoff.reset();
            if timing.deleting || timing.suspended {
                Next::AwaitChange
            } else {
                Next::ScheduledCheck
            }
        }
        End::ReadBackDue if timing.deleting => Next::AwaitChange,
        End::ReadBackDue => Next::Retry(backoff.next(None)),
        End::StatusWritten => Next::AsBefore,
        End::Outdated => Next::Again,
        End::StaleLeader => Next::Retry(SHORTEST),
        End::Throttled => Next::Head,
        End::Waiting { not_before } => in_time(backoff.next(not_before)),
        End::NotHeld => in_time(backoff.next(None).min(timing.until_check)),
        // Slowly: what it depends on has its own way to wake it.
        End::Stalled { asked_anew } => {
            backoff.reset();
            let soon = asked_anew.filter(|_| !timing.asked_anew);
            in_time(soon.map_or(timing.until_check, |wait| wait.min(timing.until_check)))
        }
        End::NotWritten => Next::Retry(backoff.next(None).max(SHORTEST)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(deleting: bool, until_release: u64, suspended: bool) -> Timing {
        Timing {
            deleting,
            until_release: Duration::from_secs(until_release),
            suspended,
            until_check: Duration::from_secs(600),
            asked_anew: false,
        }
    }

    /// Of thousands that name one refused role, each asks anew once; who is told of another's refusal again is slow.
    #[test]
    fn another_ones_refusal_is_asked_anew_once() {
        let end = End::Stalled {
            asked_anew: Some(Duration::from_secs(30)),
        };
        let first = timing(false, 300, false);
        let again = Timing {
            asked_anew: true,
            ..first
        };
        for (timing, wait) in [(first, 30), (again, 600)] {
            let next = next_action(end, &timing, &mut Backoff::default());
            assert_eq!(next, Next::Retry(Duration::from_secs(wait)));
        }
    }

    /// Every end with every combination of what counts.
    #[test]
    fn after_every_end_comes_what_the_contract_says() {
        let stays = timing(false, 300, false);
        let suspended = timing(false, 300, true);
        let deleting = timing(true, 300, false);
        let overdue = timing(true, 0, false);
        // The end; what comes next where it is no retry; else the bounds of the wait, for each of the four.
        type Row = (End, [Result<Next, (u64, u64)>; 4]);
        let retry = |from, to| Err((from, to));
        let table: [Row; 11] = [
            (
                End::Done,
                [
                    Ok(Next::ScheduledCheck),
                    Ok(Next::AwaitChange),
                    Ok(Next::AwaitChange),
                    Ok(Next::AwaitChange),
                ],
            ),
            (
                End::ReadBackDue,
                [retry(1, 2), retry(1, 2), Ok(Next::AwaitChange), Ok(Next::AwaitChange)],
            ),
            (End::StatusWritten, [Ok(Next::AsBefore); 4]),
            (
                End::Outdated,
                [Ok(Next::Again), Ok(Next::Again), Ok(Next::Again), Ok(Next::Again)],
            ),
            (End::StaleLeader, [retry(1, 1), retry(1, 1), retry(1, 1), retry(1, 1)]),
            (
                End::Throttled,
                [Ok(Next::Head), Ok(Next::Head), Ok(Next::Head), Ok(Next::Head)],
            ),
            (
                End::Waiting {
                    not_before: Some(Duration::from_secs(60)),
                },
                [retry(60, 62), retry(60, 62), retry(60, 62), retry(1, 5)],
            ),
            (End::NotHeld, [retry(1, 2), retry(1, 2), retry(1, 2), retry(1, 2)]),
            (
                End::Stalled { asked_anew: None },
                [retry(600, 600), retry(600, 600), retry(300, 300), retry(5, 5)],
            ),
            (
                End::Stalled {
                    asked_anew: Some(Duration::from_secs(30)),
                },
                [retry(30, 30), retry(30, 30), retry(30, 30), retry(5, 5)],
            ),
            (End::NotWritten, [retry(1, 2), retry(1, 2), retry(1, 2), retry(1, 2)]),
        ];
        for (end, row) in table {
            for (timing, expected) in [stays, suspended, deleting, overdue].iter().zip(row) {
                let next = next_action(end, timing, &mut Backoff::default());
                match (next, expected) {
                    (Next::Retry(wait), Err((from, to))) => {
                        assert!((from..=to).contains(&wait.as_secs()), "{end:?} {timing:?}: {wait:?}");
                    }
                    (next, expected) => assert_eq!(Ok(next), expected, "{end:?} {timing:?}"),
                }
            }
        }
    }

    /// So that corrections that are not held are counted within the intervals that make a contest.
    #[test]
    fn what_is_not_held_is_looked_at_again_within_an_interval() {
        let mut backoff = Backoff::default();
        for _ in 0..20 {
            let next = next_action(End::NotHeld, &timing(false, 300, false), &mut backoff);
            assert!(
                matches!(next, Next::Retry(wait) if wait <= Duration::from_secs(600)),
                "{next:?}"
            );
        }
        let timing = Timing {
            until_check: Duration::from_secs(3),
            ..timing(false, 300, false)
        };
        let next = next_action(End::NotHeld, &timing, &mut backoff);
        assert_eq!(next, Next::Retry(Duration::from_secs(3)));
    }

    #[test]
    fn nothing_makes_a_loop_without_a_pause() {
        for end in [
            End::StaleLeader,
            End::NotWritten,
            End::Stalled { asked_anew: None },
            End::Stalled {
                asked_anew: Some(Duration::ZERO),
            },
            End::NotHeld,
            End::Waiting { not_before: None },
        ] {
            for until_release in [0, 1, 300] {
                let mut backoff = Backoff::default();
                for _ in 0..20 {
                    let next = next_action(end, &timing(true, until_release, false), &mut backoff);
                    assert!(
                        matches!(next, Next::Retry(wait) if wait >= SHORTEST),
                        "{end:?} {next:?}"
                    );
                }
            }
        }
    }
}
