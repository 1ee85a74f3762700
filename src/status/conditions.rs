use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::reason::{ConditionStatus, CredentialsColumn, InSyncColumn};
use super::{Outcome, Reason};

/// A message longer than this is cut: the API server takes 32768, readers far less.
const LONGEST_MESSAGE: usize = 1024;

/// The reason of the Ready condition, where one of ours is set.
pub fn ready_reason(conditions: &[Condition]) -> Option<Reason> {
    conditions
        .iter()
        .find(|c| c.type_ == "Ready")
        .and_then(|c| Reason::parse(&c.reason))
}

/// The conditions for `outcome` at `generation`. A transition time is kept unless the condition's status flips, so
/// that the same outcome always gives the same words and a resource at rest is not written.
pub fn conditions(current: &[Condition], outcome: &Outcome, generation: i64, now: Timestamp) -> Vec<Condition> {
    let reason = outcome.reason;
    let make = |type_: &str, status: ConditionStatus, reason: Reason, message: &str| {
        let status = status.as_str();
        let kept = current.iter().find(|c| c.type_ == type_ && c.status == status);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.as_str().to_owned(),
            message: cut(message),
            observed_generation: Some(generation),
            last_transition_time: kept.map_or(Time(now), |c| c.last_transition_time.clone()),
        }
    };
    let mut all = vec![make("Ready", reason.ready(), reason, &outcome.message)];
    if reason.is_under_way() {
        all.push(make("Reconciling", ConditionStatus::True, reason, &outcome.message));
    }
    if reason.stalls() {
        all.push(make("Stalled", ConditionStatus::True, reason, &outcome.message));
    }
    let (status, why, words) = credentials(current, outcome);
    all.push(make("CredentialsResolved", status, why, &words));
    let (status, words) = in_sync(outcome);
    all.push(make("InSync", status, reason, words));
    all
}

/// The conditions while checks fail: whether the setting is in sync is not known any more, and the rest stays as it was.
/// The first words stay too, so that a check that goes on failing is not a write each time.
pub fn conditions_of_failing_checks(
    current: &[Condition],
    reason: Reason,
    message: &str,
    since: Timestamp,
    now: Timestamp,
) -> Vec<Condition> {
    let unknown = ConditionStatus::Unknown.as_str();
    let told = |c: &Condition| c.status == unknown && c.reason == reason.as_str();
    let mut all = current.to_vec();
    for condition in all.iter_mut().filter(|c| c.type_ == "InSync" && !told(c)) {
        if condition.status != unknown {
            condition.last_transition_time = Time(now);
        }
        condition.status = unknown.to_owned();
        condition.reason = reason.as_str().to_owned();
        condition.message = cut(&format!(
            "not known, because checks have failed since {since:.0}: {message}"
        ));
    }
    all
}

fn credentials(current: &[Condition], outcome: &Outcome) -> (ConditionStatus, Reason, String) {
    let column = match outcome.reason.credentials() {
        CredentialsColumn::AsBefore if outcome.credentials_accepted => CredentialsColumn::Accepted,
        column => column,
    };
    match column {
        CredentialsColumn::Refused => (ConditionStatus::False, outcome.reason, outcome.message.clone()),
        CredentialsColumn::AsBefore => match current.iter().find(|c| c.type_ == "CredentialsResolved") {
            Some(c) if c.status == "True" => (ConditionStatus::True, Reason::InSync, c.message.clone()),
            Some(_) | None => (ConditionStatus::Unknown, outcome.reason, "not known yet".to_owned()),
        },
        CredentialsColumn::Accepted => {
            let found = "the credentials were found and accepted by the service";
            let words = match &outcome.credentials_note {
                Some(note) => format!("{found}; {note}"),
                None => found.to_owned(),
            };
            (ConditionStatus::True, Reason::InSync, words)
        }
    }
}

