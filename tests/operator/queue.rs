//! What waits in a crowd: users who change their mind, other accounts, a smaller share of the quota, the schedule.

use std::time::Duration;

use harness::until;
use serde_json::json;
use vod_endpoint::{ACCOUNT, Fault, How, KEY_ID, KEY_SECRET};

use super::stage::{Stage, app};

const CROWD: usize = 120;

fn member(n: usize) -> String {
    format!("crowd{n}")
}

/// A crowd of one account that waits for its quota of two calls a second.
async fn crowd(stage: &Stage) {
    for n in 0..CROWD {
        stage.apply(&stage.http(&member(n))).await;
    }
}

fn sets_of_crowd(stage: &Stage) -> usize {
    (0..CROWD).map(|n| stage.sets(&member(n))).sum()
}

/// What waits keeps its place but not its content: no Set is sent for what was suspended meanwhile.
#[tokio::test]
async fn a_crowd_that_is_suspended_while_it_waits_is_not_set() {
    let stage = Stage::set().await;
    crowd(&stage).await;
    let _operator = stage.operator(&["--vod-qps", "2", "--check-interval", "1h"]).await;
    until("the first Sets", async || sets_of_crowd(&stage) >= 2).await;
    for n in 0..CROWD {
        stage.apply(&stage.http(&member(n)).suspend(true)).await;
    }
    for n in 0..CROWD {
        stage.suspended(&member(n)).await;
    }
    let made = sets_of_crowd(&stage);
    assert!(
        made < CROWD / 2,
        "{made} of {CROWD} were set before they were suspended"
    );
    // One more comes through the same queue: had others been waiting with their old content, they would go before it.
    stage.applied("later").await;
    assert_eq!(sets_of_crowd(&stage), made, "nothing is set after it was suspended");
}

/// The same for deletions: `Retain` stops those that wait.
#[tokio::test]
async fn deletions_that_wait_are_stopped_by_retain() {
    let stage = Stage::set().await;
    let few = 30;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    for n in 0..few {
        stage.apply(&stage.http(&member(n))).await;
    }
    for n in 0..few {
        stage.ready(&member(n), "Applied").await;
    }
    operator.sigterm_and_wait().await.unwrap();
    let _operator = stage.operator(&["--vod-qps", "1", "--check-interval", "1h"]).await;
    for n in 0..few {
        stage.ask_deletion(&member(n)).await;
    }
    let deletes = || (0..few).map(|n| stage.deletes(&member(n))).sum::<usize>();
    until("the first Delete", async || deletes() >= 1).await;
    for n in 0..few {
        if stage.cluster.vmc(&stage.ns, &member(n)).await.unwrap().is_some() {
            let retain = serde_json::json!({"spec": {"deletionPolicy": "Retain"}});
            // One whose turn came meanwhile is gone.
            let _ = stage.cluster.patch_vmc(&stage.ns, &member(n), &retain).await;
        }
    }
    for n in 0..few {
        stage.gone(&member(n)).await;
    }
    assert!(deletes() < few / 2, "{} of {few} were deleted", deletes());
}

/// A backlog of one account does not delay another account's change.
#[tokio::test]
async fn another_accounts_change_passes_a_crowd() {
    let stage = Stage::set().await;
    stage
        .endpoint
        .world()
        .add_key("OtherKeyId", "OtherKeySecret", "2234567890123456");
    stage.access_key("other", "OtherKeyId", "OtherKeySecret").await;
    crowd(&stage).await;
    let _operator = stage.operator(&["--vod-qps", "2", "--check-interval", "1h"]).await;
    until("the crowd is under way", async || sets_of_crowd(&stage) >= 2).await;
    let before = sets_of_crowd(&stage);
    stage.apply(&stage.http("alone").secret("other")).await;
    stage.ready("alone", "Applied").await;
    let meanwhile = sets_of_crowd(&stage) - before;
    assert!(meanwhile < CROWD / 4, "{meanwhile} of the crowd went before it");
    assert!(sets_of_crowd(&stage) < CROWD, "the crowd still waits");
}

/// Checks that somebody asked for, many at once, wait behind a change, whether it is of one of them or of another; and so
/// do those of an AccessKey that was rotated.
#[tokio::test]
async fn a_change_goes_before_checks_that_were_asked_for() {
    for rotated in [false, true] {
        passes_many(&Stage::set().await, rotated).await;
    }
}

async fn passes_many(stage: &Stage, rotated: bool) {
    let many = 60;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    for n in 0..many {
        stage.apply(&stage.http(&member(n))).await;
    }
    for n in 0..many {
        stage.ready(&member(n), "Applied").await;
    }
    operator.sigterm_and_wait().await.unwrap();
    let _operator = stage.operator(&["--vod-qps", "2", "--check-interval", "1h"]).await;
    let gets = || (0..many).map(|n| stage.gets(&member(n))).sum::<usize>();
    let read_before = gets();
    if rotated {
        stage.endpoint.world().add_key("NextKeyId", "NextKeySecret", ACCOUNT);
        stage.access_key("alibaba-cloud", "NextKeyId", "NextKeySecret").await;
    } else {
        for n in 1..many {
            let name = member(n);
            let request = stage.cluster.request_reconcile(&stage.ns, &name, "all-of-them");
            request.await.unwrap();
        }
    }
    until("the first are looked at", async || gets() > read_before).await;
    for name in [member(0), member(many - 1)] {
        let (sets, read) = (stage.sets(&name), gets());
        let moved = serde_json::json!({ "url": "https://hooks.example.com/moved" });
        stage.apply(&stage.http(&name).field("http", moved)).await;
        until("the change is made", async || stage.sets(&name) > sets).await;
        let meanwhile = gets() - read;
        assert!(
            meanwhile < many / 3,
            "{meanwhile} checks went before the change of {name}"
        );
    }
}

