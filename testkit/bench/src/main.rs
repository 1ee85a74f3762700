//! `make bench [N]`: what the operator costs, each figure beside its floor. Times say little on a shared machine, so
//! what counts are calls, ratios within one run, and memory.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use control_plane::ControlPlane;
use futures::StreamExt;
use harness::{Cluster, Operator, Vmc, wait_until};
use vod_endpoint::{ACCOUNT, Endpoint, KEY_ID, KEY_SECRET};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const BOUND: Duration = Duration::from_secs(3600);
const QPS: usize = 15;

#[tokio::main]
async fn main() -> ExitCode {
    let number = |at: usize, default: usize| std::env::args().nth(at).and_then(|n| n.parse().ok()).unwrap_or(default);
    match run(number(1, 300), number(2, 10_000)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn row(what: &str, figure: &str, floor: &str) {
    println!("{what:<58} {figure:>14}   {floor}");
}

async fn run(crowd: usize, many: usize) -> Result<()> {
    let plane = ControlPlane::start().await?;
    let cluster = Cluster::new(plane.client().await?);
    cluster.install_crd().await?;
    let ns = cluster.namespace("bench").await?;
    cluster.access_key(&ns, KEY_ID, KEY_SECRET).await?;
    let endpoint = Endpoint::start().await?;
    let start = || async {
        let operator = Operator::builder(binary()?)
            .kubeconfig(plane.kubeconfig_path())
            .vod_endpoint(endpoint.url())
            .sts_endpoint(endpoint.url())
            .args(["--check-interval", "24h"]);
        Ok::<_, Box<dyn std::error::Error>>(operator.start().await?)
    };
    println!("{:<58} {:>14}   floor or peer", "", "figure");

    let operator = start().await?;
    row("memory with nothing to do", &memory(&operator)?, "");
    let begun = Instant::now();
    cluster
        .apply_vmc(&Vmc::http(&ns, "one", "https://hooks.example.com/vod"))
        .await?;
    cluster.wait_ready(&ns, "one").await?;
    let ready = begun.elapsed();
    let begun = Instant::now();
    cluster.vmc(&ns, "one").await?;
    row(
        "apply to Ready, one resource",
        &format!("{ready:.1?}"),
        &format!("one read of the API server: {:.1?}", begun.elapsed()),
    );
    row(
        "calls for one new resource (Get, Set, Get)",
        &calls(&endpoint, "one").to_string(),
        "3",
    );
    let before = endpoint.world().calls().len();
    cluster
        .apply_vmc(&Vmc::http(&ns, "one", "https://hooks.example.com/vod").events(["ALL"]))
        .await?;
    wait_until("the change", BOUND, async || {
        endpoint.world().calls().len() >= before + 2
    })
    .await?;
    row(
        "calls for one change (Set, Get)",
        &(endpoint.world().calls().len() - before).to_string(),
        "2",
    );

    let resources = |n: usize| {
        Vmc::http(&ns, &format!("crowd-{n}"), "https://hooks.example.com/vod").app_id(&format!("app-crowd-{n}"))
    };
    let begun = Instant::now();
    apply_all(&cluster, (0..crowd).map(resources)).await;
    wait_until("all are set and read back", BOUND, async || {
        let world = endpoint.world();
        world
            .calls()
            .iter()
            .filter(|c| c.action == "GetMessageCallback")
            .count()
            > crowd * 2
    })
    .await?;
    let took = begun.elapsed();
    // Two Gets each, at the service's 15 a second.
    let floor = Duration::from_secs_f64((crowd * 2) as f64 / QPS as f64);
    let ratio = took.as_secs_f64() / floor.as_secs_f64();
    row(
        &format!("{crowd} new resources of one account, over the quota's floor"),
        &format!("{ratio:.2} x"),
        &format!("1.00 x ({floor:.0?})"),
    );
    let throttled = endpoint
        .world()
        .calls()
        .iter()
        .filter(|c| c.code.starts_with("Throttling"))
        .count();
    row("throttled answers meanwhile", &throttled.to_string(), "0");
    let most = endpoint
        .world()
        .most_within(ACCOUNT, "GetMessageCallback", Duration::from_millis(950));
    row(
        "most calls of one operation in any 0.95 s",
        &most.to_string(),
        &QPS.to_string(),
    );
    row(&format!("memory with {crowd} resources"), &memory(&operator)?, "");

    // Suspended, because at the service's quota so many would take a quarter of an hour to set.
    apply_all(
        &cluster,
        (0..many).map(|n| Vmc::http(&ns, &format!("many-{n}"), "https://hooks.example.com/vod").suspend(true)),
    )
    .await;
    let suspended = [("state", "Suspended")];
    wait_until("all are seen", BOUND, async || {
        operator
            .metrics()
            .await
            .is_ok_and(|m| m.sum("vod_operator_resources", &suspended) > many as f64 - 0.5)
    })
    .await?;
    row(
        &format!("memory with {} resources", crowd + many),
        &memory(&operator)?,
        "",
    );

    operator.sigterm_and_wait().await?;
    let before = endpoint.world().calls().len();
    let cpu_before = Instant::now();
    let operator = start().await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    row(
        "calls in the 10 s after a restart, nothing changed",
        &(endpoint.world().calls().len() - before).to_string(),
        "0",
    );
    row(
        "CPU used since that start",
        &cpu(&operator)?,
        &format!("of {:.0?}", cpu_before.elapsed()),
    );
    row(
        &format!("memory after a restart with {} resources", crowd + many),
        &memory(&operator)?,
        "",
    );
    let size = std::fs::metadata(binary()?)?.len();
    row("size of the binary", &format!("{:.1} MB", size as f64 / 1e6), "");
    Ok(())
}

async fn apply_all(cluster: &Cluster, all: impl Iterator<Item = Vmc>) {
    futures::stream::iter(all)
        .map(|vmc| async move { cluster.apply_vmc(&vmc).await })
        .buffer_unordered(16)
        .for_each(|done| async move {
            if let Err(error) = done {
                eprintln!("bench: {error}");
            }
        })
        .await;
}

fn calls(endpoint: &Endpoint, _name: &str) -> usize {
    endpoint
        .world()
        .calls()
        .iter()
        .filter(|c| c.action.ends_with("MessageCallback"))
        .count()
}

fn binary() -> Result<std::path::PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("vod-operator");
    if Path::new(&beside).is_file() {
        Ok(beside)
    } else {
        Err("the operator is not built: run `make bench`".into())
    }
}

fn proc_file(operator: &Operator, file: &str) -> Result<String> {
    Ok(std::fs::read_to_string(format!("/proc/{}/{file}", operator.pid()))?)
}

/// Resident, and at its peak.
fn memory(operator: &Operator) -> Result<String> {
    let status = proc_file(operator, "status")?;
    let of = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    let megabytes = |name: &str| of(name).unwrap_or_default() / 1000.0;
    Ok(format!("{:.0}/{:.0} MB", megabytes("VmRSS"), megabytes("VmHWM")))
}

/// User and system time, in the kernel's ticks of a hundredth of a second.
fn cpu(operator: &Operator) -> Result<String> {
    let stat = proc_file(operator, "stat")?;
    let ticks: f64 = stat
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok())
        .sum();
    Ok(format!("{:.2} s", ticks / 100.0))
}
