use std::time::{Duration, Instant};

use crate::figure::{Figure, Target};
use crate::sizes::Sizes;
use crate::stage::{LIFTED, QPS, Stage, start, stop};
use crate::subject::Subject;
use crate::{Result, process};

const ACCOUNTS: usize = 40;
const BOUND: Duration = Duration::from_secs(1200);
/// So long after a start everything that a start causes is over.
const SETTLE: Duration = Duration::from_secs(10);

pub async fn measure(subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
    let stage = Stage::new(subject).await?;
    stage.endpoint.world().qps = usize::MAX;
    let accounts = stage.accounts(ACCOUNTS).await?;
    let resources = sizes.of(2000, 40);
    {
        let watch = stage.ready_watch().await?;
        let (operator, _) = start(stage.operator(LIFTED)).await?;
        // The interval comes from the flag here: below it changes with a restart.
        let all = (0..resources).filter_map(|n| Some(accounts.get(n % ACCOUNTS)?.resource(n).without("checkInterval")));
        stage.create_all(all).await?;
        watch.wait_count(resources, BOUND).await?;
        stop(operator).await?;
    }
    stage.endpoint.world().qps = QPS;
    let after = |what: &str| format!("restart with {resources} resources: {what}");
    let mut figures = Vec::new();

    let (from, writes) = (stage.calls_so_far(), stage.writes().await?);
    let (operator, _) = start(stage.operator(QPS)).await?;
    tokio::time::sleep(SETTLE).await;
    for (what, action) in [("Gets", "GetMessageCallback"), ("Sets", "SetMessageCallback")] {
        let calls = stage.calls(from, action) as f64;
        figures.push(
            Figure::new(after(what), "", calls)
                .floor(0.0)
                .target(Target::AtMost(0.0)),
        );
    }
    let written = stage.writes().await? - writes;
    figures.push(
        Figure::new(after("API-server writes"), "", written)
            .floor(0.0)
            .target(Target::AtMost(0.0)),
    );
    let memory = process::proportional(operator.pid())?;
    figures.push(Figure::new(after("memory (PSS)"), "MiB", memory).target(Target::OfPeer(0.4)));
    figures.push(Figure::new(
        after("CPU until it rests"),
        "ms",
        process::cpu_seconds(operator.pid())? * 1e3,
    ));

    let (begun, cpu) = (Instant::now(), process::cpu_seconds(operator.pid())?);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let at_rest = (process::cpu_seconds(operator.pid())? - cpu) / begun.elapsed().as_secs_f64();
    let what = format!("CPU at rest with {resources} resources, each minute");
    figures.push(Figure::new(what, "ms", at_rest * 60e3).target(Target::OfPeer(0.4)));
    stop(operator).await?;

    // A check of each resource a minute.
    let (operator, _) = start(stage.operator_that_checks(QPS, "60s")).await?;
    tokio::time::sleep(SETTLE).await;
    let (begun, cpu, from) = (
        Instant::now(),
        process::cpu_seconds(operator.pid())?,
        stage.calls_so_far(),
    );
    tokio::time::sleep(Duration::from_secs(30)).await;
    let checks = stage.calls(from, "GetMessageCallback") as f64;
    let used = process::cpu_seconds(operator.pid())? - cpu - at_rest * begun.elapsed().as_secs_f64();
    figures.push(Figure::new("CPU for each check", "ms", used * 1e3 / checks.max(1.0)).target(Target::OfPeer(0.4)));
    stop(operator).await?;
    Ok(figures)
}
