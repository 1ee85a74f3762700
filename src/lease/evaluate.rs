//! What a candidate should do, from what it has seen. Pure: time is an argument, counted on the candidate's own clock
//! from wherever it likes, so that differences between clocks do not matter.

use std::time::Duration;

use super::LeaseTimings;

/// What of a Lease tells whether its holder is alive. The times in it are opaque: they are compared, never counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; nobody is `None`.
    pub holder: Option<String>,
    /// Changes with every renewal.
    pub renewed: Option<String>,
    /// How long the holder says that it lasts, in seconds.
    pub seconds: Option<i32>,
    /// How often the holder changed.
    pub transitions: i32,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no Lease: create it, with us as its holder.
    Create,
    /// Take it from nobody, or from somebody who let it run out.
    Take,
    /// It is ours: renew it.
    Renew,
    /// It is somebody else's, for so long at least.
    Wait(Duration),
}

/// A lease longer than this is a slip of whoever wrote it, and would keep every candidate out.
const LONGEST_LEASE_SECONDS: i32 = 3600;

#[derive(Clone, Debug)]
enum Seen {
    Never,
    /// Somebody else may hold a claim under the Lease that was here: deleting it does not tell its holder.
    Missing {
        since: Duration,
        after_another: bool,
    },
    Present {
        record: Record,
        since: Duration,
    },
}

/// One who wants the Lease, and what it has seen of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    identity: String,
    lease: Duration,
    seen: Seen,
}

