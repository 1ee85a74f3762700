//! Contract 3, "Restart": nothing is done again, and what changed meanwhile is found.

use std::time::Duration;

use harness::until;

use crate::stage::Stage;

#[tokio::test]
async fn a_restart_with_nothing_changed_calls_nothing_and_writes_nothing() {
    let stage = Stage::set().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    for n in 0..10 {
        stage.apply(&stage.http(&format!("calm{n}"))).await;
    }
    stage.apply(&stage.http("stuck").secret("missing")).await;
    for n in 0..10 {
        stage.ready(&format!("calm{n}"), "Applied").await;
    }
    stage.not_ready("stuck", "SecretNotFound").await;
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    let calls = stage.endpoint.world().calls().len();
    let versions = async || {
        let list = stage
            .cluster
            .vmcs(&stage.ns)
            .list(&kube::api::ListParams::default())
            .await
            .unwrap();
        list.into_iter()
            .map(|v| v.metadata.resource_version.unwrap())
            .collect::<Vec<_>>()
    };
    let before = versions().await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    // Something new shows that it works, and has come after all that was there.
    stage.applied("fresh").await;
    let new: Vec<_> = stage.endpoint.world().calls()[calls..]
        .iter()
        .map(|c| (c.action.clone(), c.app().to_owned()))
        .collect();
    assert!(
        new.iter()
            .all(|(action, app)| app == "app-fresh" || action == "GetCallerIdentity"),
        "{new:?}"
    );
    let after: Vec<_> = versions().await;
    assert!(before.iter().all(|v| after.contains(v)), "a resource was written");
    drop(operator);
}

#[tokio::test]
async fn what_changed_meanwhile_is_found() {
    let stage = Stage::set().await;
    stage.secret("sign", &[("authKey", "First1234")]).await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.apply(&stage.http("key").auth("sign", "authKey")).await;
    stage.apply(&stage.http("spec")).await;
    stage.ready("key", "Applied").await;
    stage.ready("spec", "Applied").await;
    operator.kill().await.unwrap();
    stage.secret("sign", &[("authKey", "Second1234")]).await;
    stage.apply(&stage.http("spec").events(["SnapshotComplete"])).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    until("the key", async || {
        stage.live("key").unwrap()["AuthKey"] == "Second1234"
    })
    .await;
    until("the spec", async || {
        stage.live("spec").unwrap()["EventTypeList"] == "SnapshotComplete"
    })
    .await;
    assert_eq!((stage.sets("key"), stage.sets("spec")), (2, 2));
}

#[tokio::test]
async fn killed_at_any_moment_it_resumes_with_one_set() {
    let stage = Stage::set().await;
    for round in 0..8u64 {
        let name = format!("kill{round}");
        let operator = stage.operator(&["--check-interval", "1h"]).await;
        stage.apply(&stage.http(&name)).await;
        // A different moment each round, from before the first call to after the last.
        tokio::time::sleep(Duration::from_millis(900 + round * 25)).await;
        operator.kill().await.unwrap();
        drop(operator);
        let operator = stage.operator(&["--check-interval", "1h"]).await;
        stage.ready(&name, "").await;
        assert_eq!(stage.sets(&name), 1, "round {round}");
        assert!(operator.sigterm_and_wait().await.unwrap().success());
    }
}
