//! Contract 3, "Failures" and "Quota": what the service may do wrong, and what the user sees of it.

use std::time::Duration;

use harness::until;
use vod_endpoint::{ACCOUNT, Fault, How};

use crate::stage::{Stage, app};

#[tokio::test]
async fn whatever_the_service_does_it_recovers_and_others_go_on() {
    let stage = Stage::set().await;
    let faults = [
        ("hang", How::Hang),
        ("reset", How::Reset),
        ("redirect", How::Redirect),
        ("garbage", How::Garbage { status: 502 }),
        ("huge", How::Huge),
        ("slow", How::Slow),
        ("empty", How::Empty),
    ];
    for (name, how) in &faults {
        stage.fault(Fault::always(how.clone()).app(&app(name)).times(2));
    }
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for (name, _) in &faults {
        stage.apply(&stage.http(name)).await;
    }
    stage.applied("well").await;
    stage.not_ready("garbage", "ServiceUnavailable").await;
    for (name, _) in &faults {
        stage.ready(name, "").await;
        assert_eq!(stage.sets(name), 1, "{name}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_not_set_twice() {
    let stage = Stage::set().await;
    let fault = Fault::always(How::Reset).action("SetMessageCallback").after().times(1);
    stage.fault(fault);
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("lost")).await;
    stage.ready("lost", "InSync").await;
    let sets = stage
        .calls("lost")
        .into_iter()
        .filter(|c| c.action == "SetMessageCallback")
        .count();
    assert_eq!(sets, 1, "it was carried out, as the next read showed");
}

#[tokio::test]
async fn a_skewed_clock_is_corrected() {
    let stage = Stage::set().await;
    stage.endpoint.world().clock_skew = 7200;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("skew").await;
    let refused = stage
        .endpoint
        .world()
        .calls()
        .iter()
        .filter(|c| c.code == "InvalidTimeStamp.Expired")
        .count();
    assert_eq!(refused, 1, "learned once");
}

/// A call that is repeated takes another slot of the quota.
#[tokio::test]
async fn repeated_calls_keep_within_the_quota() {
    let stage = Stage::set().await;
    stage.endpoint.world().clock_skew = 7200;
    for n in 0..40 {
        stage.apply(&stage.http(&format!("skewed{n}"))).await;
    }
    // The clock is learned by a call to VOD: STS has its own.
    let unknown = Fault::code(503, "ServiceUnavailable").action("GetCallerIdentity");
    stage.fault(unknown);
    let late = Fault::always(How::Delay { ms: 500 }).action("GetMessageCallback");
    stage.fault(late.times(8));
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for n in 0..40 {
        stage.ready(&format!("skewed{n}"), "Applied").await;
    }
    let world = stage.endpoint.world();
    let refused = world
        .calls()
        .iter()
        .filter(|c| c.code == "InvalidTimeStamp.Expired")
        .count();
    assert!(refused > 1, "several were on their way when the clock was learned");
    for action in ["GetMessageCallback", "SetMessageCallback"] {
        let at: Vec<u64> = world
            .calls()
            .iter()
            .filter(|c| c.action == action)
            .map(|c| c.at_ms)
            .collect();
        assert!(at.windows(16).all(|w| w[15] - w[0] >= 950), "{action} {at:?}");
    }
}

#[tokio::test]
async fn throttled_checks_leave_it_ready_and_a_throttled_change_waits() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "2s"]).await;
    stage.applied("busy").await;
    let hint = vec![("x-acs-retry-after".to_owned(), "3000".to_owned())];
    let throttled = How::Code {
        status: 400,
        code: "Throttling.User".into(),
        message: String::new(),
        headers: hint,
    };
    stage.fault(Fault::always(throttled).app(&app("busy")));
    let seen = async || {
        operator
            .metrics()
            .await
            .unwrap()
            .sum("vod_operator_api_requests_total", &[("code", "Throttling.User")])
            > 1.5
    };
    until("two throttled checks", seen).await;
    let vmc = stage.vmc("busy").await;
    assert_eq!(harness::condition(&vmc, "Ready").unwrap()["status"], "True");
    stage.apply(&stage.http("busy").events(["SnapshotComplete"])).await;
    stage.not_ready("busy", "Throttled").await;
    stage.condition("busy", ("Reconciling", "True", "Throttled")).await;
    assert_eq!(stage.status("busy").await["lastError"]["code"], "Throttling.User");
    let throttled: Vec<u64> = stage
        .endpoint
        .world()
        .calls()
        .iter()
        .filter(|c| c.code == "Throttling.User")
        .map(|c| c.at_ms)
        .collect();
    assert!(
        throttled.windows(2).all(|w| w[1] - w[0] >= 2900),
        "no sooner than the hint: {throttled:?}"
    );
    stage.endpoint.world().faults.clear();
    stage.ready("busy", "Applied").await;
    assert!(stage.status("busy").await.get("lastError").is_none());
}

/// 500 resources of one account: one Set each, no throttled answer, no second over the limit.
#[tokio::test]
async fn a_crowd_keeps_within_the_quota() {
    const CROWD: usize = 500;
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for n in 0..CROWD {
        stage.apply(&stage.http(&format!("crowd{n}"))).await;
    }
    harness::wait_until("all are set", Duration::from_secs(180), async || {
        let sets = (0..CROWD).filter(|n| stage.sets(&format!("crowd{n}")) == 1).count();
        if sets == CROWD {
            Ok(())
        } else {
            Err(format!("{sets} of {CROWD}"))
        }
    })
    .await
    .unwrap();
    stage.ready(&format!("crowd{}", CROWD - 1), "Applied").await;
    let world = stage.endpoint.world();
    for action in ["GetMessageCallback", "SetMessageCallback"] {
        assert!(world.most_within(ACCOUNT, action, Duration::from_millis(950)) <= 15);
    }
    assert!(world.calls().iter().all(|c| c.code == "OK"), "no throttled answer");
    assert_eq!(
        world.calls().iter().filter(|c| c.action == "GetCallerIdentity").count(),
        1
    );
}

