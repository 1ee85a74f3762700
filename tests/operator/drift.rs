//! Contract 3, "Drift": checks, the three policies, the baseline, contests, and the request for a check.

use harness::{Operator, until};
use serde_json::json;
use vod_endpoint::Fault;

use crate::stage::{Stage, URL, app};

#[tokio::test]
async fn enforce_corrects_and_says_so() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "2s"]).await;
    stage.applied("enforce").await;
    stage.tamper("enforce", &[("CallbackURL", "https://attacker.example.com/")]);
    until("the URL is corrected", async || {
        stage.live("enforce").unwrap()["CallbackURL"] == URL
    })
    .await;
    let note = stage.event("enforce", "DriftDetected").await;
    assert!(
        note.contains("http.url is https://attacker.example.com/"),
        "the event names the fields with what was found: {note}"
    );
    stage.event("enforce", "DriftCorrected").await;
    // DriftCorrected stays until the next check, and what had been changed longer than that.
    stage.ready("enforce", "InSync").await;
    assert_eq!(stage.sets("enforce"), 2);
    let last = &stage.status("enforce").await["lastDrift"];
    assert_eq!(last["outcome"], "corrected");
    let expected = json!([{ "field": "http.url", "desired": URL, "observed": "https://attacker.example.com/" }]);
    assert_eq!(last["differences"], expected);
    let logged = operator.wait_for_log("the setting was found changed").await.unwrap();
    assert!(logged.contains("https://attacker.example.com/"), "{logged}");
}

#[tokio::test]
async fn a_setting_that_is_removed_is_put_back() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "2s"]).await;
    stage.applied("gone").await;
    stage.remove("gone");
    until("it is back", async || stage.live("gone").is_some()).await;
}

#[tokio::test]
async fn apply_only_reports_and_leaves() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "2s"]).await;
    stage.apply(&stage.http("report").management_policy("ApplyOnly")).await;
    stage.ready("report", "Applied").await;
    stage.tamper("report", &[("EventTypeList", "SnapshotComplete")]);
    stage.ready("report", "Drifted").await;
    let status = stage.status("report").await;
    let found = &status["differences"][0];
    assert_eq!(
        (&found["field"], &found["observed"]),
        (&json!("eventTypes"), &json!("SnapshotComplete"))
    );
    stage.condition("report", ("InSync", "False", "Drifted")).await;
    assert_eq!(stage.sets("report"), 1);
    assert_eq!(stage.live("report").unwrap()["EventTypeList"], "SnapshotComplete");
    let last = &status["lastDrift"];
    assert_eq!(
        (&last["outcome"], &last["differences"]),
        (&json!("reported"), &status["differences"])
    );
    stage.check_now("report", "again").await;
    assert_eq!(
        stage.status("report").await["lastDrift"],
        *last,
        "the same drift is told once"
    );
}

#[tokio::test]
async fn observe_never_changes_anything() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "2s"]).await;
    stage.tamper(
        "watch",
        &[
            ("CallbackType", "HTTP"),
            ("CallbackURL", "https://theirs.example.com/"),
            ("EventTypeList", "ALL"),
        ],
    );
    stage.apply(&stage.http("watch").management_policy("Observe")).await;
    stage.ready("watch", "Observed").await;
    let status = stage.status("watch").await;
    // The service's words, and no others.
    let words = json!({ "CallbackType": "HTTP", "CallbackURL": "https://theirs.example.com/", "EventTypeList": "ALL" });
    assert_eq!(status["reported"], words);
    assert_eq!(status["reportedAs"], json!({ "observedOnly": true }));
    assert_eq!(status["lastDrift"]["outcome"], "reported");
    let told = stage.event("watch", "DriftDetected").await;
    assert!(told.contains("http.url is https://theirs.example.com/"));
    let reported = operator.metrics().await.unwrap();
    assert!((reported.sum("vod_operator_drift_total", &[("outcome", "reported")]) - 1.0).abs() < 0.1);
    assert!((reported.sum("vod_operator_observed_drift", &[]) - 1.0).abs() < 0.1);
    assert!(
        status["differences"]
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d["field"] == "http.url")
    );
    stage
        .apply(
            &stage
                .http("watch")
                .management_policy("Observe")
                .field("http", json!({ "url": "https://theirs.example.com/" }))
                .events(["ALL"]),
        )
        .await;
    until("it declares what is there", async || {
        stage.status("watch").await["differences"] == json!(null)
    })
    .await;
    assert!(
        operator
            .metrics()
            .await
            .unwrap()
            .sum("vod_operator_observed_drift", &[])
            < 0.1
    );
    stage.delete("watch").await;
    let changed: Vec<_> = stage
        .calls("watch")
        .into_iter()
        .filter(|c| c.action != "GetMessageCallback")
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
    assert_eq!(
        stage.live("watch").unwrap()["CallbackURL"],
        "https://theirs.example.com/"
    );
}

