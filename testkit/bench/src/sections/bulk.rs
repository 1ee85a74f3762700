use std::time::{Duration, Instant};

use crate::figure::{Figure, Target};
use crate::sizes::Sizes;
use crate::stage::{LIFTED, QPS, Stage, start, stop};
use crate::subject::Subject;
use crate::{Result, process};

const BOUND: Duration = Duration::from_secs(1200);
/// An account whose quota others use too.
const SHARE: usize = 4;

/// Many new resources at once.
struct Burst {
    resources: usize,
    accounts: usize,
    /// The operator's flag.
    qps: usize,
    /// What the service really allows.
    allowed: usize,
    round_trip: Duration,
}

/// What became of them.
struct Outcome {
    took: f64,
    throttled: f64,
    refused_share: f64,
    most_in_a_second: f64,
    own_cpu: f64,
    peak: f64,
    plane_cpu_each: f64,
    writes_each: f64,
}

impl Burst {
    fn name(&self) -> String {
        let quota = if self.qps == LIFTED {
            "no quota".to_owned()
        } else {
            format!("quota {}", self.allowed)
        };
        let accounts = if self.accounts == 1 { "account" } else { "accounts" };
        let far = match self.round_trip.as_millis() {
            0 => String::new(),
            ms => format!(", service {ms} ms away"),
        };
        format!(
            "{} resources, {} {accounts}, {quota}{far}",
            self.resources, self.accounts
        )
    }

    /// Two Gets each at the account's quota, the first second's in one burst, and the last resource's three trips.
    fn floor(&self) -> f64 {
        let gets = (self.resources * 2).div_ceil(self.accounts);
        let seconds = gets.saturating_sub(self.allowed) as f64 / self.allowed as f64;
        seconds + 3.0 * self.round_trip.as_secs_f64()
    }

    async fn run(&self, subject: &Subject) -> Result<Outcome> {
        let stage = Stage::new(subject).await?;
        let accounts = stage.accounts(self.accounts).await?;
        {
            let mut world = stage.endpoint.world();
            world.qps = if self.qps == LIFTED { usize::MAX } else { QPS };
            world.round_trip = self.round_trip;
            if self.allowed < QPS {
                let own = accounts.iter().map(|account| (account.id.clone(), self.allowed));
                world.account_qps.extend(own);
            }
        }
        let watch = stage.ready_watch().await?;
        let (operator, _) = start(stage.operator(self.qps)).await?;
        // What a leader does in its first second is another section's.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (writes, plane) = (stage.writes().await?, stage.plane_cpu()?);
        let own = process::cpu_seconds(operator.pid())?;
        let resources = (0..self.resources).filter_map(|n| Some(accounts.get(n % self.accounts)?.resource(n)));
        let begun = Instant::now();
        stage.create_all(resources).await?;
        watch.wait_count(self.resources, BOUND).await?;
        let took = begun.elapsed().as_secs_f64();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let each = |total: f64| total / self.resources as f64;
        let outcome = {
            let world = stage.endpoint.world();
            let calls = world
                .calls()
                .iter()
                .filter(|call| call.action.ends_with("MessageCallback"));
            let (mut all, mut throttled) = (0.0, 0.0);
            for call in calls {
                all += 1.0;
                throttled += f64::from(u8::from(call.code.starts_with("Throttling")));
            }
            let most = accounts.iter().flat_map(|account| {
                ["GetMessageCallback", "SetMessageCallback"]
                    .map(|action| world.most_within(&account.id, action, Duration::from_secs(1)))
            });
            Outcome {
                took,
                throttled,
                refused_share: throttled / all * 100.0,
                most_in_a_second: most.max().unwrap_or_default() as f64,
                own_cpu: process::cpu_seconds(operator.pid())? - own,
                peak: process::peak(operator.pid())?,
                plane_cpu_each: each(stage.plane_cpu()? - plane) * 1e3,
                writes_each: 0.0,
            }
        };
        let writes_each = each(stage.writes().await? - writes) - 1.0;
        stop(operator).await?;
        Ok(Outcome { writes_each, ..outcome })
    }
}

pub async fn measure(subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
    let mut figures = lifted(subject, sizes).await?;
    figures.extend(within_quota(subject, sizes).await?);
    for milliseconds in [0, 50, 200] {
        figures.extend(wide(subject, sizes, Duration::from_millis(milliseconds)).await?);
    }
    figures.extend(smaller_share(subject, sizes).await?);
    Ok(figures)
}

/// What the operator and the API server can do.
async fn lifted(subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
    let burst = Burst {
        resources: sizes.of(2000, 40),
        accounts: 40,
        qps: LIFTED,
        allowed: LIFTED,
        round_trip: Duration::ZERO,
    };
    let (name, outcome) = (burst.name(), burst.run(subject).await?);
    let row = |what: &str, unit, value| Figure::new(format!("{name}: {what}"), unit, value);
    Ok(vec![
        row("all Ready after", "s", outcome.took).target(Target::OfPeer(0.95)),
        row("the operator's CPU", "s", outcome.own_cpu),
        row("peak memory (RSS)", "MiB", outcome.peak),
        row("API-server writes for each", "", outcome.writes_each)
            .floor(2.0)
            .target(Target::AtMost(2.0)),
        row("etcd and API-server CPU for each", "ms", outcome.plane_cpu_each).target(Target::OfPeer(0.95)),
    ])
}

/// Few accounts, so that the quota alone decides.
async fn within_quota(subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (milliseconds, share) in [(0, 1.05), (200, 1.10)] {
        let burst = Burst {
            resources: sizes.of(300, 30),
            accounts: 2,
            qps: QPS,
            allowed: QPS,
            round_trip: Duration::from_millis(milliseconds),
        };
        figures.extend(beside_floor(&burst, share, subject).await?);
    }
    Ok(figures)
}

/// So many accounts that the API server may decide, with the service far away.
async fn wide(subject: &Subject, sizes: &Sizes, round_trip: Duration) -> Result<Vec<Figure>> {
    let burst = Burst {
        resources: sizes.of(2000, 40),
        accounts: 40,
        qps: QPS,
        allowed: QPS,
        round_trip,
    };
    beside_floor(&burst, if round_trip.is_zero() { 1.05 } else { 1.10 }, subject).await
}

async fn beside_floor(burst: &Burst, share: f64, subject: &Subject) -> Result<Vec<Figure>> {
    let (name, outcome) = (burst.name(), burst.run(subject).await?);
    let row = |what: &str, unit, value| Figure::new(format!("{name}: {what}"), unit, value);
    Ok(vec![
        row("all Ready after", "s", outcome.took)
            .floor(burst.floor())
            .target(Target::OfFloor(share)),
        row("throttled answers", "", outcome.throttled).target(Target::AtMost(0.0)),
        row(
            "most calls of one account and operation in any second",
            "",
            outcome.most_in_a_second,
        )
        .target(Target::AtMost(QPS as f64)),
    ])
}

/// The account allows less than the flag says.
async fn smaller_share(subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
    let burst = Burst {
        resources: sizes.of(120, 30),
        accounts: 1,
        qps: QPS,
        allowed: SHARE,
        round_trip: Duration::ZERO,
    };
    let (name, outcome) = (burst.name(), burst.run(subject).await?);
    let row = |what: &str, unit, value| Figure::new(format!("{name} of the flag's {QPS}: {what}"), unit, value);
    Ok(vec![
        row("all Ready after", "s", outcome.took)
            .floor(burst.floor())
            .target(Target::OfFloor(1.5)),
        row("refused calls", "%", outcome.refused_share).target(Target::AtMost(10.0)),
    ])
}
