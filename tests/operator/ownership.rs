//! Contract 3, "Conflict": one owner for a setting, takeover, and what a loser must not do.

use crate::stage::{Stage, app};
use vod_endpoint::Fault;

#[tokio::test]
async fn the_oldest_owns_the_next_takes_over() {
    let stage = Stage::set().await;
    stage
        .endpoint
        .world()
        .add_key("SecondKeyOfTheAccount", "AnotherSecret", vod_endpoint::ACCOUNT);
    stage
        .secret(
            "second",
            &[
                ("accessKeyId", "SecondKeyOfTheAccount"),
                ("accessKeySecret", "AnotherSecret"),
            ],
        )
        .await;
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
    stage.cluster.delete_vmc(&stage.ns, "own").await.unwrap();
    stage.cluster.wait_gone(&stage.ns, "own").await.unwrap();
    stage.ready("rival", "Applied").await;
    assert_eq!(stage.live("own").unwrap()["EventTypeList"], "SnapshotComplete");
}

#[tokio::test]
async fn a_loser_that_goes_leaves_the_setting() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("mine")).await;
    stage.ready("mine", "Applied").await;
    stage.older("mine").await;
    stage.apply(&stage.http("loser").app_id(&app("mine"))).await;
    stage.not_ready("loser", "Conflict").await;
    stage.cluster.delete_vmc(&stage.ns, "loser").await.unwrap();
    stage.cluster.wait_gone(&stage.ns, "loser").await.unwrap();
    assert_eq!((stage.deletes("mine"), stage.sets("mine")), (0, 1));
    stage.ready("mine", "Applied").await;
}

#[tokio::test]
async fn hangzhou_and_shanghai_are_one_setting() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("sh")).await;
    stage.ready("sh", "Applied").await;
    stage.older("sh").await;
    stage
        .apply(&stage.http("hz").app_id(&app("sh")).region("cn-hangzhou"))
        .await;
    stage.not_ready("hz", "Conflict").await;
}

#[tokio::test]
async fn without_sts_ownership_goes_by_the_access_key() {
    let stage = Stage::set().await;
    stage
        .endpoint
        .world()
        .faults
        .push(Fault::code(503, "ServiceUnavailable").action("GetCallerIdentity"));
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("nosts")).await;
    stage.ready("nosts", "Applied").await;
    stage.older("nosts").await;
    let status = stage.status("nosts").await;
    assert!(status.get("accountId").is_none());
    assert!(status["conditions"].to_string().contains("AccessKey ID"), "{status}");
    stage.apply(&stage.http("nosts2").app_id(&app("nosts"))).await;
    stage.not_ready("nosts2", "Conflict").await;
}
