//! Contract 3, "Failures" and "Quota": what the service may do wrong, and what the user sees of it.

use std::time::Duration;

use crate::stage::{Stage, app};
use harness::eventually;
use vod_endpoint::{ACCOUNT, Fault, How};

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
        stage
            .endpoint
            .world()
            .faults
            .push(Fault::always(how.clone()).app(&app(name)).times(2));
    }
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for (name, _) in &faults {
        stage.apply(&stage.http(name)).await;
    }
    stage.apply(&stage.http("well")).await;
    stage.ready("well", "Applied").await;
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
    stage.endpoint.world().faults.push(fault);
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
    stage.apply(&stage.http("skew")).await;
    stage.ready("skew", "Applied").await;
    let refused = stage
        .endpoint
        .world()
        .calls()
        .iter()
        .filter(|c| c.code == "InvalidTimeStamp.Expired")
        .count();
    assert_eq!(refused, 1, "learned once");
}

#[tokio::test]
async fn throttled_checks_leave_it_ready_and_a_throttled_change_waits() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "2s"]).await;
    stage.apply(&stage.http("busy")).await;
    stage.ready("busy", "Applied").await;
    let hint = vec![("x-acs-retry-after".to_owned(), "3000".to_owned())];
    let throttled = How::Code {
        status: 400,
        code: "Throttling.User".into(),
        message: String::new(),
        headers: hint,
    };
    stage
        .endpoint
        .world()
        .faults
        .push(Fault::always(throttled).app(&app("busy")));
    let seen = async || {
        operator
            .metrics()
            .await
            .unwrap()
            .sum("vod_operator_api_requests_total", &[("code", "Throttling.User")])
            > 1.5
    };
    eventually("two throttled checks", seen).await.unwrap();
    let vmc = stage.cluster.vmc(&stage.ns, "busy").await.unwrap().unwrap();
    assert_eq!(harness::condition(&vmc, "Ready").unwrap()["status"], "True");
    stage.apply(&stage.http("busy").events(["SnapshotComplete"])).await;
    stage.not_ready("busy", "Throttled").await;
    stage
        .cluster
        .wait_condition(&stage.ns, "busy", ("Reconciling", "True", "Throttled"))
        .await
        .unwrap();
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

/// 200 resources of one account: one Set each, no throttled answer, no second over the limit.
#[tokio::test]
async fn a_crowd_keeps_within_the_quota() {
    const CROWD: usize = 200;
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
    // So few calls a second that checks every second pile up.
    let _operator = stage.operator(&["--check-interval", "2s", "--vod-qps", "4"]).await;
    for n in 0..40 {
        stage.apply(&stage.http(&format!("pile{n}"))).await;
    }
    for n in 0..40 {
        stage.ready(&format!("pile{n}"), "").await;
    }
    let before = stage.endpoint.world().calls().len();
    stage.apply(&stage.http("pile7").events(["SnapshotComplete"])).await;
    eventually("the change", async || {
        stage.live("pile7").unwrap()["EventTypeList"] == "SnapshotComplete"
    })
    .await
    .unwrap();
    let world = stage.endpoint.world();
    let waited = world.calls()[before..]
        .iter()
        .position(|c| c.action == "SetMessageCallback")
        .unwrap();
    assert!(waited <= 12, "{waited} checks of a backlog of 40 went first");
}
