use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::status::{Outcome, conditions};

fn status(reason: Option<Reason>, generation: i64) -> VodMessageCallbackStatus {
    let now = Timestamp::UNIX_EPOCH;
    VodMessageCallbackStatus {
        observed_generation: reason.map(|_| generation),
        conditions: reason
            .map(|r| conditions(&[], &Outcome::new(r, "x"), generation, now))
            .unwrap_or_default(),
        observed_secrets: vec![ObservedSecret {
            name: "s".into(),
            resource_version: "10".into(),
        }],
        ..VodMessageCallbackStatus::default()
    }
}

fn retry_inputs() -> RetryInputs {
    RetryInputs {
        generation: 3,
        secrets: vec![("s".into(), SecretVersion::Present("10".into()))],
        ..RetryInputs::default()
    }
}

struct Case {
    inputs: RetryInputs,
    status: VodMessageCallbackStatus,
    suspended: bool,
    has_finalizer: bool,
    retry_in: Option<i64>,
    ownership_changed: bool,
    unblocked: bool,
    check_in: i64,
}

impl Case {
    fn at_rest() -> Self {
        Self {
            inputs: retry_inputs(),
            status: status(Some(Reason::Applied), 3),
            suspended: false,
            has_finalizer: true,
            retry_in: None,
            ownership_changed: false,
            unblocked: false,
            check_in: 60,
        }
    }

    fn ask(&self) -> Due {
        let now = Instant::now();
        let at = |seconds: i64| {
            let by = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 {
                now.checked_sub(by).unwrap()
            } else {
                now + by
            }
        };
        let retry = self.retry_in.map(|s| Retry {
            at: at(s),
            inputs: retry_inputs(),
        });
        due(&View {
            inputs: &self.inputs,
            status: &self.status,
            suspended: self.suspended,
            has_finalizer: self.has_finalizer,
            retry: retry.as_ref(),
            ownership_changed: self.ownership_changed,
            unblocked: self.unblocked,
            unwritten: None,
            next_check: at(self.check_in),
            now,
        })
    }
}

fn case(change: impl FnOnce(&mut Case)) -> Due {
    let mut case = Case::at_rest();
    change(&mut case);
    case.ask()
}

const MINUTE: Due = Due::Nothing(Some(Duration::from_secs(60)));

#[test]
fn each_look_finds_what_is_due() {
    assert_eq!(case(|_| {}), MINUTE, "at rest, also right after a restart");
    assert_eq!(case(|c| c.check_in = -1), Due::ScheduledCheck);
    assert_eq!(case(|c| c.status = status(None, 0)), Due::Change, "just seen");
    assert_eq!(case(|c| c.inputs.generation = 4), Due::Change, "the spec changed");
    assert_eq!(
        case(|c| c.inputs.secrets = vec![("s".into(), SecretVersion::Present("11".into()))]),
        Due::Change
    );
    assert_eq!(
        case(|c| c.inputs.secrets = vec![("s".into(), SecretVersion::Present("9".into()))]),
        MINUTE,
        "the watch lags"
    );
    assert_eq!(
        case(|c| c.inputs.secrets = vec![("s".into(), SecretVersion::Gone)]),
        Due::Change
    );
    assert_eq!(
        case(|c| c.inputs.secrets = vec![("s".into(), SecretVersion::Unknown)]),
        MINUTE
    );
    assert_eq!(case(|c| c.inputs.requested = Some("now".into())), Due::RequestedCheck);
    assert_eq!(
        case(|c| {
            c.inputs.requested = Some("now".into());
            c.status.last_handled_reconcile_at = Some("now".into());
        }),
        MINUTE
    );
    assert_eq!(
        case(|c| c.ownership_changed = true),
        Due::Change,
        "a rival came or went"
    );
    assert_eq!(
        case(|c| c.unblocked = true),
        Due::Change,
        "the operator was started with what it lacked"
    );
    for reason in Reason::ALL.iter().copied().filter(|r| r.stalls()) {
        assert_eq!(
            case(|c| c.status = status(Some(reason), 3)),
            MINUTE,
            "{} is retried slowly",
            reason.as_str()
        );
    }
    for reason in Reason::ALL.iter().copied().filter(|r| r.is_under_way()) {
        assert_eq!(
            case(|c| c.status = status(Some(reason), 3)),
            Due::Change,
            "{}",
            reason.as_str()
        );
    }
}

#[test]
fn suspension() {
    assert_eq!(case(|c| c.suspended = true), Due::Suspend);
    let said = |c: &mut Case| {
        c.suspended = true;
        c.status = status(Some(Reason::Suspended), 3);
        c.check_in = -1;
    };
    assert_eq!(case(said), Due::Nothing(None), "no check while suspended");
    assert_eq!(
        case(|c| c.status = status(Some(Reason::Suspended), 3)),
        Due::Change,
        "resumed"
    );
}

#[test]
fn retries_wait_unless_what_they_depend_on_changes() {
    let wait = Due::Nothing(Some(Duration::from_secs(30)));
    let waiting = |change: fn(&mut Case)| {
        case(|c| {
            c.status = status(Some(Reason::Throttled), 3);
            c.retry_in = Some(30);
            change(c);
        })
    };
    assert_eq!(waiting(|_| {}), wait);
    assert_eq!(waiting(|c| c.retry_in = Some(-1)), Due::Change);
    assert_eq!(waiting(|c| c.inputs.generation = 4), Due::Change);
    assert_eq!(waiting(|c| c.inputs.requested = Some("now".into())), Due::Change);
    assert_eq!(
        waiting(|c| c.inputs.secrets = vec![("s".into(), SecretVersion::Gone)]),
        Due::Change
    );
    assert_eq!(waiting(|c| c.ownership_changed = true), Due::Change);
    assert_eq!(
        case(|c| c.retry_in = Some(-1)),
        Due::ScheduledCheck,
        "a check that failed is made again"
    );
}

#[test]
fn what_was_really_read_is_what_a_retry_waits_on() {
    let secret = |sight: SecretVersion| vec![("s".to_owned(), sight)];
    let present = |version: &str| SecretVersion::Present(version.into());
    let read = ObservedSecret {
        name: "s".into(),
        resource_version: "11".into(),
    };
    let with = |sight| RetryInputs {
        secrets: secret(sight),
        ..retry_inputs()
    };
    for (before, now, hold) in [
        (SecretVersion::Unknown, present("11"), true),
        (present("10"), present("11"), true),
        (present("11"), SecretVersion::Unknown, true),
        (SecretVersion::Unknown, present("12"), false),
        (present("11"), SecretVersion::Gone, false),
        // The watch is behind what was read, and tells nothing new.
        (present("10"), present("10"), true),
        (SecretVersion::Unknown, present("10"), true),
        (SecretVersion::Gone, SecretVersion::Gone, true),
        (SecretVersion::Gone, present("12"), false),
    ] {
        let mut went = with(before.clone());
        went.read = vec![read.clone()];
        assert_eq!(went.still_hold(&with(now.clone())), hold, "{before:?} {now:?}");
    }
    assert!(
        !with(SecretVersion::Unknown).still_hold(&with(present("11"))),
        "nothing was read"
    );
}

#[test]
fn deletion() {
    assert_eq!(case(|c| c.inputs.deleting = true), Due::Cleanup);
    assert_eq!(
        case(|c| {
            c.inputs.deleting = true;
            c.suspended = true;
        }),
        Due::Cleanup
    );
    assert_eq!(
        case(|c| {
            c.inputs.deleting = true;
            c.has_finalizer = false;
        }),
        Due::Nothing(None)
    );
}
