//! What the watches of the API server do about gaps, refusals and failures.

use std::time::Duration;

use futures::{StreamExt, stream};
use harness::{ApiProxy, Operator, Vmc, until};
use vod_endpoint::{KEY_ID, KEY_SECRET};

use crate::stage::Stage;

/// More than one page of a list.
const CROWD: usize = 620;
const RESOURCES: &str = "vodmessagecallbacks";
const LISTS: [&str; 2] = [RESOURCES, "limit=100"];

async fn resources(operator: &Operator, state: &str) -> f64 {
    let metrics = operator.metrics().await.unwrap();
    metrics.sum("vod_operator_resources", &[("state", state)])
}

/// A resource that costs no call.
fn filler(stage: &Stage, number: usize) -> Vmc {
    stage.http(&format!("filler-{number:03}")).suspend(true)
}

/// Two pages of resources; some on either are made, changed, deleted and made again while nothing is watched, and again
/// while the new list is under way.
#[tokio::test]
async fn what_happens_during_a_gap_and_a_list_of_pages_is_acted_on_at_once() {
    let stage = Stage::set().await;
    let fillers = stream::iter(0..CROWD).for_each_concurrent(8, async |number| {
        stage.apply(&filler(&stage, number)).await;
    });
    fillers.await;
    stage.access_key("own", KEY_ID, KEY_SECRET).await;
    // The first page begins with `a`, the second one ends with `z`.
    let names = |what: &str| ["a", "z"].map(|page| format!("{page}-{what}"));
    let actors = ["edit", "late-edit", "delete", "late-delete", "again"].map(names);
    let [edited, late_edited, deleted, late_deleted, again] = &actors;
    for name in actors.iter().flatten() {
        stage.apply(&stage.http(name).secret("own")).await;
    }
    let (proxy, operator) = stage.behind_a_proxy(&["--check-interval", "1h"]).await;
    for name in actors.iter().flatten() {
        stage.ready(name, "Applied").await;
    }
    let crowd = || async { format!("{:.0}", resources(&operator, "Suspended").await) == CROWD.to_string() };
    until("the whole crowd is known", crowd).await;

    // Nothing is watched, and the next watch has expired.
    proxy.hold(&[RESOURCES, "watch="]);
    proxy.end_watches();
    let act = async |edited: &[String; 2], deleted: &[String; 2], new: [String; 2]| {
        for (name, (edited, deleted)) in new.iter().zip(edited.iter().zip(deleted)) {
            let edit = stage.http(edited).secret("own").events(["SnapshotComplete"]);
            stage.apply(&edit).await;
            stage.ask_deletion(deleted).await;
            stage.apply(&stage.http(name)).await;
        }
    };
    act(edited, deleted, names("new")).await;
    // Nobody keeps a suspended one that was never applied.
    for number in [0, CROWD - 1] {
        let name = format!("filler-{number:03}");
        stage.ask_deletion(&name).await;
        stage.gone(&name).await;
    }
    // Under the same name, as another object: it costs no call until it is no longer suspended.
    for name in again {
        let finalizers = serde_json::json!({ "metadata": { "finalizers": null } });
        stage.patch(name, &finalizers).await;
        stage.ask_deletion(name).await;
        stage.gone(name).await;
        stage.apply(&stage.http(name).secret("own")).await;
    }
    let lists = proxy.asked(&LISTS).len();
    proxy.refuse(&[RESOURCES, "watch="], 410, 1);
    proxy.hold(&[RESOURCES, "continue="]);
    proxy.pass(&[RESOURCES, "watch="]);
    until("the second page is held", async || {
        proxy.asked(&[RESOURCES, "continue="]).len() > 1 && proxy.asked(&LISTS).len() == lists + 2
    })
    .await;
    // The list was taken before this.
    act(late_edited, late_deleted, names("late-new")).await;
    proxy.pass_all();

    for name in edited.iter().chain(late_edited) {
        stage.ready(name, "Applied").await;
        assert_eq!(stage.sets(name), 2, "{name}");
        assert_eq!(stage.live(name).unwrap()["EventTypeList"], "SnapshotComplete");
    }
    for name in deleted.iter().chain(late_deleted) {
        stage.gone(name).await;
        assert!(stage.live(name).is_none(), "{name}");
    }
    for name in names("new").iter().chain(&names("late-new")).chain(again) {
        stage.ready(name, "").await;
    }
    let left = (CROWD - 2).to_string();
    until("no ghost is left of what was deleted", async || {
        format!("{:.0}", resources(&operator, "Suspended").await) == left
    })
    .await;
    // Those made again still hear of their Secret.
    let gets: Vec<_> = again.iter().map(|name| stage.gets(name)).collect();
    stage
        .secret(
            "own",
            &[("accessKeyId", KEY_ID), ("accessKeySecret", KEY_SECRET), ("more", "x")],
        )
        .await;
    for (name, gets) in again.iter().zip(gets) {
        until(&format!("{name} hears of its Secret"), async || stage.gets(name) > gets).await;
    }
}

