use std::time::{Duration, Instant};

use crate::Result;
use crate::figure::{Figure, Target, percentile};
use crate::sizes::Sizes;
use crate::stage::{QPS, Stage, generation, milliseconds, start, stop};
use crate::subject::Subject;

/// A crowd of one account waits for its quota all the while; another account's user applies one resource after
/// another.
pub async fn measure(subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
    let stage = Stage::new(subject).await?;
    let mut accounts = stage.accounts(6).await?;
    let crowded = accounts.remove(0);
    let watch = stage.ready_watch().await?;
    let (operator, _) = start(stage.operator(QPS)).await?;
    let changes = sizes.of(30, 10);
    // Two Gets each: so many last longer than the changes do.
    let crowd = 300 + changes * 8;
    stage.create_all((0..crowd).map(|n| crowded.resource(n))).await?;
    let mut took = Vec::new();
    for n in 0..changes {
        let account = accounts.get(n % accounts.len()).ok_or("no account")?;
        tokio::time::sleep(Duration::from_millis(250)).await;
        let begun = Instant::now();
        let applied = stage.cluster.apply_vmc(&account.resource(n)).await?;
        let ready = watch
            .wait(&account.namespace, &format!("callback-{n}"), generation(&applied))
            .await?;
        took.push(milliseconds(ready - begun));
    }
    if watch.count() >= crowd + changes {
        return Err("the crowd was through before the changes were".into());
    }
    stop(operator).await?;
    eprintln!("  one after another: {took:.0?}");
    let what = "beside a crowd, another account's apply → Ready";
    Ok(vec![
        Figure::new(format!("{what}, p50"), "ms", percentile(&took, 0.5)).target(Target::OfPeer(0.95)),
        Figure::new(format!("{what}, longest"), "ms", percentile(&took, 1.0)).target(Target::OfPeer(0.95)),
    ])
}
