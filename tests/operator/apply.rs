//! Contract 3, "Apply": one Set for a change, read before and after, adoption.

use crate::stage::{Stage, URL, app};

#[tokio::test]
async fn one_apply_is_one_set_and_two_gets() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&[]).await;
    stage.apply(&stage.http("one")).await;
    let status = stage.ready("one", "Applied").await;
    let actions: Vec<_> = stage.calls("one").iter().map(|c| c.action.clone()).collect();
    assert_eq!(
        actions,
        ["GetMessageCallback", "SetMessageCallback", "GetMessageCallback"]
    );
    let live = stage.live("one").unwrap();
    assert_eq!(live["CallbackURL"], URL);
    let set = stage.calls("one").remove(1);
    let status = if status.get("status").is_some() {
        status["status"].clone()
    } else {
        stage.status("one").await
    };
    assert_eq!(status["requestId"], set.request_id);
    assert_eq!(status["accountId"], vod_endpoint::ACCOUNT);
    assert_eq!(set.parameters["AppId"], app("one"));
    stage.check_now("one", "again").await;
    assert_eq!(stage.sets("one"), 1, "one more reconcile makes no Set");
}

#[tokio::test]
async fn a_gateway_may_tell_regions_by_its_path() {
    let stage = Stage::set().await;
    for signature in ["acs3", "hmac-sha1"] {
        let name = format!("gateway-{}", &signature[..4]);
        let operator = harness::Operator::builder(env!("CARGO_BIN_EXE_vod-operator"))
            .kubeconfig(stage.plane.kubeconfig_path())
            .vod_endpoint(format!("{}/{{region}}", stage.endpoint.url()))
            .sts_endpoint(stage.endpoint.url())
            .args(["--watch-namespace", stage.ns.as_str(), "--signature", signature])
            .start()
            .await
            .unwrap();
        stage.apply(&stage.http(&name).region("cn-beijing")).await;
        stage.ready(&name, "Applied").await;
        let world = stage.endpoint.world();
        assert!(
            world
                .setting(vod_endpoint::ACCOUNT, "cn-beijing", &app(&name))
                .is_some()
        );
        drop(world);
        drop(operator);
    }
}