#[tokio::test]
async fn a_service_that_rewrites_values_is_not_fought() {
    let stage = Stage::set().await;
    {
        let mut world = stage.endpoint.world();
        world.behaviour.add_slash = true;
        world.behaviour.expand_all = true;
        world.behaviour.key = vod_endpoint::ShowKey::Masked;
    }
    stage.secret("sign", &[("authKey", "Rewritten1")]).await;
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    stage
        .apply(&stage.http("words").events(["ALL"]).auth("sign", "authKey"))
        .await;
    stage.ready("words", "Applied").await;
    let before = stage.vmc("words").await["metadata"]["resourceVersion"].clone();
    let gets = stage.gets("words");
    until("four more checks", async || stage.gets("words") >= gets + 4).await;
    assert_eq!(stage.sets("words"), 1);
    let after = stage.vmc("words").await["metadata"]["resourceVersion"].clone();
    assert_eq!(before, after, "a resource at rest is written by nobody");
    stage.event("words", "ReadBackDiffers").await;
    assert!(!stage.status("words").await.to_string().contains("Rewritten1"));
}

/// One that makes another address of every address is not fought for ever either, and never becomes the baseline.
#[tokio::test]
async fn a_service_that_holds_nothing_of_what_is_set_ends_contested() {
    let stage = Stage::set().await;
    stage.endpoint.world().behaviour.path = Some("/elsewhere".to_owned());
    // Shorter than it takes to try once in vain.
    let operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.apply(&stage.http("vain")).await;
    let status = stage.not_ready("vain", "Contested").await;
    assert!(
        status.to_string().contains("as the service reports it"),
        "it says what can be done: {status}"
    );
    assert_eq!(stage.sets("vain"), 6, "the first one and five corrections");
    let metrics = operator.metrics().await.unwrap();
    let corrected = metrics.sum("vod_operator_drift_total", &[("outcome", "corrected")]);
    assert!(corrected < 0.5, "none of them was held: {corrected}");
    assert_eq!(stage.status("vain").await["lastDrift"]["outcome"], "contested");
    let told = stage.events("vain").await;
    let drift = told.iter().filter(|e| e.reason.as_deref() == Some("DriftDetected"));
    assert_eq!(drift.count(), 1, "the same trouble is told once");
    stage.endpoint.world().behaviour.path = None;
    stage.ready("vain", "").await;
}

/// Whoever is not allowed to correct it still says what was found.
#[tokio::test]
async fn drift_that_must_not_be_corrected_leaves_evidence() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.applied("bound").await;
    stage.deny("SetMessageCallback");
    stage.tamper("bound", &[("CallbackURL", "https://attacker.example.com/")]);
    stage.not_ready("bound", "PermissionDenied").await;
    let told = stage.event("bound", "DriftDetected").await;
    assert!(told.contains("https://attacker.example.com/"));
    let last = stage.status("bound").await["lastDrift"].clone();
    assert_eq!(
        last["differences"][0]["observed"], "https://attacker.example.com/",
        "{last}"
    );
}

/// Nor is it lost with the answer to a correction.
#[tokio::test]
async fn drift_whose_correction_has_no_answer_leaves_evidence() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.applied("mute").await;
    let lost = Fault::always(vod_endpoint::How::Reset).action("SetMessageCallback");
    stage.fault(lost.after().times(1));
    stage.tamper("mute", &[("CallbackURL", "https://attacker.example.com/")]);
    until("it is put right", async || {
        stage.live("mute").unwrap()["CallbackURL"] == URL
    })
    .await;
    let told = stage.event("mute", "DriftDetected").await;
    assert!(told.contains("https://attacker.example.com/"));
    let last = stage.status("mute").await["lastDrift"].clone();
    assert_eq!(
        last["differences"][0]["observed"], "https://attacker.example.com/",
        "{last}"
    );
}

