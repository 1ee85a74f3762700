use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// How far each service's clock is from ours, as learned from its `Date` headers after it refused our time.
#[derive(Default)]
pub(super) struct ClockSkew(Mutex<HashMap<String, SignedDuration>>);

impl ClockSkew {
    /// Now, on the clock of `host`.
    pub(super) fn now(&self, host: &str) -> Timestamp {
        let offset = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(host)
            .copied()
            .unwrap_or_default();
        let now = Timestamp::now();
        now.checked_add(offset).unwrap_or(now)
    }

    /// Takes over the clock of `host` from a `Date` header; false when it cannot be read.
    pub(super) fn learn(&self, host: &str, date: &str) -> bool {
        let Ok(theirs) = k8s_openapi::jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date) else {
            return false;
        };
        let offset = theirs.duration_since(Timestamp::now());
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(host.to_owned(), offset);
        true
    }
}

/// As both signatures want it: `2026-01-02T03:04:05Z`.
pub(super) fn timestamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

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
