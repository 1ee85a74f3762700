//! Contract 3, "Apply": one Set for a change, read before and after, adoption.

use harness::Vmc;
use vod_endpoint::Fault;

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

#[tokio::test]
async fn an_equal_setting_is_adopted_and_counts_as_applied() {
    let stage = Stage::set().await;
    stage.tamper(
        "adopt",
        &[
            ("CallbackType", "HTTP"),
            ("CallbackURL", URL),
            ("EventTypeList", "FileUploadComplete"),
            ("AuthSwitch", "off"),
        ],
    );
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("adopt")).await;
    let status = &stage.ready("adopt", "InSync").await["status"];
    assert!(
        status.get("requestId").is_none() && status.get("lastAppliedTime").is_none(),
        "{status}"
    );
    assert_eq!(status["applied"]["http"]["url"], URL);
    assert_eq!((stage.sets("adopt"), stage.gets("adopt")), (0, 1));
    stage.delete("adopt").await;
    assert_eq!((stage.deletes("adopt"), stage.live("adopt")), (1, None));
}

#[tokio::test]
async fn what_is_replaced_is_named() {
    let stage = Stage::set().await;
    stage.tamper(
        "replace",
        &[
            ("CallbackType", "HTTP"),
            ("CallbackURL", "https://old.example.com/"),
            ("EventTypeList", "ALL"),
        ],
    );
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("replace").await;
    let note = stage.event("replace", "Replacing").await;
    assert!(
        note.contains("http.url is https://old.example.com/") && note.contains("eventTypes is ALL"),
        "{note}"
    );
    assert_eq!(stage.sets("replace"), 1);
}

#[tokio::test]
async fn a_queue_is_set_with_all_parameters_and_no_other() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    let endpoint = "http://1234567.mns.cn-shanghai.aliyuncs.com/";
    let types = ["TranscodeComplete", "FileUploadComplete"];
    let vmc = Vmc::mns(&stage.ns, "queue", endpoint, "vod-events").app_id(&app("queue"));
    stage.apply(&vmc.events(types)).await;
    stage.ready("queue", "Applied").await;
    let set = stage.calls("queue").remove(1);
    let own: Vec<_> = set.parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        own,
        [
            ("AppId", app("queue").as_str()),
            ("CallbackType", "MNS"),
            ("EventTypeList", "TranscodeComplete,FileUploadComplete"),
            ("MnsEndpoint", endpoint),
            ("MnsQueueName", "vod-events"),
        ]
    );
}

/// While the service refuses a new spec, what it holds is the old one, and the status must not say otherwise.
#[tokio::test]
async fn a_new_generation_is_never_ready_before_the_service_holds_it() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.apply(&stage.http("early")).await;
    stage.ready("early", "").await;
    let down = Fault::code(503, "ServiceUnavailable")
        .app(&app("early"))
        .action("SetMessageCallback");
    stage.fault(down.times(2));
    stage.apply(&stage.http("early").events(["SnapshotComplete"])).await;
    let mut unready = 0;
    harness::until("it is Ready at its generation", async || {
        let vmc = stage.vmc("early").await;
        let ready = harness::condition(&vmc, "Ready").unwrap();
        let present = ready["observedGeneration"] == vmc["metadata"]["generation"];
        if present && ready["status"] == "True" {
            assert_eq!(
                stage.live("early").unwrap()["EventTypeList"],
                "SnapshotComplete",
                "{vmc:#}"
            );
            return true;
        }
        unready += usize::from(present && ready["reason"] == "ServiceUnavailable");
        false
    })
    .await;
    assert!(unready > 0, "the failure was said of the new generation");
}

#[tokio::test]
async fn a_read_back_that_failed_is_made_up_for_soon() {
    let stage = Stage::set().await;
    stage.endpoint.world().behaviour.add_slash = true;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("back").await;
    let down = Fault::code(503, "ServiceUnavailable")
        .app(&app("back"))
        .action("GetMessageCallback");
    stage.fault(down.times(1));
    stage.apply(&stage.http("back").events(["SnapshotComplete"])).await;
    harness::until("the read-back is in the status", async || {
        stage.status("back").await["reported"]
            .to_string()
            .contains("SnapshotComplete")
    })
    .await;
    stage.ready("back", "Applied").await;
    assert_eq!(stage.sets("back"), 2);
}

#[tokio::test]
async fn a_suspended_resource_calls_nothing_until_it_goes_on() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.apply(&stage.http("pause").suspend(true)).await;
    stage.suspended("pause").await;
    // Another one shows that checks have come and gone meanwhile.
    stage.apply(&stage.http("busy")).await;
    harness::until("four reads of the other", async || stage.gets("busy") >= 4).await;
    assert!(stage.calls("pause").is_empty());
    stage.applied("pause").await;
    assert_eq!(stage.sets("pause"), 1);
}

