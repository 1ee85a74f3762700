//! When things are done: checks at moments spread by uid, retries with backoff, corrections until they are contested.

mod backoff;
mod contest;
mod failing_checks;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

pub use backoff::Backoff;
pub use contest::{CONTEST_WINDOW, Contest};
pub use failing_checks::FailingChecks;

/// How long until the next scheduled check. The moments are fixed on the wall clock by the uid, so that neither many
/// resources nor a restart make a burst, and nothing about them has to be remembered.
pub fn next_check(phase_uid: &str, interval: Duration, now: Timestamp) -> Duration {
    let interval = interval.as_millis().max(1);
    let phase = u128::from(stable_hash(phase_uid)) % interval;
    let now = u128::try_from(now.as_millisecond()).unwrap_or_default();
    let into = (now % interval + interval - phase) % interval;
    Duration::from_millis(u64::try_from(interval - into).unwrap_or(u64::MAX))
}

/// FNV-1a with a final mix: the standard library's hash may differ between builds, which would move every check.
fn stable_hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn moments_are_fixed(uid in "[0-9a-f]{8}", seconds in 1..100_000u64, now in 0..4_000_000_000_000i64) {
            let interval = Duration::from_secs(seconds);
            let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap();
            let wait = next_check(&uid, interval, at(now));
            prop_assert!(wait > Duration::ZERO && wait <= interval);
            let moment = now + i64::try_from(wait.as_millis()).unwrap();
            prop_assert_eq!(next_check(&uid, interval, at(moment)), interval, "the next is one interval later");
            prop_assert_eq!(next_check(&uid, interval, at(moment - 1)), Duration::from_millis(1));
        }
    }

    #[test]
    fn many_are_spread() {
        let interval = Duration::from_secs(600);
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut minutes = [0u32; 10];
        for n in 0..10_000u32 {
            let wait = next_check(&format!("{n:08x}-0000-4000-8000-000000000000"), interval, now);
            minutes[usize::try_from((wait.as_millis() - 1) / 60_000).unwrap()] += 1;
        }
        assert!(minutes.iter().all(|m| (850..1150).contains(m)), "{minutes:?}");
    }
}
