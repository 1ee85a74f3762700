//! What is said of drift: in an event, in the log and in `status.lastDrift`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::convert;
use crate::api::{DriftOutcome, LastDrift};
use crate::domain::{FieldDifference, is_hidden};
use crate::events::{EventReason, Notice};

/// A value longer than this is cut: the whole of it is in the status.
const LONGEST_VALUE: usize = 120;
/// All values together: an event's note takes a kilobyte.
const LONGEST_WORDS: usize = 700;

/// Each field with the value found, cut to a readable length. The key itself never gets into a difference.
pub fn found_words(found: &[FieldDifference]) -> String {
    let mut words = String::new();
    for (n, difference) in found.iter().enumerate() {
        let value = match difference.observed.as_str() {
            "" => "(none)".to_owned(),
            value => readable(value),
        };
        let next = format!("{} is {value}", difference.field.path());
        if !words.is_empty() && words.len() + next.len() > LONGEST_WORDS {
            let more = found.len() - n;
            return format!("{words}; and {more} more");
        }
        if !words.is_empty() {
            words.push_str("; ");
        }
        words.push_str(&next);
    }
    words
}

/// What the service holds may have been written by anybody, so nothing in it may move a terminal's cursor.
fn readable(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(LONGEST_VALUE)
        .map(|c| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if value.chars().nth(LONGEST_VALUE).is_some() {
        shown.push('…');
    }
    shown
}

/// Drift that was found, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// What was done.
    pub outcome: DriftOutcome,
    /// What was found.
    pub found: Vec<FieldDifference>,
}

impl Drift {
    /// The event for it. A contest is told as the condition that it becomes.
    pub fn notice(&self, observing: bool) -> Notice {
        let words = found_words(&self.found);
        let done = match self.outcome {
            DriftOutcome::Corrected => "being corrected",
            DriftOutcome::Reported if observing => "left as found (Observe)",
            DriftOutcome::Reported => "left as found (ApplyOnly)",
            DriftOutcome::Contested => "left for now, because somebody else keeps changing it",
        };
        let what = if observing { "differs" } else { "changed" };
        Notice::warning(
            EventReason::DriftDetected,
            format!("{what} at the service, {done}: {words}"),
        )
    }

    /// `status.lastDrift`.
    pub fn last(&self, now: Timestamp) -> LastDrift {
        LastDrift {
            time: Time(now),
            outcome: self.outcome,
            differences: convert::differences(&self.found),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Field, REDACTED};

    fn difference(field: Field, observed: &str) -> FieldDifference {
        FieldDifference {
            field,
            desired: "x".into(),
            observed: observed.into(),
        }
    }

    #[test]
    fn each_field_is_named_with_the_value_found() {
        let found = [
            difference(Field::Url, "https://attacker.example.com/"),
            difference(Field::EventTypes, ""),
            difference(Field::AuthKey, REDACTED),
        ];
        assert_eq!(
            found_words(&found),
            "http.url is https://attacker.example.com/; eventTypes is (none); http.auth.keySecretRef is (redacted)"
        );
        for (outcome, observing, begin) in [
            (
                DriftOutcome::Corrected,
                false,
                "changed at the service, being corrected: ",
            ),
            (
                DriftOutcome::Reported,
                false,
                "changed at the service, left as found (ApplyOnly): ",
            ),
            (
                DriftOutcome::Reported,
                true,
                "differs at the service, left as found (Observe): ",
            ),
            (
                DriftOutcome::Contested,
                false,
                "changed at the service, left for now, because somebody else keeps changing it: ",
            ),
        ] {
            let told = Drift {
                outcome,
                found: found.to_vec(),
            }
            .notice(observing);
            assert_eq!(told.reason, EventReason::DriftDetected);
            assert_eq!(told.note, format!("{begin}{}", found_words(&found)));
        }
    }

    #[test]
    fn the_last_drift_keeps_when_what_and_what_was_done() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let drift = Drift {
            outcome: DriftOutcome::Corrected,
            found: vec![difference(Field::Url, "https://attacker.example.com/")],
        };
        let kept = serde_json::to_value(drift.last(now)).unwrap();
        let expected = serde_json::json!({
            "time": "2027-01-15T08:00:00Z",
            "outcome": "corrected",
            "differences": [{ "field": "http.url", "desired": "x", "observed": "https://attacker.example.com/" }],
        });
        assert_eq!(kept, expected);
        for outcome in [DriftOutcome::Corrected, DriftOutcome::Reported, DriftOutcome::Contested] {
            assert_eq!(
                serde_json::to_value(outcome).unwrap(),
                outcome.as_str(),
                "the label is the status's word"
            );
        }
    }

    proptest! {
        #[test]
        fn words_are_short_and_hold_nothing_that_moves_the_cursor(
            values in proptest::collection::vec("\\PC{0,400}|[\\x00-\\x7f\u{202e}]{0,400}", 1..8),
        ) {
            let found: Vec<_> = values.iter().map(|v| difference(Field::Url, v)).collect();
            let words = found_words(&found);
            prop_assert!(words.chars().count() <= LONGEST_WORDS + 2 * LONGEST_VALUE, "{}", words.len());
            prop_assert!(!words.chars().any(is_hidden));
            prop_assert!(words.starts_with("http.url is "));
        }
    }
}