/// Each is named once for a generation, also over a restart.
#[tokio::test]
async fn what_is_accepted_but_doubtful_is_named_once() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "1s"]).await;
    let vmc = || Vmc::http(&stage.ns, "doubt", "http://10.0.0.7/vod").app_id(&app("doubt"));
    stage.apply(&vmc().events(["BrandNewEvent"])).await;
    stage.ready("doubt", "").await;
    let reasons = ["UnlistedEventType", "UnreachableUrl"];
    for reason in reasons {
        stage.event("doubt", reason).await;
    }
    let gets = stage.gets("doubt");
    harness::until("two more checks", async || stage.gets("doubt") >= gets + 2).await;
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    let gets = stage.gets("doubt");
    harness::until("two checks after the restart", async || stage.gets("doubt") >= gets + 2).await;
    let told = stage.events("doubt").await;
    for reason in reasons {
        let count = told.iter().filter(|e| e.reason.as_deref() == Some(reason)).count();
        assert_eq!(count, 1, "{reason}");
    }
    assert_eq!(
        stage.live("doubt").unwrap()["EventTypeList"],
        "BrandNewEvent",
        "sent as it is"
    );
}

/// However fast the spec and the key change: at most one Set for each, and the last one is what the service holds.
#[tokio::test]
async fn a_flurry_of_changes_ends_with_the_last() {
    let stage = Stage::set().await;
    stage.secret("sign", &[("authKey", "Flurry0000")]).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    let vmc = |types: &[&'static str]| stage.http("flurry").events(types.to_vec()).auth("sign", "authKey");
    stage.apply(&vmc(&[])).await;
    stage.ready("flurry", "Applied").await;
    let all = [
        "FileUploadComplete",
        "TranscodeComplete",
        "SnapshotComplete",
        "AIComplete",
    ];
    for n in 1..=8 {
        let types: Vec<&'static str> = (0..4).filter(|bit| n & (1 << bit) != 0).map(|bit| all[bit]).collect();
        stage.apply(&vmc(&types)).await;
        stage.secret("sign", &[("authKey", &format!("Flurry000{n}"))]).await;
    }
    harness::until("the last of both", async || {
        let live = stage.live("flurry").unwrap();
        live["EventTypeList"] == "AIComplete" && live["AuthKey"] == "Flurry0008"
    })
    .await;
    stage.check_now("flurry", "after").await;
    stage.ready("flurry", "").await;
    let sets = stage.sets("flurry");
    assert!(sets <= 17, "{sets} Sets for one creation, eight specs and eight keys");
    let live = stage.live("flurry").unwrap();
    assert_eq!(
        (live["EventTypeList"].as_str(), live["AuthKey"].as_str()),
        ("AIComplete", "Flurry0008")
    );
}

/// A resource that is deleted and made again under its name is another one, with words of its own.
#[tokio::test]
async fn one_of_the_same_name_begins_anew() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for round in 1..=3 {
        stage.apply(&stage.http("again").events(["SnapshotComplete"])).await;
        let vmc = stage.ready("again", "Applied").await;
        assert_eq!(vmc["metadata"]["generation"], 1);
        assert_eq!((stage.sets("again"), stage.deletes("again")), (round, round - 1));
        stage.delete("again").await;
        assert_eq!(stage.live("again"), None);
    }
}

/// What the service keeps of the former kind does not count.
#[tokio::test]
async fn a_switch_between_kinds_leaves_no_difference() {
    let stage = Stage::set().await;
    stage.endpoint.world().behaviour.keep_stale = true;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    let queue =
        || Vmc::mns(&stage.ns, "switch", "http://1234567.mns.cn-shanghai.aliyuncs.com/", "q").app_id(&app("switch"));
    stage.apply(&queue()).await;
    stage.ready("switch", "Applied").await;
    stage.apply(&stage.http("switch").without("mns")).await;
    stage.ready("switch", "Applied").await;
    stage.apply(&queue()).await;
    stage.ready("switch", "Applied").await;
    stage.check_now("switch", "look").await;
    let status = stage.status("switch").await;
    assert!(
        status
            .get("differences")
            .is_none_or(|d| d.as_array().unwrap().is_empty()),
        "{status}"
    );
    assert_eq!(stage.sets("switch"), 3);
    stage.delete("switch").await;
    assert_eq!(stage.deletes("switch"), 1);
}