/// A contest in which nothing can be looked at any more says so.
#[tokio::test]
async fn checks_of_a_contested_setting_that_fail_are_told() {
    let stage = Stage::set().await;
    stage.endpoint.world().behaviour.path = Some("/elsewhere".to_owned());
    let operator = stage.operator(&["--check-interval", "2s"]).await;
    stage.apply(&stage.http("dark")).await;
    stage.not_ready("dark", "Contested").await;
    let down = Fault::code(503, "ServiceUnavailable").action("GetMessageCallback");
    stage.fault(down);
    until("InSync is unknown", async || {
        let vmc = stage.vmc("dark").await;
        let in_sync = harness::condition(&vmc, "InSync").cloned().unwrap_or_default();
        in_sync["status"] == "Unknown" && in_sync["reason"] == "ServiceUnavailable"
    })
    .await;
    stage.not_ready("dark", "Contested").await;
    let failing = operator
        .metrics()
        .await
        .unwrap()
        .sum("vod_operator_checks_failing", &[]);
    assert!(failing > 0.5);
    // Nobody checks what is suspended.
    stage.apply(&stage.http("dark").suspend(true)).await;
    stage.suspended("dark").await;
    let failing = operator
        .metrics()
        .await
        .unwrap()
        .sum("vod_operator_checks_failing", &[]);
    assert!(failing < 0.5);
}

#[tokio::test]
async fn two_clusters_that_fight_end_contested() {
    // Two control planes, and both operators call the first one's endpoint.
    let (one, two) = (Stage::set().await, Stage::set_apart().await);
    let args = ["--check-interval", "1s"];
    let _first = one.operator(&args).await;
    let _second = Operator::builder(env!("CARGO_BIN_EXE_vod-operator"))
        .name("other cluster")
        .kubeconfig(two.plane.kubeconfig_path())
        .vod_endpoint(one.endpoint.url())
        .sts_endpoint(one.endpoint.url())
        .args(["--watch-namespace", &two.ns])
        .args(args)
        .start()
        .await
        .unwrap();
    let mut fight = String::new();
    for round in 0..5 {
        fight = format!("fight{round}");
        one.apply(&one.http(&fight).events(["TranscodeComplete"])).await;
        one.ready(&fight, "Applied").await;
        two.apply(&two.http(&fight).events(["SnapshotComplete"])).await;
        if end_of_fight(&one, &two, &fight).await == End::Contested {
            break;
        }
        // By chance one wrote between the other's Set and its read-back, which the other takes for the service's own
        // words. Another fight, at other moments.
        for stage in [&one, &two] {
            let policy = json!({ "spec": { "managementPolicy": "Observe" } });
            stage.patch(&fight, &policy).await;
        }
    }
    assert_eq!(end_of_fight(&one, &two, &fight).await, End::Contested);
    let at_contest = one.sets(&fight);
    // Each cluster: one Set for its spec and five corrections within ten intervals.
    assert!(at_contest <= 12, "{at_contest} Sets");
    // Ten intervals later each may have tried once more, with one answer to it.
    let gets = one.gets(&fight);
    until("twenty more checks", async || one.gets(&fight) >= gets + 20).await;
    let later = one.sets(&fight);
    assert!(
        later <= at_contest + 8,
        "corrections keep growing: {at_contest} then {later}"
    );
}

#[derive(Debug, PartialEq)]
enum End {
    Contested,
    ReadTheOthersWords,
}

async fn end_of_fight(one: &Stage, two: &Stage, fight: &str) -> End {
    until("one of them gives up", async || {
        for (stage, other) in [(one, "SnapshotComplete"), (two, "TranscodeComplete")] {
            let vmc = stage.vmc(fight).await;
            if harness::ready_reason(&vmc) == "Contested" {
                return Some(End::Contested);
            }
            if vmc["status"]["reported"].to_string().contains(other) {
                return Some(End::ReadTheOthersWords);
            }
        }
        None
    })
    .await
}