/// Where others use the same account, the pace finds what is left of it.
#[tokio::test]
async fn a_smaller_share_of_the_quota_is_found() {
    let stage = Stage::set().await;
    stage.endpoint.world().qps = 4;
    let few = 25;
    for n in 0..few {
        stage.apply(&stage.http(&member(n))).await;
    }
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for n in 0..few {
        stage.ready(&member(n), "Applied").await;
    }
    let world = stage.endpoint.world();
    let calls: Vec<_> = world
        .calls()
        .iter()
        .filter(|c| c.action.ends_with("MessageCallback"))
        .collect();
    let refused = calls.iter().filter(|c| c.code.starts_with("Throttling")).count();
    assert!(
        refused * 4 <= calls.len(),
        "{refused} of {} were throttled",
        calls.len()
    );
    let made = calls.len() - refused;
    assert!(
        // Whoever is Ready may still owe its read-back, where that was refused.
        (few * 3 - few / 5..=few * 3 + few / 5).contains(&made),
        "each is read, set and read back: {made}"
    );
}

/// Drift that comes right after a change is found by the very next scheduled check.
#[tokio::test]
async fn a_change_does_not_use_up_the_next_check() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "10s"]).await;
    stage.applied("soon").await;
    for round in 1..=3 {
        let vmc = stage
            .http("soon")
            .events([["SnapshotComplete", "TranscodeComplete", "FileUploadComplete"][round - 1]]);
        stage.apply(&vmc).await;
        let sets = 2 * round;
        until("the change", async || stage.sets("soon") == sets).await;
        stage.ready("soon", "").await;
        let reads = stage.gets("soon");
        stage.tamper("soon", &[("CallbackURL", "https://other.example.com/")]);
        until("it is corrected", async || stage.sets("soon") == sets + 1).await;
        let until_corrected = stage.gets("soon") - reads;
        assert!(
            until_corrected <= 2,
            "the first check found it: {until_corrected} reads"
        );
        stage.ready("soon", "").await;
    }
    assert_eq!(app("soon"), stage.calls("soon")[0].app());
    let most = stage
        .endpoint
        .world()
        .most_within(ACCOUNT, "GetMessageCallback", Duration::from_secs(5));
    assert!(most < 15, "no check runs in a loop: {most}");
}

/// An account that was asked to rest costs nobody anything meanwhile, the API server neither.
#[tokio::test]
async fn an_account_that_rests_is_not_looked_at() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    let rest = How::Code {
        status: 400,
        code: "Throttling.User".to_owned(),
        message: String::new(),
        headers: vec![("x-acs-retry-after".to_owned(), "6000".to_owned())],
    };
    let throttled = Fault::always(rest).action("SetMessageCallback").times(1);
    stage.fault(throttled);
    stage.apply(&stage.http("rests")).await;
    stage.not_ready("rests", "Throttled").await;
    stage.ready("rests", "Applied").await;
    let metrics = operator.metrics().await.unwrap();
    let passes = metrics.sum("vod_operator_reconcile_total", &[]);
    assert!(passes < 10.0, "{passes} passes while the account rested");
    assert_eq!(
        (stage.gets("rests"), stage.sets("rests")),
        (2, 1),
        "what was read before serves after the rest"
    );
}

/// Other credentials may be another account's: their resource does not wait in the line of the one that rests.
#[tokio::test]
async fn a_change_does_not_wait_for_the_account_that_its_credentials_left() {
    const OTHER: &str = "6543210987654321";
    let stage = Stage::set().await;
    stage
        .endpoint
        .world()
        .add_key("OtherAccountsKey", "OtherAccountsSecret", OTHER);
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.access_key("mine", KEY_ID, KEY_SECRET).await;
    stage
        .access_key("theirs", "OtherAccountsKey", "OtherAccountsSecret")
        .await;
    for name in ["content", "reference"] {
        stage.apply(&stage.http(name).secret("mine")).await;
        stage.ready(name, "Applied").await;
    }
    let rest = How::Code {
        status: 400,
        code: "Throttling.User".to_owned(),
        message: String::new(),
        headers: vec![("x-acs-retry-after".to_owned(), "280000".to_owned())],
    };
    let throttled = Fault::always(rest).action("SetMessageCallback").account(ACCOUNT);
    stage.fault(throttled);
    let moved = json!({ "url": "https://hooks.example.com/moved" });
    for name in ["content", "reference"] {
        let changed = stage.http(name).secret("mine").field("http", moved.clone());
        stage.apply(&changed).await;
        stage.not_ready(name, "Throttled").await;
    }
    let changed = stage.http("reference").secret("theirs").field("http", moved);
    stage.apply(&changed).await;
    stage
        .access_key("mine", "OtherAccountsKey", "OtherAccountsSecret")
        .await;
    for name in ["content", "reference"] {
        stage.ready(name, "Applied").await;
        assert_eq!(stage.status(name).await["accountId"], OTHER);
    }
}