fn in_sync(outcome: &Outcome) -> (ConditionStatus, &'static str) {
    let held = (ConditionStatus::True, "the service holds what the spec says");
    let differs = (
        ConditionStatus::False,
        "the service holds something else: see status.differences",
    );
    match outcome.reason.in_sync() {
        InSyncColumn::Held => held,
        InSyncColumn::AsFound if outcome.differences.is_empty() => held,
        InSyncColumn::AsFound | InSyncColumn::Differs => differs,
        InSyncColumn::Foreign => (ConditionStatus::False, "the setting belongs to another resource"),
        InSyncColumn::Unknown => (ConditionStatus::Unknown, "not known: see the Ready condition"),
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(LONGEST_MESSAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::time::Duration;

    use super::*;
    use crate::domain::{Field, FieldDifference};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn status_of<'a>(all: &'a [Condition], type_: &str) -> &'a str {
        all.iter().find(|c| c.type_ == type_).map_or("-", |c| c.status.as_str())
    }

    fn difference() -> FieldDifference {
        FieldDifference {
            field: Field::Url,
            desired: "a".into(),
            observed: "b".into(),
        }
    }

    #[test]
    fn the_contracts_table() {
        use Reason::{
            AmbientCredentialsDisabled, Applied, Conflict, Contested, DriftCorrected, Drifted, InSync, InvalidAuthKey,
            InvalidCredentials, InvalidSpec, Observed, PermissionDenied, Progressing, SecretKeyMissing, SecretNotFound,
            ServiceUnavailable, Suspended, Throttled,
        };
        // reason, Ready, Reconciling, Stalled, CredentialsResolved, InSync
        let table = [
            (Progressing, "Unknown", "True", "-", "Unknown", "Unknown"),
            (Applied, "True", "-", "-", "True", "True"),
            (InSync, "True", "-", "-", "True", "True"),
            (DriftCorrected, "True", "-", "-", "True", "True"),
            (Drifted, "True", "-", "-", "True", "False"),
            (Observed, "True", "-", "-", "True", "True"),
            (Suspended, "Unknown", "-", "-", "Unknown", "Unknown"),
            (Throttled, "False", "True", "-", "Unknown", "Unknown"),
            (ServiceUnavailable, "False", "True", "-", "Unknown", "Unknown"),
            (SecretNotFound, "False", "-", "True", "False", "Unknown"),
            (SecretKeyMissing, "False", "-", "True", "False", "Unknown"),
            (InvalidAuthKey, "False", "-", "True", "Unknown", "Unknown"),
            (InvalidCredentials, "False", "-", "True", "False", "Unknown"),
            (PermissionDenied, "False", "-", "True", "True", "Unknown"),
            (InvalidSpec, "False", "-", "True", "True", "Unknown"),
            (Conflict, "False", "-", "True", "True", "False"),
            (Contested, "False", "-", "True", "True", "False"),
            (AmbientCredentialsDisabled, "False", "-", "True", "False", "Unknown"),
        ];
        assert_eq!(table.len(), Reason::ALL.len());
        for (reason, ready, reconciling, stalled, credentials, in_sync) in table {
            let all = conditions(&[], &Outcome::new(reason, "words"), 7, at(1));
            let name = reason.as_str();
            assert_eq!(status_of(&all, "Ready"), ready, "Ready of {name}");
            assert_eq!(status_of(&all, "Reconciling"), reconciling, "Reconciling of {name}");
            assert_eq!(status_of(&all, "Stalled"), stalled, "Stalled of {name}");
            assert_eq!(
                status_of(&all, "CredentialsResolved"),
                credentials,
                "CredentialsResolved of {name}"
            );
            assert_eq!(status_of(&all, "InSync"), in_sync, "InSync of {name}");
            assert!(all.iter().all(|c| c.observed_generation == Some(7)), "{name}");
            assert_eq!(ready_reason(&all), Some(reason));
        }
    }

    #[test]
    fn observe_shows_what_it_found() {
        let mut outcome = Outcome::new(Reason::Observed, "words");
        outcome.differences.push(difference());
        assert_eq!(status_of(&conditions(&[], &outcome, 1, at(1)), "InSync"), "False");
    }

    #[test]
    fn failing_checks_leave_ready_as_it_was_and_are_written_once() {
        let well = conditions(&[], &Outcome::new(Reason::Applied, "applied"), 3, at(1));
        let fail = |current: &[Condition], message: &str, now| {
            let since = at(50) + Duration::from_millis(123);
            conditions_of_failing_checks(current, Reason::ServiceUnavailable, message, since, at(now))
        };
        let failing = fail(&well, "no answer", 100);
        for (before, after) in well.iter().zip(&failing) {
            if after.type_ != "InSync" {
                assert_eq!(before, after);
                continue;
            }
            assert_eq!(
                (after.status.as_str(), after.reason.as_str()),
                ("Unknown", "ServiceUnavailable")
            );
            assert_eq!(
                after.message,
                "not known, because checks have failed since 1970-01-01T00:00:50Z: no answer"
            );
            assert_eq!(
                (after.last_transition_time.0, after.observed_generation),
                (at(100), Some(3))
            );
        }
        assert_eq!(
            fail(&failing, "no answer again", 200),
            failing,
            "the same trouble is no news"
        );
        let throttled = conditions_of_failing_checks(&failing, Reason::Throttled, "slower", at(50), at(300));
        let in_sync = throttled.iter().find(|c| c.type_ == "InSync").unwrap();
        assert_eq!(
            (in_sync.reason.as_str(), in_sync.last_transition_time.0),
            ("Throttled", at(100))
        );
        let again = conditions(&throttled, &Outcome::new(Reason::Applied, "applied"), 3, at(400));
        assert_eq!(status_of(&again, "InSync"), "True");
    }

    proptest! {
        #[test]
        fn times_move_only_when_a_status_flips(a in 0..18usize, b in 0..18usize) {
            let before = conditions(&[], &Outcome::new(Reason::ALL[a], "one"), 1, at(1));
            let after = conditions(&before, &Outcome::new(Reason::ALL[b], "two"), 2, at(2));
            for condition in &after {
                let flipped = before.iter().all(|c| c.type_ != condition.type_ || c.status != condition.status);
                prop_assert_eq!(condition.last_transition_time.0, if flipped { at(2) } else { at(1) });
            }
            let again = conditions(&after, &Outcome::new(Reason::ALL[b], "two"), 2, at(3));
            prop_assert_eq!(again, after);
        }
    }
}