#[tokio::test]
async fn a_users_change_passes_a_backlog_of_checks() {
    let stage = Stage::set().await;
    // So few calls a second that checks pile up, and that a moment of the machine's own is not many of them.
    let _operator = stage.operator(&["--check-interval", "2s", "--vod-qps", "2"]).await;
    for n in 0..24 {
        stage.apply(&stage.http(&format!("pile{n}"))).await;
    }
    for n in 0..24 {
        stage.ready(&format!("pile{n}"), "").await;
    }
    let before = stage.endpoint.world().calls().len();
    stage.apply(&stage.http("pile7").events(["SnapshotComplete"])).await;
    until("the change", async || {
        stage.live("pile7").unwrap()["EventTypeList"] == "SnapshotComplete"
    })
    .await;
    let world = stage.endpoint.world();
    let waited = world.calls()[before..]
        .iter()
        .position(|c| c.action == "SetMessageCallback")
        .unwrap();
    assert!(waited <= 7, "{waited} checks of a backlog of 24 went first");
}

/// What the service refuses is tried again when the user changes it, and not before the next check.
#[tokio::test]
async fn a_refused_spec_is_tried_again_when_it_changes() {
    let stage = Stage::set().await;
    let refuse = Fault::code(400, "InvalidParameter")
        .app(&app("no"))
        .action("SetMessageCallback");
    stage.fault(refuse);
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("no")).await;
    stage.not_ready("no", "InvalidSpec").await;
    let tried = || {
        let all = stage.calls("no");
        all.iter().filter(|c| c.action == "SetMessageCallback").count()
    };
    // Others are worked on meanwhile.
    for n in 0..5 {
        let name = format!("yes{n}");
        stage.applied(&name).await;
    }
    assert_eq!(tried(), 1);
    stage.endpoint.world().faults.clear();
    stage.apply(&stage.http("no").events(["SnapshotComplete"])).await;
    stage.ready("no", "Applied").await;
    assert_eq!(tried(), 2);
}

#[tokio::test]
async fn a_throttled_account_does_not_slow_another_one() {
    let stage = Stage::set().await;
    stage
        .endpoint
        .world()
        .add_key("OtherAccountsKey", "OtherAccountsSecret", "6543210987654321");
    stage
        .access_key("other", "OtherAccountsKey", "OtherAccountsSecret")
        .await;
    let hint = vec![("x-acs-retry-after".to_owned(), "60000".to_owned())];
    let busy = How::Code {
        status: 400,
        code: "Throttling.User".into(),
        message: String::new(),
        headers: hint,
    };
    let mut fault = Fault::always(busy);
    fault.account = Some(ACCOUNT.to_owned());
    stage.fault(fault.action("GetMessageCallback"));
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("busy")).await;
    stage.not_ready("busy", "Throttled").await;
    for n in 0..20 {
        stage.apply(&stage.http(&format!("free{n}")).secret("other")).await;
    }
    for n in 0..20 {
        stage.ready(&format!("free{n}"), "Applied").await;
    }
    let asked = stage
        .endpoint
        .world()
        .calls()
        .iter()
        .filter(|c| c.app() == app("busy") && c.account == ACCOUNT && c.action == "GetMessageCallback")
        .count();
    assert_eq!(asked, 1, "the hint of a minute is kept");
}

/// Two resources about one setting share reads, but not what is refused to one of them.
#[tokio::test]
async fn a_key_without_permission_spoils_no_read_of_others() {
    let stage = Stage::set().await;
    {
        let mut world = stage.endpoint.world();
        world.add_key("DeniedKeyOfTheAccount", "DeniedSecret", ACCOUNT);
        let denied = &mut world.keys.get_mut("DeniedKeyOfTheAccount").unwrap().denied;
        denied.push("GetMessageCallback".into());
    }
    stage
        .access_key("denied", "DeniedKeyOfTheAccount", "DeniedSecret")
        .await;
    let operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.apply(&stage.http("allowed")).await;
    stage.ready("allowed", "").await;
    for n in 0..3 {
        let observer = stage.http(&format!("denied{n}")).app_id(&app("allowed"));
        stage
            .apply(&observer.secret("denied").management_policy("Observe"))
            .await;
        stage.not_ready(&format!("denied{n}"), "PermissionDenied").await;
    }
    // All check at the same moments, because they are about one setting.
    let refused = || {
        let calls = stage.calls("allowed");
        calls.iter().filter(|c| c.code != "OK").count()
    };
    let (reads, refusals) = (stage.gets("allowed"), refused());
    until("both go on", async || {
        stage.gets("allowed") >= reads + 5 && refused() >= refusals + 5
    })
    .await;
    stage.ready("allowed", "").await;
    let spoiled = operator
        .logs()
        .iter()
        .any(|line| line.contains("not done yet") && line.contains("/allowed"));
    assert!(!spoiled, "the refusal was taken for its own");
}

#[tokio::test]
async fn a_nonce_that_was_seen_is_replaced_at_once() {
    let stage = Stage::set().await;
    let seen = Fault::code(400, "SignatureNonceUsed").action("SetMessageCallback");
    stage.fault(seen.times(1));
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("nonce").await;
    let codes: Vec<_> = stage.calls("nonce").into_iter().map(|c| c.code).collect();
    assert_eq!(codes, ["OK", "SignatureNonceUsed", "OK", "OK"]);
}
