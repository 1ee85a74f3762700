//! Contract 3, "Conflict": one owner for a setting, takeover, and what a loser must not do.

use harness::{Vmc, eventually};
use serde_json::json;
use vod_endpoint::{Fault, KEY_ID, KEY_SECRET};

use crate::stage::{Stage, URL, app};

/// Another AccessKey of the same account, in the Secret `second`.
async fn second_key(stage: &Stage) {
    let (id, secret) = ("SecondKeyOfTheAccount", "AnotherSecret");
    stage.endpoint.world().add_key(id, secret, vod_endpoint::ACCOUNT);
    stage.access_key("second", id, secret).await;
}

#[tokio::test]
async fn the_oldest_owns_the_next_takes_over() {
    let stage = Stage::set().await;
    second_key(&stage).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("own").events(["TranscodeComplete"])).await;
    stage.ready("own", "Applied").await;
    stage.older("own").await;
    // The same setting by another key of the same account.
    stage
        .apply(
            &stage
                .http("rival")
                .app_id(&app("own"))
                .secret("second")
                .events(["SnapshotComplete"]),
        )
        .await;
    stage.not_ready("rival", "Conflict").await;
    let message = stage.status("rival").await.to_string();
    assert!(
        message.contains(&format!("{}/own", stage.ns)),
        "the owner is named: {message}"
    );
    assert_eq!(stage.sets("own"), 1);
    stage.delete("own").await;
    stage.ready("rival", "Applied").await;
    assert_eq!(stage.live("own").unwrap()["EventTypeList"], "SnapshotComplete");
}

#[tokio::test]
async fn a_loser_that_goes_leaves_the_setting() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("mine").await;
    stage.older("mine").await;
    stage.apply(&stage.http("loser").app_id(&app("mine"))).await;
    stage.not_ready("loser", "Conflict").await;
    stage.delete("loser").await;
    assert_eq!((stage.deletes("mine"), stage.sets("mine")), (0, 1));
    stage.ready("mine", "Applied").await;
}

#[tokio::test]
async fn hangzhou_and_shanghai_are_one_setting() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("sh").await;
    stage.older("sh").await;
    stage
        .apply(&stage.http("hz").app_id(&app("sh")).region("cn-hangzhou"))
        .await;
    stage.not_ready("hz", "Conflict").await;
}

#[tokio::test]
async fn without_sts_ownership_goes_by_the_access_key() {
    let stage = Stage::set().await;
    stage.fault(Fault::code(503, "ServiceUnavailable").action("GetCallerIdentity"));
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("nosts").await;
    stage.older("nosts").await;
    let status = stage.status("nosts").await;
    assert!(status.get("accountId").is_none());
    assert!(status["conditions"].to_string().contains("AccessKey ID"), "{status}");
    stage.apply(&stage.http("nosts2").app_id(&app("nosts"))).await;
    stage.not_ready("nosts2", "Conflict").await;
}

/// An operator that watches this test's namespace and another one.
async fn over_two_namespaces(stage: &Stage) -> (harness::Operator, String) {
    let other = stage.cluster.namespace("vod").await.unwrap();
    stage.cluster.access_key(&other, KEY_ID, KEY_SECRET).await.unwrap();
    let operator = stage
        .operator(&["--watch-namespace", &other, "--check-interval", "1h"])
        .await;
    (operator, other)
}

async fn is_in_conflict(stage: &Stage, ns: &str, name: &str) {
    let conflict = ("Ready", "False", "Conflict");
    stage.cluster.wait_condition(ns, name, conflict).await.unwrap();
}

