//! Contract 3, "Deletion", where the operator is another process than the one that applied the setting, and where no
//! call is needed.

use harness::until;
use serde_json::json;
use vod_endpoint::{Fault, How, KEY_ID, KEY_SECRET};

use crate::stage::{Stage, app};

/// Killed between a Set and its report, the operator does not know what it set; that its first attempt to remove it
/// fails does not mean that there is nothing to remove.
#[tokio::test]
async fn what_a_process_that_is_gone_may_have_set_is_removed_also_at_the_second_attempt() {
    let stage = Stage::set().await;
    let (proxy, operator) = stage.behind_a_proxy(&["--check-interval", "1h"]).await;
    proxy.hold(&["vodmessagecallbacks/half/status"]);
    stage.apply(&stage.http("half")).await;
    until("it is set", async || stage.live("half").is_some()).await;
    operator.kill().await.unwrap();
    assert_eq!(
        stage.status("half").await["applied"],
        json!(null),
        "nobody could say so"
    );
    stage.delete_secret("alibaba-cloud").await;
    stage.ask_deletion("half").await;
    let _operator = stage
        .operator(&["--check-interval", "1h", "--deletion-grace", "1h"])
        .await;
    stage.not_ready("half", "SecretNotFound").await;
    stage.access_key("alibaba-cloud", KEY_ID, KEY_SECRET).await;
    stage.gone("half").await;
    assert_eq!((stage.deletes("half"), stage.live("half")), (1, None));
}

/// A resource that stalled says nothing of the retry that succeeded at last, where the operator is killed just then.
#[tokio::test]
async fn what_a_retry_of_a_stalled_resource_may_have_set_is_removed() {
    let stage = Stage::set().await;
    let (proxy, operator) = stage.behind_a_proxy(&["--check-interval", "1h"]).await;
    stage.fault(forbidden("SetMessageCallback"));
    stage.apply(&stage.http("late")).await;
    stage.not_ready("late", "PermissionDenied").await;
    proxy.hold(&["vodmessagecallbacks/late/status"]);
    stage.endpoint.world().faults.clear();
    let again = json!({ "metadata": { "annotations": { "vod-operator.dev/reconcile-requested-at": "now" } } });
    stage.patch("late", &again).await;
    until("it is set", async || stage.live("late").is_some()).await;
    operator.kill().await.unwrap();
    stage.ask_deletion("late").await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.gone("late").await;
    assert_eq!((stage.deletes("late"), stage.live("late")), (1, None));
}

/// Nor does one that lost its setting, and has just got it back.
#[tokio::test]
async fn what_one_that_takes_over_may_have_set_is_removed() {
    let stage = Stage::set().await;
    let (proxy, operator) = stage.behind_a_proxy(&["--check-interval", "1h"]).await;
    stage.applied("owner").await;
    stage.older("owner").await;
    let moved = json!({ "url": "https://hooks.example.com/loser" });
    let loser = stage.http("loser").app_id(&app("owner")).field("http", moved);
    stage.apply(&loser).await;
    stage.not_ready("loser", "Conflict").await;
    proxy.hold(&["vodmessagecallbacks/loser/status"]);
    stage.delete("owner").await;
    until("it is set", async || {
        stage
            .live("owner")
            .is_some_and(|live| live["CallbackURL"] == "https://hooks.example.com/loser")
    })
    .await;
    operator.kill().await.unwrap();
    stage.ask_deletion("loser").await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.gone("loser").await;
    assert_eq!(stage.live("owner"), None);
}

/// One that was never let in goes at once, however long the grace period: nothing of it can be there.
#[tokio::test]
async fn what_is_still_refused_is_released_at_once_where_nothing_is_known_to_be_set() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.fault(forbidden("SetMessageCallback"));
    stage.fault(forbidden("GetMessageCallback"));
    stage.apply(&stage.http("never")).await;
    stage.not_ready("never", "PermissionDenied").await;
    operator.kill().await.unwrap();
    stage.ask_deletion("never").await;
    let _operator = stage
        .operator(&["--check-interval", "1h", "--deletion-grace", "1h"])
        .await;
    stage.gone("never").await;
    assert_eq!(stage.deletes("never"), 0);
}

fn forbidden(action: &str) -> Fault {
    Fault::code(403, "Forbidden.RAM").action(action)
}

/// That a deletion was held up is known from its status, too.
#[tokio::test]
async fn retain_after_a_restart_says_what_stays() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("stays").await;
    stage.delete_secret("alibaba-cloud").await;
    stage.ask_deletion("stays").await;
    stage.not_ready("stays", "SecretNotFound").await;
    // What is asked for meanwhile is tried, and answered.
    stage.check_now("stays", "again").await;
    operator.kill().await.unwrap();
    let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
    stage.patch("stays", &retain).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.gone("stays").await;
    stage.event("stays", "Released").await;
    assert!(stage.live("stays").is_some());
}

/// What needs no call does not wait for the quota of calls: the account rests here for longer than this test lasts.
#[tokio::test]
async fn what_was_never_applied_goes_while_its_account_rests() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("owner").await;
    stage.older("owner").await;
    let owners = app("owner");
    stage.apply(&stage.http("loser").app_id(&owners)).await;
    stage.not_ready("loser", "Conflict").await;
    let rests = Fault::always(How::Code {
        status: 400,
        code: "Throttling.User".into(),
        message: String::new(),
        headers: vec![("x-acs-retry-after".into(), "280000".into())],
    });
    stage.fault(rests.action("SetMessageCallback"));
    let moved = json!({ "url": "https://hooks.example.com/moved" });
    stage.apply(&stage.http("owner").field("http", moved)).await;
    stage.not_ready("owner", "Throttled").await;
    stage.apply(&stage.http("fresh")).await;
    stage.not_ready("fresh", "Throttled").await;
    let calls = stage.endpoint.world().calls().len();
    for name in ["loser", "fresh"] {
        stage.delete(name).await;
    }
    assert_eq!(stage.endpoint.world().calls().len(), calls);
}