impl Candidate {
    /// A candidate that has seen nothing yet.
    pub fn new(identity: String, timings: &LeaseTimings) -> Self {
        Self {
            identity,
            lease: timings.lease,
            seen: Seen::Never,
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Takes in what was read at `now`, the moment the answer was *here*: counting from later than the change only
    /// makes the wait longer.
    pub fn saw(&mut self, record: Option<Record>, now: Duration) {
        self.seen = match (record, &self.seen) {
            (Some(record), Seen::Present { record: known, since }) if record == *known => {
                Seen::Present { since: *since, record }
            }
            (Some(record), _) => Seen::Present { record, since: now },
            (None, Seen::Never) => Seen::Missing {
                since: now,
                after_another: false,
            },
            (None, Seen::Present { record, .. }) => Seen::Missing {
                since: now,
                after_another: record.holder.as_ref() != Some(&self.identity),
            },
            (None, Seen::Missing { .. }) => return,
        };
    }

    /// Somebody was faster in creating the Lease; should it be gone again at the next look, their claim is not.
    pub fn lost_the_creation(&mut self, now: Duration) {
        self.seen = Seen::Missing {
            since: now,
            after_another: true,
        };
    }

    /// Whether the Lease, when last seen, had somebody else as its holder.
    pub fn is_anothers(&self) -> bool {
        match &self.seen {
            Seen::Present { record, .. } => record.holder.as_ref().is_some_and(|holder| *holder != self.identity),
            Seen::Never | Seen::Missing { .. } => false,
        }
    }

    /// What to do at `now`.
    pub fn step(&self, now: Duration) -> Step {
        let from = |since: Duration, lasts: Duration, then: Step| {
            let left = (since + lasts).saturating_sub(now);
            if left.is_zero() { then } else { Step::Wait(left) }
        };
        match &self.seen {
            Seen::Never => Step::Wait(Duration::ZERO),
            Seen::Missing {
                after_another: false, ..
            } => Step::Create,
            Seen::Missing { since, .. } => from(*since, self.lease, Step::Create),
            Seen::Present { record, since } => match &record.holder {
                None => Step::Take,
                Some(holder) if *holder == self.identity => Step::Renew,
                Some(_) => from(*since, self.lasts(record), Step::Take),
            },
        }
    }

    /// The holder's own word counts where it is longer than ours: it may run with other timings.
    fn lasts(&self, record: &Record) -> Duration {
        let said = record
            .seconds
            .filter(|seconds| (1..=LONGEST_LEASE_SECONDS).contains(seconds));
        let said = said.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
        self.lease.max(Duration::from_secs(said))
    }

    /// Whether a call of somebody who held it before may be less than `memory` old at `now`, as far as our own clock
    /// tells: who leads makes no calls after a release, or after the claim has run out, which is long before the Lease.
    pub fn may_follow_calls(&self, now: Duration, memory: Duration) -> bool {
        match &self.seen {
            Seen::Never
            | Seen::Missing {
                after_another: false, ..
            } => false,
            Seen::Missing { since, .. } => now.saturating_sub(*since) < memory,
            Seen::Present { record, since } => {
                let ever_held = record.renewed.is_some() && record.holder.as_ref() != Some(&self.identity);
                ever_held && now.saturating_sub(*since) < memory
            }
        }
    }

    /// How often the holder will have changed once we hold it.
    pub fn transitions(&self) -> i32 {
        match &self.seen {
            Seen::Never | Seen::Missing { .. } => 0,
            Seen::Present { record, .. } if record.holder.as_ref() == Some(&self.identity) => record.transitions,
            Seen::Present { record, .. } => record.transitions.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn held(holder: &str, renewed: &str) -> Record {
        Record {
            holder: Some(holder.to_owned()),
            renewed: Some(renewed.to_owned()),
            seconds: Some(15),
            transitions: 4,
        }
    }

    fn me() -> Candidate {
        Candidate::new("me_1".to_owned(), &LeaseTimings::default())
    }

    #[test]
    fn what_to_do_about_one_record() {
        let nobody = Record {
            transitions: 4,
            ..Record::default()
        };
        let lasting = |seconds| Record {
            seconds,
            ..held("other", "a")
        };
        let table = [
            ("missing", None, s(0), Step::Create, 0),
            ("nobody's", Some(nobody), s(0), Step::Take, 5),
            ("ours", Some(held("me_1", "a")), s(0), Step::Renew, 4),
            (
                "ours, long ago: nobody else took it",
                Some(held("me_1", "a")),
                s(99),
                Step::Renew,
                4,
            ),
            ("our former life's", Some(held("me_0", "a")), s(5), Step::Wait(s(10)), 5),
            ("another's", Some(held("other", "a")), s(14), Step::Wait(s(1)), 5),
            ("run out", Some(held("other", "a")), s(15), Step::Take, 5),
            ("lasts longer", Some(lasting(Some(60))), s(15), Step::Wait(s(45)), 5),
            ("shorter than ours", Some(lasting(Some(1))), s(5), Step::Wait(s(10)), 5),
            ("says nothing", Some(lasting(None)), s(5), Step::Wait(s(10)), 5),
            ("says nonsense", Some(lasting(Some(-7))), s(15), Step::Take, 5),
            ("says for ever", Some(lasting(Some(i32::MAX))), s(15), Step::Take, 5),
        ];
        for (what, record, after, step, transitions) in table {
            let mut candidate = me();
            candidate.saw(record, s(100));
            assert_eq!(candidate.step(s(100) + after), step, "{what}");
            assert_eq!(candidate.transitions(), transitions, "{what}");
        }
        assert_eq!(me().step(s(1)), Step::Wait(s(0)), "who has not looked does nothing");
    }

    #[test]
    fn only_a_change_starts_the_wait_anew() {
        let mut candidate = me();
        candidate.saw(Some(held("other", "a")), s(0));
        candidate.saw(Some(held("other", "a")), s(10));
        assert_eq!(candidate.step(s(15)), Step::Take);
        candidate.saw(Some(held("other", "b")), s(15));
        assert_eq!(candidate.step(s(16)), Step::Wait(s(14)));
        // Also when the other's clock runs backwards: the times are only compared.
        candidate.saw(Some(held("other", "a")), s(20));
        assert_eq!(candidate.step(s(20)), Step::Wait(s(15)));
    }

    #[test]
    fn a_deleted_lease_is_not_a_free_one() {
        let mut candidate = me();
        candidate.saw(Some(held("other", "a")), s(0));
        candidate.saw(None, s(14));
        candidate.saw(None, s(16));
        assert_eq!(candidate.step(s(20)), Step::Wait(s(9)));
        assert_eq!(candidate.step(s(29)), Step::Create);

        let mut ours = me();
        ours.saw(Some(held("me_1", "a")), s(0));
        ours.saw(None, s(2));
        assert_eq!(ours.step(s(2)), Step::Create, "its holder writes it again at once");

        let mut slower = me();
        slower.saw(None, s(0));
        slower.lost_the_creation(s(1));
        slower.saw(None, s(2));
        assert_eq!(slower.step(s(2)), Step::Wait(s(14)));
    }

    #[test]
    fn only_a_fresh_release_may_follow_calls() {
        let memory = s(1);
        let released = Record {
            holder: None,
            ..held("other", "a")
        };
        let table = [
            ("never held", Some(Record::default()), s(0), false),
            ("there is none", None, s(0), false),
            ("just seen released", Some(released.clone()), s(0), true),
            ("seen released for a while", Some(released), s(1), false),
            ("ours", Some(held("me_1", "a")), s(0), false),
            ("run out", Some(held("other", "a")), s(15), false),
        ];
        for (what, record, after, follows) in table {
            let mut candidate = me();
            candidate.saw(record, s(100));
            assert_eq!(candidate.may_follow_calls(s(100) + after, memory), follows, "{what}");
        }
        assert!(!me().may_follow_calls(s(0), memory));
    }

    #[test]
    fn transitions_do_not_overflow() {
        let mut candidate = me();
        candidate.saw(
            Some(Record {
                transitions: i32::MAX,
                ..Record::default()
            }),
            s(0),
        );
        assert_eq!(candidate.transitions(), i32::MAX);
    }
}