#[tokio::test]
async fn across_namespaces_and_while_the_owner_is_suspended() {
    let stage = Stage::set().await;
    let (_operator, other) = over_two_namespaces(&stage).await;
    stage.applied("first").await;
    stage.older("first").await;
    let rival = Vmc::http(&other, "rival", URL)
        .app_id(&app("first"))
        .events(["SnapshotComplete"]);
    stage.apply(&rival).await;
    is_in_conflict(&stage, &other, "rival").await;
    // A suspended owner still owns.
    let suspended = json!({ "spec": { "suspend": true } });
    stage.patch("first", &suspended).await;
    stage.suspended("first").await;
    stage.cluster.request_reconcile(&other, "rival", "look").await.unwrap();
    let handled = |vmc: &serde_json::Value| vmc["status"]["lastHandledReconcileAt"] == "look";
    stage
        .cluster
        .wait_vmc(&other, "rival", "it has looked", handled)
        .await
        .unwrap();
    is_in_conflict(&stage, &other, "rival").await;
    assert_eq!(stage.sets("first"), 1);
    // Deleted while suspended, it leaves its setting, and the next one takes over.
    stage.delete("first").await;
    stage
        .cluster
        .wait_condition(&other, "rival", ("Ready", "True", "Applied"))
        .await
        .unwrap();
    assert_eq!((stage.sets("first"), stage.deletes("first")), (2, 0));
    assert_eq!(stage.live("first").unwrap()["EventTypeList"], "SnapshotComplete");
}

#[tokio::test]
async fn an_owner_that_moves_to_another_account_makes_room() {
    let stage = Stage::set().await;
    stage
        .endpoint
        .world()
        .add_key("OtherAccountsKey", "OtherAccountsSecret", "6543210987654321");
    stage.access_key("moving", KEY_ID, KEY_SECRET).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("room").secret("moving")).await;
    stage.ready("room", "Applied").await;
    stage.older("room").await;
    stage
        .apply(&stage.http("next").app_id(&app("room")).events(["SnapshotComplete"]))
        .await;
    stage.not_ready("next", "Conflict").await;
    stage
        .access_key("moving", "OtherAccountsKey", "OtherAccountsSecret")
        .await;
    stage.ready("next", "Applied").await;
    assert_eq!(stage.live("room").unwrap()["EventTypeList"], "SnapshotComplete");
}

/// It holds nobody up, and the younger gives way once it is known.
#[tokio::test]
async fn an_older_one_whose_account_is_unknown_holds_nobody_up() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("elder").secret("later")).await;
    stage.not_ready("elder", "SecretNotFound").await;
    stage.older("elder").await;
    stage
        .apply(&stage.http("younger").app_id(&app("elder")).events(["SnapshotComplete"]))
        .await;
    stage.ready("younger", "Applied").await;
    stage.access_key("later", KEY_ID, KEY_SECRET).await;
    stage.ready("elder", "Applied").await;
    stage.not_ready("younger", "Conflict").await;
    assert_eq!(stage.sets("elder"), 2, "one each, and then the younger no more");
}

/// What a loser waits for must be known to an operator that has not reconciled it yet.
#[tokio::test]
async fn the_next_takes_over_also_after_a_restart() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("past").await;
    stage.older("past").await;
    stage
        .apply(&stage.http("heir").app_id(&app("past")).events(["SnapshotComplete"]))
        .await;
    stage.not_ready("heir", "Conflict").await;
    assert_eq!(stage.status("heir").await["accountId"], vod_endpoint::ACCOUNT);
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.delete("past").await;
    stage.ready("heir", "Applied").await;
    assert_eq!(stage.live("past").unwrap()["EventTypeList"], "SnapshotComplete");
}

/// Where the account was known before, an STS that is out of reach splits no ownership.
#[tokio::test]
async fn an_account_that_is_known_outlives_an_outage_of_sts() {
    let stage = Stage::set().await;
    second_key(&stage).await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("known").await;
    stage.older("known").await;
    stage
        .apply(&stage.http("other").app_id(&app("known")).secret("second"))
        .await;
    stage.not_ready("other", "Conflict").await;
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    let down = Fault::code(503, "ServiceUnavailable").action("GetCallerIdentity");
    stage.fault(down);
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    // Both are looked at again, and neither changes sides.
    for name in ["known", "other"] {
        stage.check_now(name, "look").await;
    }
    stage.ready("known", "").await;
    stage.not_ready("other", "Conflict").await;
    // Nor does one that is new, with the Secret of one whose account is known.
    stage.apply(&stage.http("new").app_id(&app("known"))).await;
    stage.not_ready("new", "Conflict").await;
    assert_eq!(
        (stage.sets("known"), stage.status("known").await["accountId"].as_str()),
        (1, Some(vod_endpoint::ACCOUNT))
    );
}

