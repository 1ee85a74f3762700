//! The decision code in made-up time: the real queue, quota, schedule, lease and rules of what comes next, with a clock
//! that jumps to the next moment at which something happens, and a service that is a few lines. What happens when is
//! drawn from a seed.
//!
//! [`reigns`] is about many resources over a week, with replicas that lead one after another as they are told to.
//! [`replicas`] is about who leads: the replicas elect, hang, die and lose their way to the API server.

mod reigns;
mod replicas;
mod week;
mod worst_second;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::domain::{AccountId, AccountKey};

const QPS: u32 = 15;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A stretch of time, at most so long.
fn span(random: &mut StdRng, most: Duration) -> Duration {
    most.mul_f64(random.random_range(0.0..1.0))
}

/// What the clock on the wall shows, so long after the beginning.
fn wall(elapsed: Duration) -> Timestamp {
    let elapsed = i64::try_from(elapsed.as_millis()).unwrap();
    Timestamp::from_millisecond(1_800_000_000_000 + elapsed).unwrap()
}

fn wall_since(began: Instant) -> Timestamp {
    wall(began.elapsed())
}

fn uid(n: usize) -> String {
    format!("{n:08x}-0000-4000-8000-000000000000")
}

fn account(n: usize) -> AccountKey {
    AccountKey::Account(AccountId(format!("{n:016}")))
}

/// In a runtime of its own, whose clock jumps to the next moment at which something happens.
fn in_made_up_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(work)
}
