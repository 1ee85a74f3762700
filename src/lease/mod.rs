//! Leader election through a Lease, as client-go does it: one process at a time may call the service.
//!
//! Two facts make it safe. A candidate takes a Lease over only when it has not seen it *change* for the whole lease
//! duration, measured on the candidate's own clock, and takes it by compare-and-swap. And a leader trusts its claim
//! only until the renew deadline, which is shorter, counted from when it *sent* its last successful renewal: so it
//! stops before anybody else can start, also when it was stopped itself and never got to notice ([`LeaseClaim::holds`]).

mod claim;
mod elector;
mod evaluate;
#[cfg(test)]
mod simulation;

pub use claim::LeaseClaim;
pub use elector::Elector;
#[cfg(test)]
pub(crate) use elector::LeaseClient;
pub use evaluate::{Candidate, Record, Step};

use std::time::Duration;

/// How long a Lease lasts, and how often and how long it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimings {
    /// Nobody takes the Lease over before it has been unchanged for so long.
    pub lease: Duration,
    /// Without a renewal for so long, the leader stops. The rest of `lease` is for its calls in flight.
    pub renew_deadline: Duration,
    /// Between two attempts.
    pub retry: Duration,
}

impl Default for LeaseTimings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

impl LeaseTimings {
    /// What the Lease says of its duration: whole seconds, and never less than we wait ourselves.
    fn seconds(&self) -> i32 {
        let whole = self.lease.as_secs() + u64::from(self.lease.subsec_nanos() > 0);
        i32::try_from(whole.max(1)).unwrap_or(i32::MAX)
    }

    /// How long one call may take: a call that hangs must leave time for a second one.
    fn call(&self) -> Duration {
        self.renew_deadline / 2
    }
}

/// Who this process is among the candidates: the Pod's name for people, and a random part, because a restarted
/// container has the same name and must not take its predecessor's claim for its own.
pub fn identity() -> String {
    let from = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let host = from("POD_NAME")
        .or_else(|| from("HOSTNAME"))
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .unwrap_or_else(|| crate::NAME.to_owned());
    format!("{}_{:016x}", host.trim(), rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lives_of_one_pod_are_two_candidates() {
        let (one, two) = (identity(), identity());
        assert_ne!(one, two);
        assert_eq!(one.rsplit_once('_').unwrap().0, two.rsplit_once('_').unwrap().0);
    }

    #[test]
    fn seconds_are_never_fewer_than_meant() {
        for (millis, seconds) in [(15_000, 15), (15_001, 16), (300, 1), (0, 1)] {
            let lease = Duration::from_millis(millis);
            let timings = LeaseTimings {
                lease,
                ..LeaseTimings::default()
            };
            assert_eq!(timings.seconds(), seconds, "{millis}");
        }
    }
}
