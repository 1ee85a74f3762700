use std::fs;
use std::time::{Duration, Instant};

use control_plane::repo_root;

use crate::figure::Figure;
use crate::plot::{Curve, Plot};
use crate::sizes::Sizes;
use crate::stage::{LIFTED, Stage, milliseconds, start, stop};
use crate::subject::Subject;
use crate::{Result, process};

const STEPS: [usize; 5] = [1_000, 2_000, 5_000, 10_000, 20_000];
const BOUND: Duration = Duration::from_secs(3600);
const SETTLE: Duration = Duration::from_secs(10);

/// One measured curve, by what it is about.
struct Curves {
    memory: Curve,
    peak: Curve,
    restart: Curve,
    cpu: Curve,
    bulk: Curve,
}

/// The number of resources grows step by step; at each step the operator is restarted and looked at.
pub async fn measure(subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
    let stage = Stage::new(subject).await?;
    stage.endpoint.world().qps = usize::MAX;
    let accounts = stage.accounts(sizes.of(200, 10)).await?;
    let watch = stage.ready_watch().await?;
    let curve = || Curve::new(subject.name);
    let mut curves = Curves {
        memory: curve(),
        peak: curve(),
        restart: curve(),
        cpu: curve(),
        bulk: curve(),
    };
    let mut there = 0;
    for step in STEPS {
        let wanted = sizes.of(step, step / 100);
        let (operator, _) = start(stage.operator(LIFTED)).await?;
        let begun = Instant::now();
        let more = (there..wanted).filter_map(|n| Some(accounts.get(n % accounts.len())?.resource(n)));
        stage.create_all(more).await?;
        watch.wait_count(wanted, BOUND).await?;
        let each = begun.elapsed().as_secs_f64() * 1e3 / (wanted - there) as f64;
        stop(operator).await?;
        there = wanted;

        let (operator, took) = start(stage.operator(LIFTED)).await?;
        tokio::time::sleep(SETTLE).await;
        let at = wanted as f64;
        curves.memory.push(at, process::resident(operator.pid())?);
        curves.peak.push(at, process::peak(operator.pid())?);
        curves.restart.push(at, milliseconds(took));
        curves.cpu.push(at, process::cpu_seconds(operator.pid())?);
        curves.bulk.push(at, each);
        stop(operator).await?;
    }
    let plots = [
        ("memory", "Memory after a restart (RSS), MiB", curves.memory),
        ("memory-peak", "Memory at its peak in a restart (RSS), MiB", curves.peak),
        ("restart", "Restart → ready, ms", curves.restart),
        ("restart-cpu", "CPU of a restart, s", curves.cpu),
        ("bulk", "Each new resource of a burst, no quota, ms", curves.bulk),
    ];
    let folder = repo_root().join("docs/plots");
    fs::create_dir_all(&folder)?;
    let mut figures = Vec::new();
    for (name, title, curve) in plots {
        figures.extend(
            curve
                .last()
                .map(|value| Figure::new(format!("{title}, at the end of the curve"), "", value)),
        );
        Plot::amend(&folder.join(format!("{name}.svg")), title, "resources", curve)?;
    }
    Ok(figures)
}