/// Who owns what is told to everybody at a start, whatever the watches show first.
#[tokio::test]
async fn what_became_of_owners_while_the_operator_was_down_is_said_of_all() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    let many = 6;
    let gone = |n: u8| (format!("gone{n}"), format!("heir{n}"), format!("loser{n}"));
    let comes = |n: u8| (format!("comes{n}"), format!("gives-way{n}"));
    for n in 0..many {
        let ((owner, ..), (observer, _)) = (gone(n), comes(n));
        stage.apply(&stage.http(&owner)).await;
        stage.apply(&stage.http(&observer).management_policy("Observe")).await;
        stage.ready(&owner, "Applied").await;
        stage.ready(&observer, "Observed").await;
    }
    stage.older(&comes(many - 1).0).await;
    for n in 0..many {
        let (owner, heir, _) = gone(n);
        let (observer, gives_way) = comes(n);
        stage.apply(&stage.http(&heir).app_id(&app(&owner))).await;
        stage.apply(&stage.http(&gives_way).app_id(&app(&observer))).await;
        stage.not_ready(&heir, "Conflict").await;
        stage.ready(&gives_way, "Applied").await;
    }
    stage.older(&gone(many - 1).1).await;
    for n in 0..many {
        let (owner, _, loser) = gone(n);
        stage.apply(&stage.http(&loser).app_id(&app(&owner))).await;
        stage.not_ready(&loser, "Conflict").await;
    }
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    for n in 0..many {
        let (owner, ..) = gone(n);
        let none = json!({ "metadata": { "finalizers": [] } });
        stage.cluster.patch_vmc(&stage.ns, &owner, &none).await.unwrap();
        stage.delete(&owner).await;
        let (observer, _) = comes(n);
        stage.apply(&stage.http(&observer).management_policy("Enforce")).await;
    }
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for n in 0..many {
        let (_, heir, loser) = gone(n);
        stage.ready(&heir, "").await;
        let names_the_heir = async || {
            let vmc = stage.not_ready(&loser, "Conflict").await;
            let message = harness::condition(&vmc, "Ready").map(|c| c["message"].to_string());
            message.is_some_and(|message| message.contains(&format!("/{heir}:")))
        };
        eventually("the loser names the heir", names_the_heir).await.unwrap();
        let (observer, gives_way) = comes(n);
        stage.ready(&observer, "").await;
        stage.not_ready(&gives_way, "Conflict").await;
    }
}

/// The youngest comes first and asks the others for their accounts, all at once.
#[tokio::test]
async fn one_place_is_enough_to_ask_many_rivals() {
    let stage = Stage::set().await;
    second_key(&stage).await;
    let one = app("elder0");
    stage.apply(&stage.http("elder0")).await;
    stage.older("elder0").await;
    stage.apply(&stage.http("elder1").app_id(&one).secret("second")).await;
    stage.older("elder1").await;
    stage.apply(&stage.http("a-younger").app_id(&one)).await;
    let late = Fault::always(vod_endpoint::How::Delay { ms: 500 }).action("GetCallerIdentity");
    stage.fault(late.times(2));
    let _operator = stage.operator(&["--check-interval", "1h", "--concurrency", "1"]).await;
    stage.ready("elder0", "Applied").await;
    stage.not_ready("elder1", "Conflict").await;
    stage.not_ready("a-younger", "Conflict").await;
}

/// Nobody is there to know the older one's account before the younger one is looked at.
#[tokio::test]
async fn of_rivals_created_while_the_operator_was_down_only_the_older_sets() {
    let stage = Stage::set().await;
    second_key(&stage).await;
    let names: Vec<(String, String)> = (0..6).map(|n| (format!("elder{n}"), format!("younger{n}"))).collect();
    for (elder, _) in &names {
        stage.apply(&stage.http(elder)).await;
    }
    stage.older("elder5").await;
    for (elder, younger) in &names {
        let rival = stage.http(younger).app_id(&app(elder)).secret("second");
        stage.apply(&rival.events(["SnapshotComplete"])).await;
    }
    // The answer about the older ones' key comes late.
    let late = Fault::always(vod_endpoint::How::Delay { ms: 1000 }).action("GetCallerIdentity");
    stage.fault(late.times(1));
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for (elder, younger) in &names {
        stage.ready(elder, "Applied").await;
        stage.not_ready(younger, "Conflict").await;
        assert_eq!(stage.sets(elder), 1, "{elder}");
    }
}
