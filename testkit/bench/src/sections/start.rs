use std::time::Duration;

use crate::figure::{Figure, Target, percentile};
use crate::sizes::Sizes;
use crate::stage::{QPS, Stage, generation, milliseconds, start, stop};
use crate::subject::Subject;
use crate::{Result, process};

/// So long the predecessor has been silent when the next one starts.
const SILENCE: Duration = Duration::from_millis(1500);

pub async fn measure(subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
    let stage = Stage::new(subject).await?;
    let account = stage.accounts(1).await?.remove(0);
    let watch = stage.ready_watch().await?;
    let (mut ready, mut first_set, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    let mut memory = 0.0;
    for n in 0..sizes.of(7, 3) {
        let created = stage.create(&account.resource(n)).await?;
        tokio::time::sleep(SILENCE).await;
        let from = stage.calls_so_far();
        let begun = stage.endpoint.world().elapsed_ms();
        let (operator, took) = start(stage.operator(QPS)).await?;
        ready.push(milliseconds(took));
        let set = stage
            .wait_call(from, |call| call.action == "SetMessageCallback")
            .await?;
        first_set.push(set.at_ms.saturating_sub(begun) as f64);
        watch
            .wait(&account.namespace, &format!("callback-{n}"), generation(&created))
            .await?;
        if n == 0 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            memory = process::proportional(operator.pid())?;
        }
        gone.push(milliseconds(stop(operator).await?));
    }
    Ok(vec![
        Figure::new("start → ready", "ms", percentile(&ready, 0.5)).target(Target::OfPeer(0.95)),
        Figure::new(
            "start → first Set of a resource that waits",
            "ms",
            percentile(&first_set, 0.5),
        )
        .floor(percentile(&ready, 0.5))
        .target(Target::OfPeer(0.95)),
        Figure::new("SIGTERM → gone", "ms", percentile(&gone, 0.5)).target(Target::OfPeer(0.95)),
        Figure::new("memory (PSS) with one resource", "MiB", memory).target(Target::OfPeer(0.4)),
    ])
}