/// A list that always fails is asked for less and less often, by kube's client too, and the probe tells; an API server
/// that answers it again is enough.
#[tokio::test]
async fn a_list_that_gets_nowhere_backs_off_and_fails_the_probe() {
    let stage = Stage::set().await;
    let proxy = ApiProxy::of(stage.cluster.client()).await.unwrap();
    proxy.refuse(&LISTS, 503, usize::MAX);
    let kubeconfig = proxy.kubeconfig(stage.plane.folder()).unwrap();
    let operator = stage
        .builder(&["--watch-timeout", "6s"])
        .kubeconfig(kubeconfig)
        .spawn()
        .unwrap();
    stage.apply(&stage.http("nowhere")).await;
    until("the fifth attempt", async || proxy.asked(&LISTS).len() == 5).await;
    let asked = proxy.asked(&LISTS);
    let pauses: Vec<Duration> = asked.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(pauses.windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");
    until("the probe fails", async || !operator.healthz().await).await;
    let (status, why) = operator.get("/healthz").await.unwrap();
    assert!(status == 503 && why.contains("has made no progress"), "{status} {why}");
    assert!(!operator.readyz().await);
    proxy.pass_all();
    stage.ready("nowhere", "Applied").await;
    assert!(operator.healthz().await && operator.readyz().await);
}

/// Nothing of the Secrets of others is kept, and a Secret that a resource names later is known all the same.
#[tokio::test]
async fn a_secret_that_is_named_later_is_heard_of() {
    let stage = Stage::set().await;
    stage.access_key("later", KEY_ID, KEY_SECRET).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.applied("mover").await;
    stage.apply(&stage.http("mover").secret("later")).await;
    until("it moved", async || {
        stage.status("mover").await["observedSecrets"][0]["name"] == "later"
    })
    .await;
    stage.ready("mover", "").await;
    stage.delete_secret("later").await;
    stage.not_ready("mover", "SecretNotFound").await;
    stage.access_key("later", KEY_ID, KEY_SECRET).await;
    stage.ready("mover", "").await;
}

/// Before all watched namespaces are listed, the owner may be out of sight.
#[tokio::test]
async fn nobody_takes_over_while_a_namespace_is_not_listed() {
    let stage = Stage::set().await;
    let other = stage.cluster.namespace("vod").await.unwrap();
    stage.cluster.access_key(&other, KEY_ID, KEY_SECRET).await.unwrap();
    let older = Vmc::http(&other, "older", crate::stage::URL).app_id("app-shared");
    stage.cluster.apply_vmc(&older).await.unwrap();
    let operator = stage.operator(&["--watch-namespace", &other]).await;
    stage.cluster.wait_ready(&other, "older").await.unwrap();
    stage.applied("goes").await;
    drop(operator);
    stage.older_in(&other, "older").await;
    let younger = stage.http("younger").app_id("app-shared").events(["SnapshotComplete"]);
    stage.apply(&younger).await;
    stage.apply(&stage.http("alone").management_policy("Observe")).await;
    let proxy = ApiProxy::of(stage.cluster.client()).await.unwrap();
    proxy.hold(&[&format!("/{other}/{RESOURCES}"), "limit=100"]);
    let operator = stage
        .builder(&["--check-interval", "1h", "--watch-namespace", &other])
        .kubeconfig(proxy.kubeconfig(stage.plane.folder()).unwrap())
        .spawn()
        .unwrap();
    // One that owns nothing does not wait, and is looked at after the other.
    stage.ready("alone", "Observed").await;
    stage.not_ready("younger", "ServiceUnavailable").await;
    assert_eq!(stage.endpoint.world().count("SetMessageCallback", "app-shared"), 1);
    // What it is not known to own it does not remove, nor does it leave it behind.
    stage.ask_deletion("goes").await;
    stage.not_ready("goes", "ServiceUnavailable").await;
    assert!(!operator.readyz().await, "not all resources are listed");
    proxy.pass_all();
    stage.gone("goes").await;
    assert!(operator.readyz().await);
    assert_eq!((stage.deletes("goes"), stage.live("goes")), (1, None));
    stage.not_ready("younger", "Conflict").await;
    assert_eq!(stage.endpoint.world().count("SetMessageCallback", "app-shared"), 1);
    drop(operator);

    // A refused namespace keeps the owner that the loser's status names, also over its deletion.
    proxy.refuse(&[&format!("/{other}/{RESOURCES}"), "limit=100"], 403, usize::MAX);
    let _operator = stage
        .builder(&["--check-interval", "1s", "--watch-namespace", &other])
        .kubeconfig(proxy.kubeconfig(stage.plane.folder()).unwrap())
        .spawn()
        .unwrap();
    stage.check_now("younger", "after the restart").await;
    stage.not_ready("younger", "Conflict").await;
    stage.delete("younger").await;
    assert_eq!(stage.endpoint.world().count("DeleteMessageCallback", "app-shared"), 0);
    assert_eq!(stage.endpoint.world().count("SetMessageCallback", "app-shared"), 1);
}
