use std::time::{Duration, Instant};

use crate::figure::{Figure, Target, percentile};
use crate::sizes::Sizes;
use crate::stage::{Account, QPS, Stage, generation, milliseconds, start, stop};
use crate::subject::Subject;
use crate::{Result, process};

/// So many that one resource after another never waits for a quota.
const ACCOUNTS: usize = 20;
/// Late writes (events) count too.
const SETTLE: Duration = Duration::from_secs(2);

pub async fn measure(subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
    let stage = Stage::new(subject).await?;
    let accounts = stage.accounts(ACCOUNTS).await?;
    let watch = stage.ready_watch().await?;
    let (operator, _) = start(stage.operator(QPS)).await?;
    let apply = async |n: usize| -> Result<f64> {
        let account = accounts.get(n % ACCOUNTS).ok_or("no account")?;
        let begun = Instant::now();
        let applied = stage.cluster.apply_vmc(&account.resource(n)).await?;
        let ready = watch
            .wait(&account.namespace, &format!("callback-{n}"), generation(&applied))
            .await?;
        Ok(milliseconds(ready - begun))
    };
    // Connections, caches and the branch predictor.
    for n in 0..ACCOUNTS {
        apply(n).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let many = sizes.of(300, 20);
    let (writes, plane, own) = (
        stage.writes().await?,
        stage.plane_cpu()?,
        process::cpu_seconds(operator.pid())?,
    );
    let mut took = Vec::new();
    for n in ACCOUNTS..ACCOUNTS + many {
        took.push(apply(n).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let each = |total: f64| total / many as f64;
    let plane = each(stage.plane_cpu()? - plane) * 1e3;
    let own = each(process::cpu_seconds(operator.pid())? - own) * 1e3;
    // The bench's own apply is one of them.
    let writes = each(stage.writes().await? - writes) - 1.0;
    let rotated = rotations(&stage, &accounts, sizes).await?;
    stop(operator).await?;
    Ok(vec![
        Figure::new("apply → Ready, p50", "ms", percentile(&took, 0.5)).target(Target::OfPeer(0.95)),
        Figure::new("apply → Ready, p99", "ms", percentile(&took, 0.99)).target(Target::OfPeer(0.95)),
        Figure::new("API-server writes for each new resource", "", writes)
            .floor(2.0)
            .target(Target::AtMost(2.0)),
        Figure::new("etcd and API-server CPU for each new resource", "ms", plane).target(Target::OfPeer(0.95)),
        Figure::new("the operator's CPU for each new resource", "ms", own),
        Figure::new("AuthKey rotated → Set, p50", "ms", percentile(&rotated, 0.5)).target(Target::OfPeer(0.95)),
        Figure::new("AuthKey rotated → Set, p95", "ms", percentile(&rotated, 0.95)).target(Target::OfPeer(0.95)),
    ])
}

/// From the moment at which a Secret is changed to the Set that brings the key to the service.
async fn rotations(stage: &Stage, accounts: &[Account], sizes: &Sizes) -> Result<Vec<f64>> {
    let watch = stage.ready_watch().await?;
    let mut took = Vec::new();
    for account in accounts {
        stage
            .cluster
            .secret(&account.namespace, "key", &[("authKey", "ExampleKey000")])
            .await?;
        let resource = account.resource(999_999).auth("key", "authKey");
        let applied = stage.cluster.apply_vmc(&resource).await?;
        watch
            .wait(&account.namespace, "callback-999999", generation(&applied))
            .await?;
    }
    for n in 0..sizes.of(100, 20) {
        let account = accounts.get(n % accounts.len()).ok_or("no account")?;
        let key = format!("ExampleKey{:03}", n + 1);
        let from = stage.calls_so_far();
        let begun = stage.endpoint.world().elapsed_ms();
        stage
            .cluster
            .secret(&account.namespace, "key", &[("authKey", &key)])
            .await?;
        let brings = |call: &vod_endpoint::Call| {
            call.action == "SetMessageCallback" && call.parameters.get("AuthKey") == Some(&key)
        };
        took.push(stage.wait_call(from, brings).await?.at_ms.saturating_sub(begun) as f64);
    }
    Ok(took)
}
