//! A week of ten thousand resources.

use std::time::Duration;

use super::reigns::{Plan, simulate};
use super::{HOUR, MINUTE, QPS};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

#[test]
fn a_week_of_ten_thousand_resources_keeps_to_the_schedule() {
    let plan = Plan {
        seed: 1,
        resources: 10_000,
        accounts: 500,
        lasts: WEEK,
        changes: 5_000,
        takeovers: 40,
        outages: 400,
    };
    let report = simulate(plan.clone());
    assert!(
        report.most <= QPS as usize,
        "never more than the quota in any second: {report:?}"
    );
    assert_eq!(report.throttled, 0);
    assert!(
        report.latest_check < MINUTE && report.latest_change < MINUTE,
        "{report:?}"
    );
    // Each new resource and each change is one Set and one status; a change during another may be one with it.
    let changes = plan.resources + plan.changes;
    assert!(
        report.writes <= changes && report.writes > changes - plan.changes / 10,
        "{report:?}"
    );
    // A call that a replica had under way when it was cut off, or that failed, is made again.
    assert!(
        (report.writes..=report.writes * 11 / 10).contains(&report.sets),
        "{report:?}"
    );
    // A check an interval, and the two reads of each change.
    let checks = |share: usize, a_week: usize| plan.resources * share / 20 * a_week;
    let expected = checks(1, 7 * 24) + checks(3, 7 * 4) + checks(16, 7) + 2 * report.writes;
    let most = expected + expected / 10;
    assert!(
        (expected * 9 / 10..most).contains(&report.gets),
        "{expected} Gets on schedule: {report:?}"
    );
}

#[test]
fn the_same_seed_is_the_same_week() {
    let plan = |seed| Plan {
        seed,
        resources: 500,
        accounts: 20,
        lasts: HOUR * 30,
        changes: 200,
        takeovers: 5,
        outages: 0,
    };
    let first = simulate(plan(7));
    assert_eq!(first, simulate(plan(7)));
    assert_ne!(first.digest, simulate(plan(8)).digest);
}

/// Another replica takes over every few minutes while all have much to do: the quota holds over all of them.
#[test]
fn replicas_that_lead_one_after_another_keep_one_quota() {
    let report = simulate(Plan {
        seed: 3,
        resources: 2_000,
        accounts: 4,
        lasts: HOUR,
        changes: 6_000,
        takeovers: 60,
        outages: 0,
    });
    assert!(report.most <= QPS as usize, "{report:?}");
}