#[tokio::test]
async fn a_contest_ends_by_itself_when_the_other_gives_up() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.apply(&stage.http("truce")).await;
    stage.ready("truce", "").await;
    let reason = async || harness::ready_reason(&stage.vmc("truce").await).to_owned();
    until("it is contested", async || {
        // Not between a Set and its read-back, which would take it for the service's own words.
        let read_back = stage
            .calls("truce")
            .last()
            .is_some_and(|c| c.action == "GetMessageCallback");
        if read_back && stage.live("truce").unwrap()["EventTypeList"] == "FileUploadComplete" {
            stage.tamper("truce", &[("EventTypeList", "SnapshotComplete")]);
        }
        reason().await == "Contested"
    })
    .await;
    assert_eq!(stage.sets("truce"), 6, "the spec's own, and five corrections");
    let stalled = ("Stalled", "True", "Contested");
    stage.condition("truce", stalled).await;
    assert!(
        stage.status("truce").await["differences"]
            .to_string()
            .contains("eventTypes")
    );
    // A check that fails in passing is no end of it.
    let version = async || stage.vmc("truce").await["metadata"]["resourceVersion"].clone();
    let (before, checks) = (version().await, stage.gets("truce"));
    let fault = Fault::code(503, "ServiceUnavailable").action("GetMessageCallback");
    stage.fault(fault.app(&app("truce")).times(1));
    until("two more checks", async || stage.gets("truce") > checks + 1).await;
    assert_eq!(version().await, before);
    let contested = operator.metrics().await.unwrap();
    assert!((contested.sum("vod_operator_drift_total", &[("outcome", "contested")]) - 1.0).abs() < 0.1);
    // The next attempt, ten intervals later, lasts.
    stage.ready("truce", "InSync").await;
    assert_eq!(stage.sets("truce"), 7);
}

#[tokio::test]
async fn a_key_that_drifted_is_shown_redacted() {
    let stage = Stage::set().await;
    stage.secret("sign", &[("authKey", "Sesame1234")]).await;
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    stage
        .apply(
            &stage
                .http("redact")
                .auth("sign", "authKey")
                .management_policy("ApplyOnly"),
        )
        .await;
    stage.ready("redact", "").await;
    stage.tamper("redact", &[("AuthKey", "Somebody5")]);
    stage.ready("redact", "Drifted").await;
    let redacted = json!([{ "field": "http.auth.keySecretRef", "desired": "(redacted)", "observed": "(redacted)" }]);
    assert_eq!(stage.status("redact").await["differences"], redacted);
}

#[tokio::test]
async fn a_resources_own_interval_goes_before_the_flag() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1s"]).await;
    stage.apply(&stage.http("often")).await;
    stage.apply(&stage.http("seldom").check_interval("87600h")).await;
    stage.ready("seldom", "Applied").await;
    until("five reads of the other", async || stage.gets("often") >= 7).await;
    assert_eq!(stage.gets("seldom"), 2, "before and after the Set");
}

#[tokio::test]
async fn a_requested_check_is_echoed_whether_it_worked_or_not() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("echo").await;
    let down = vod_endpoint::Fault::code(503, "ServiceUnavailable").app(&crate::stage::app("echo"));
    stage.fault(down);
    stage.check_now("echo", "failed").await;
    let vmc = stage.vmc("echo").await;
    assert_eq!(
        harness::ready_reason(&vmc),
        "Applied",
        "a check that fails in passing changes no condition"
    );
    assert!(
        vmc["status"].get("lastError").is_none(),
        "not before it has failed for an interval"
    );
}

/// The words for a check that goes on failing come when it has failed for longer than an interval.
#[tokio::test]
async fn checks_that_fail_for_long_are_told_and_leave_it_ready() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "2s"]).await;
    stage.apply(&stage.http("long")).await;
    stage.ready("long", "").await;
    let down = vod_endpoint::Fault::code(503, "ServiceUnavailable").app(&crate::stage::app("long"));
    stage.fault(down);
    until("the error is told", async || {
        stage.status("long").await["lastError"]["code"] == "ServiceUnavailable"
    })
    .await;
    stage.ready("long", "").await;
    let unknown = ("InSync", "Unknown", "ServiceUnavailable");
    stage.condition("long", unknown).await;
    let failing = stage.vmc("long").await;
    let in_sync = harness::condition(&failing, "InSync").unwrap();
    assert!(
        in_sync["message"]
            .as_str()
            .unwrap()
            .contains("checks have failed since 20"),
        "{in_sync}"
    );
    let version = failing["metadata"]["resourceVersion"].clone();
    let tried = || {
        let calls = stage.calls("long");
        calls.iter().filter(|c| c.code == "ServiceUnavailable").count()
    };
    let before = tried();
    until("two more checks", async || tried() >= before + 2).await;
    let after = stage.vmc("long").await;
    assert_eq!(
        after["metadata"]["resourceVersion"], version,
        "the same trouble is written once"
    );
    stage.endpoint.world().faults.clear();
    until("the error is gone", async || {
        stage.status("long").await.get("lastError").is_none()
    })
    .await;
    let held = ("InSync", "True", "");
    stage.condition("long", held).await;
    assert_eq!(stage.sets("long"), 1);
}

