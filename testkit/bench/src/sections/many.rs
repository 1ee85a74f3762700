use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use harness::Operator;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use crate::figure::{Figure, Target};
use crate::ready_watch::ReadyWatch;
use crate::sizes::Sizes;
use crate::stage::{Account, QPS, Stage, generation, milliseconds, start, stop};
use crate::subject::Subject;
use crate::{Result, process};

const BOUND: Duration = Duration::from_secs(1800);
const SETTLE: Duration = Duration::from_secs(15);

/// Ten thousand resources of five hundred accounts, from the first pass to a hundred thousand Secrets of others.
pub async fn measure(subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
    let stage = Stage::new(subject).await?;
    let resources = sizes.of(10_000, 100);
    let mut accounts = stage.accounts(resources.div_ceil(20) + 1).await?;
    let user = accounts.remove(0);
    let watch = stage.ready_watch().await?;
    let row = |what: &str, unit, value| Figure::new(format!("{resources} resources: {what}"), unit, value);
    let mut figures = Vec::new();

    // One resource is there and well; then so many more wait for an operator.
    let (operator, _) = start(stage.operator(QPS)).await?;
    let created = stage.create(&user.resource(0)).await?;
    watch.wait(&user.namespace, "callback-0", generation(&created)).await?;
    stop(operator).await?;
    let all = (1..=resources).filter_map(|n| Some(accounts.get(n % accounts.len())?.resource(n)));
    stage.create_all(all).await?;
    let from = stage.calls_so_far();
    let begun = Instant::now();
    let (operator, _) = start(stage.operator(QPS)).await?;
    let (to_set, to_ready) = change_beside(&stage, &watch, &user, from).await?;
    figures.push(row("one user's change while all others wait → Set", "ms", to_set).target(Target::OfPeer(0.95)));
    figures.push(row("the same → Ready", "ms", to_ready).target(Target::OfPeer(0.95)));
    watch.wait_count(resources + 1, BOUND).await?;
    figures.push(row("all Ready after", "s", begun.elapsed().as_secs_f64()).target(Target::OfPeer(0.95)));
    tokio::time::sleep(SETTLE).await;
    figures.push(row(
        "the operator's CPU until then",
        "s",
        process::cpu_seconds(operator.pid())?,
    ));
    figures.extend(memory(&operator, &format!("{resources} resources, just converged"))?);
    stop(operator).await?;

    let (operator, took) = start(stage.operator(QPS)).await?;
    figures.push(row("restart → ready", "ms", milliseconds(took)).target(Target::OfPeer(0.95)));
    tokio::time::sleep(SETTLE).await;
    figures.push(row("CPU of a restart", "s", process::cpu_seconds(operator.pid())?));
    figures.extend(memory(&operator, &format!("{resources} resources, restarted"))?);

    let used = forced_relist(&stage, &operator).await?;
    figures.push(row("CPU of a forced re-list", "s", used));
    figures.extend(memory(&operator, &format!("{resources} resources, listed anew"))?);

    let unrelated = sizes.of(100_000, 1000);
    let before = process::resident(operator.pid())?;
    process::reset_peak(operator.pid())?;
    let cpu = process::cpu_seconds(operator.pid())?;
    secrets_of_others(&stage, unrelated).await?;
    tokio::time::sleep(SETTLE).await;
    let more = (process::resident(operator.pid())? - before).max(0.0);
    let besides = |what: &str| format!("{unrelated} unrelated Secrets made: {what}");
    figures.push(Figure::new(besides("memory grows by"), "MiB", more).floor(0.0));
    let used = process::cpu_seconds(operator.pid())? - cpu;
    figures.push(Figure::new(besides("the operator's CPU"), "s", used));
    stop(operator).await?;
    let (operator, _) = start(stage.operator(QPS)).await?;
    tokio::time::sleep(SETTLE).await;
    figures.extend(memory(
        &operator,
        &format!("{resources} resources and {unrelated} unrelated Secrets, restarted"),
    )?);
    stop(operator).await?;
    Ok(figures)
}

fn memory(operator: &Operator, when: &str) -> Result<Vec<Figure>> {
    let bound = if when.contains("anew") { 90.0 } else { 60.0 };
    Ok(vec![
        Figure::new(
            format!("{when}: memory (RSS)"),
            "MiB",
            process::resident(operator.pid())?,
        )
        .target(Target::AtMost(60.0)),
        Figure::new(format!("{when}: at its peak"), "MiB", process::peak(operator.pid())?)
            .target(Target::AtMost(bound)),
    ])
}

/// A user changes a resource once the crowd is under way.
async fn change_beside(stage: &Stage, watch: &ReadyWatch, user: &Account, from: usize) -> Result<(f64, f64)> {
    stage
        .wait_call(from, |call| call.action == "SetMessageCallback")
        .await?;
    let (from, begun) = (stage.calls_so_far(), Instant::now());
    let begun_ms = stage.endpoint.world().elapsed_ms();
    let changed = stage
        .cluster
        .apply_vmc(&user.resource(0).events(["TranscodeComplete"]))
        .await?;
    let own = |call: &vod_endpoint::Call| call.action == "SetMessageCallback" && call.account == user.id;
    let set = stage.wait_call(from, own).await?;
    let ready = watch.wait(&user.namespace, "callback-0", generation(&changed)).await?;
    Ok((set.at_ms.saturating_sub(begun_ms) as f64, milliseconds(ready - begun)))
}

/// The API server comes back with a newer history than the operator's watches ask for: they must list again.
async fn forced_relist(stage: &Stage, operator: &Operator) -> Result<f64> {
    let namespace = stage.cluster.namespace("elsewhere").await?;
    for n in 0..20 {
        stage
            .cluster
            .secret(&namespace, "busy", &[("n", &n.to_string())])
            .await?;
    }
    process::reset_peak(operator.pid())?;
    let cpu = process::cpu_seconds(operator.pid())?;
    stage.plane.stop_api_server()?;
    stage.plane.start_api_server().await?;
    tokio::time::sleep(SETTLE * 2).await;
    Ok(process::cpu_seconds(operator.pid())? - cpu)
}

async fn secrets_of_others(stage: &Stage, many: usize) -> Result<()> {
    const EACH: usize = 10_000;
    for block in 0..many.div_ceil(EACH) {
        let namespace = stage.cluster.namespace("others").await?;
        let secrets: Api<Secret> = Api::namespaced(stage.cluster.client(), &namespace);
        let secrets = &secrets;
        futures::stream::iter(block * EACH..many.min((block + 1) * EACH))
            .map(|n| async move {
                let metadata = ObjectMeta {
                    name: Some(format!("other-{n}")),
                    ..ObjectMeta::default()
                };
                let secret = Secret {
                    metadata,
                    data: Some(BTreeMap::from([("value".to_owned(), ByteString(vec![b'x'; 200]))])),
                    ..Secret::default()
                };
                secrets.create(&PostParams::default(), &secret).await.map(drop)
            })
            .buffer_unordered(16)
            .try_collect::<()>()
            .await?;
    }
    Ok(())
}
