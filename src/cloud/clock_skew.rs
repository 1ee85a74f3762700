use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// How far each service's clock is from ours, as learned from its `Date` headers after it refused our time.
#[derive(Default)]
pub(super) struct ClockSkew(Mutex<HashMap<String, SignedDuration>>);

impl ClockSkew {
    /// Now, on the clock of `host`.
    pub(super) fn now(&self, host: &str) -> Timestamp {
        let offset = self.0.lock().get(host).copied().unwrap_or_default();
        let now = Timestamp::now();
        now.checked_add(offset).unwrap_or(now)
    }

    /// Takes over the clock of `host` from a `Date` header; false when it cannot be read.
    pub(super) fn learn(&self, host: &str, date: &str) -> bool {
        let Some(theirs) = date_header(date) else {
            return false;
        };
        let offset = theirs.duration_since(Timestamp::now());
        self.0.lock().insert(host.to_owned(), offset);
        true
    }
}

/// What a `Date` header says.
pub fn date_header(date: &str) -> Option<Timestamp> {
    let parser = k8s_openapi::jiff::fmt::rfc2822::DateTimeParser::new();
    parser.parse_timestamp(date).ok()
}

/// How long it is to a moment that somebody names, by the clock of whoever names it (`now`) where that is known.
pub fn time_until(moment: Timestamp, now: Option<Timestamp>) -> Duration {
    let now = now.unwrap_or_else(Timestamp::now);
    Duration::try_from(moment.duration_since(now)).unwrap_or_default()
}

/// As both signatures want it: `2026-01-02T03:04:05Z`.
pub(super) fn timestamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine whose clock is an hour ahead would otherwise take every temporary credential for expired.
    #[test]
    fn the_life_of_credentials_goes_by_the_clock_of_whoever_issued_them() {
        let now = Timestamp::now();
        let theirs = now - Duration::from_secs(3600);
        let left = time_until(theirs + Duration::from_secs(900), Some(theirs));
        assert_eq!(left, Duration::from_secs(900));
        assert_eq!(time_until(theirs, None), Duration::ZERO);
    }

    #[test]
    fn learns_from_the_date_header() {
        let clock = ClockSkew::default();
        assert!(clock.learn("a", "Wed, 01 Jan 2020 00:00:00 GMT"));
        assert!(!clock.learn("b", "yesterday"));
        let theirs = timestamp(clock.now("a"));
        assert!(theirs.starts_with("2020-01-01T00:00:0"), "{theirs}");
        assert!(!timestamp(clock.now("b")).starts_with("2020"));
    }
}