/// An answer of before a Set is read again, and only one that stays another is told of.
#[tokio::test]
async fn a_read_back_of_another_place_is_read_again_before_it_is_believed() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    let moved = |name: &str| {
        stage
            .http(name)
            .field("http", json!({ "url": "https://new.example.com/vod" }))
    };
    for (name, late) in [("once", 1), ("longer", 2)] {
        stage.applied(name).await;
        stage.endpoint.world().behaviour.late_reads = late;
        stage.apply(&moved(name)).await;
        until("the change holds", async || {
            let vmc = stage.vmc(name).await;
            let is_new = vmc["status"]["observedGeneration"] == 2;
            is_new && ["Applied", "InSync"].contains(&harness::ready_reason(&vmc))
        })
        .await;
        let status = stage.status(name).await;
        assert_eq!(
            status["reported"]["CallbackURL"], "https://new.example.com/vod",
            "{status}"
        );
        assert_eq!(stage.sets(name), 2, "{status}");
        stage.endpoint.world().behaviour.late_reads = 0;
    }
    let told = stage.event("longer", "ReadBackDiffers").await;
    assert!(told.contains(&format!("http.url is {URL}")));
    let of_once = stage.events("once").await;
    assert!(
        of_once.iter().all(|e| e.reason.as_deref() != Some("ReadBackDiffers")),
        "{of_once:?}"
    );
}

/// Such a baseline was taken by versions before 0.2, and would forgive it for ever.
#[tokio::test]
async fn a_baseline_of_somebody_elses_setting_forgives_nothing() {
    let stage = Stage::set().await;
    let args = ["--check-interval", "1h"];
    let operator = stage.operator(&args).await;
    stage.applied("old").await;
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    let theirs = "https://theirs.example.com/";
    let old = json!({ "status": { "reported": { "CallbackURL": theirs } } });
    let (patch, params) = (kube::api::Patch::Merge(&old), kube::api::PatchParams::default());
    stage
        .cluster
        .vmcs(&stage.ns)
        .patch_status("old", &params, &patch)
        .await
        .unwrap();
    stage.tamper("old", &[("CallbackURL", theirs)]);
    let _operator = stage.operator(&args).await;
    stage.check_now("old", "look").await;
    stage.ready("old", "DriftCorrected").await;
    assert_eq!(stage.live("old").unwrap()["CallbackURL"], URL);
}

#[tokio::test]
async fn the_annotation_asks_for_a_check_now() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("ask").await;
    let gets = stage.gets("ask");
    stage.check_now("ask", "first").await;
    assert_eq!(stage.gets("ask"), gets + 1, "{}", stage.status("ask").await);
    stage.tamper("ask", &[("EventTypeList", "")]);
    stage.check_now("ask", "second").await;
    assert_eq!(stage.sets("ask"), 2);
    stage.ready("ask", "DriftCorrected").await;
}

#[tokio::test]
async fn resources_of_one_setting_share_one_read() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "3s"]).await;
    stage.apply(&stage.http("shared")).await;
    stage.ready("shared", "").await;
    for n in 0..9 {
        let observer = stage.http(&format!("watcher{n}")).app_id(&crate::stage::app("shared"));
        stage.apply(&observer.management_policy("Observe")).await;
    }
    for n in 0..9 {
        stage.ready(&format!("watcher{n}"), "Observed").await;
    }
    // Each has read it for itself once; from now on one read serves all ten.
    let before = stage.gets("shared");
    until("six more reads", async || stage.gets("shared") >= before + 6).await;
    let calls = stage.calls("shared");
    let times: Vec<u64> = calls.iter().map(|c| c.at_ms).skip(before + 1).collect();
    let gaps: Vec<u64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    let close = gaps.iter().filter(|gap| **gap < 1500).count();
    assert!(
        close <= 1,
        "ten resources make a read for each interval, not ten: {gaps:?}"
    );
}

#[tokio::test]
async fn a_status_that_somebody_else_wrote_is_put_right() {
    let stage = Stage::set().await;
    let _operator = stage.operator(&["--check-interval", "2s"]).await;
    stage.applied("words").await;
    let written = stage.status("words").await;
    let theirs = json!({ "status": { "endpoint": "https://elsewhere.example.com" } });
    let patch = kube::api::Patch::Merge(&theirs);
    let params = kube::api::PatchParams::default();
    stage
        .cluster
        .vmcs(&stage.ns)
        .patch_status("words", &params, &patch)
        .await
        .unwrap();
    // A scheduled check has nothing else to write.
    until("the status is put right", async || {
        stage.status("words").await["endpoint"] == written["endpoint"]
    })
    .await;
}
