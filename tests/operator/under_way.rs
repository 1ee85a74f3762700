//! What is said, and what is not asked any more, while a call to the service is away or fails.

use harness::until;
use serde_json::{Value, json};
use vod_endpoint::{Fault, How};

use super::stage::{Stage, app};

fn late_set(name: &str) -> Fault {
    let late = Fault::always(How::Delay { ms: 4000 });
    late.action("SetMessageCallback").app(&app(name)).times(1)
}

fn condition(status: &Value, type_: &str) -> Value {
    let all = status["conditions"].as_array().unwrap();
    all.iter().find(|c| c["type"] == type_).cloned().unwrap_or_default()
}

/// A new resource and a new generation alike: whoever waits for it sees that it is being dealt with.
#[tokio::test]
async fn a_change_that_takes_long_says_so_until_it_is_held() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for (generation, url) in [(1, "http://10.0.0.7/one"), (2, "http://10.0.0.7/two")] {
        stage.fault(late_set("slow"));
        stage
            .apply(&stage.http("slow").field("http", json!({ "url": url })))
            .await;
        let progressing = ("Ready", "Unknown", "Progressing");
        let cluster = &stage.cluster;
        cluster.wait_condition(&stage.ns, "slow", progressing).await.unwrap();
        let status = stage.status("slow").await;
        assert_eq!(status["observedGeneration"], generation);
        assert_eq!(condition(&status, "Reconciling")["status"], "True");
        stage.ready("slow", "Applied").await;
    }
    assert_eq!(stage.sets("slow"), 2);
    // What was said in between takes nothing away from what is told of each generation.
    until("each spec's warning", async || {
        let told = stage.events("slow").await;
        let doubtful = told.iter().filter(|e| e.reason.as_deref() == Some("UnreachableUrl"));
        doubtful.count() == 2
    })
    .await;
}

/// `suspend` is "no call at all", also not the read-back of a Set that was away when it was set.
#[tokio::test]
async fn what_is_suspended_while_its_set_is_away_is_not_read_back() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.fault(late_set("held"));
    stage.apply(&stage.http("held")).await;
    until("the Set is sent", async || stage.sets("held") == 1).await;
    stage.apply(&stage.http("held").suspend(true)).await;
    stage.suspended("held").await;
    assert_eq!(stage.gets("held"), 1, "the one before the Set");
    assert_eq!(stage.status("held").await["applied"]["callbackType"], "HTTP");
    stage.apply(&stage.http("held")).await;
    stage.ready("held", "").await;
    until("it is read back when it goes on", async || {
        stage.status("held").await["reported"].is_object()
    })
    .await;
    assert_eq!(stage.sets("held"), 1);
}

/// A pass that begins before the watch shows what the one before it wrote does not write that away again.
#[tokio::test]
async fn passes_that_follow_each_other_closely_keep_what_was_written() {
    let stage = Stage::set().await;
    stage.endpoint.world().behaviour.add_slash = true;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for n in 0..12 {
        let name = format!("close{n}");
        let slow = Fault::always(How::Delay { ms: 300 });
        let slow = slow.action("SetMessageCallback").app(&app(&name)).times(1);
        stage.fault(slow);
        stage.apply(&stage.http(&name)).await;
        until("the Set is sent", async || stage.sets(&name) == 1).await;
        stage.check_now(&name, "meanwhile").await;
        let status = stage.status(&name).await;
        assert!(
            status["requestId"].is_string() && status["lastAppliedTime"].is_string(),
            "{status}"
        );
        assert_eq!(
            status["reported"]["CallbackURL"], "https://hooks.example.com/vod/",
            "{status}"
        );
        stage.check_now(&name, "afterwards").await;
        assert_eq!(stage.sets(&name), 1);
    }
}

/// A stop finishes calls in flight, and does not lose what was set to a read-back that hangs.
#[tokio::test]
async fn what_was_set_is_told_before_the_process_ends() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("last").await;
    let before = stage.status("last").await["requestId"].clone();
    let gets = stage.gets("last");
    let hangs = Fault::always(How::Delay { ms: 60_000 })
        .action("GetMessageCallback")
        .app(&app("last"));
    stage.fault(hangs);
    let moved = json!({ "url": "https://hooks.example.com/moved" });
    stage.apply(&stage.http("last").field("http", moved)).await;
    until("it is read back", async || stage.gets("last") > gets).await;
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    let status = stage.status("last").await;
    assert_ne!(status["requestId"], before, "{status}");
    assert_eq!(status["applied"]["http"]["url"], "https://hooks.example.com/moved");
}

/// Credentials with which the service was read are no longer "not known yet", whatever fails after that.
#[tokio::test]
async fn credentials_that_were_accepted_are_said_to_be_while_the_set_fails() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    let down = Fault::code(503, "ServiceUnavailable").action("SetMessageCallback");
    stage.fault(down);
    stage.apply(&stage.http("down")).await;
    stage.not_ready("down", "ServiceUnavailable").await;
    let resolved = condition(&stage.status("down").await, "CredentialsResolved");
    assert_eq!(resolved["status"], "True", "{resolved}");
    stage.endpoint.world().faults.clear();
    stage.ready("down", "Applied").await;
}
