//! Everything at once, for a while: users change their minds, Secrets vanish, the service and the API server fail in
//! every known way, replicas are killed, frozen and cut off from their Lease. When it is over, everything is as the
//! resources say, and nothing happened meanwhile that must never happen.
//!
//! What comes when is drawn from a seed, which is printed: `CHAOS_SEED=7 cargo test --test faults chaos`. How it
//! interleaves is the machine's. `CHAOS_SECONDS` and `CHAOS_RESOURCES` make it longer and larger.

mod cast;
mod history;
mod nature;
mod verdict;

use std::time::{Duration, Instant};

use harness::wait_until;
use rand::SeedableRng;
use rand::rngs::StdRng;

use self::cast::Cast;

/// Convergence after the faults: retries that were put off wait for seconds.
const BOUND: Duration = Duration::from_secs(120);

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_is_as_the_resources_say_after_chaos() {
    let seed = number("CHAOS_SEED", 1);
    println!("CHAOS_SEED={seed}");
    let lasts = Duration::from_secs(number("CHAOS_SECONDS", 30));
    let resources = number("CHAOS_RESOURCES", 120);
    let mut random = StdRng::seed_from_u64(seed);
    let mut cast = Cast::assemble(usize::try_from(resources).unwrap()).await;
    cast.populate(&mut random).await;

    let begun = Instant::now();
    while begun.elapsed() < lasts {
        cast.users_act(&mut random).await;
        cast.nature_acts(&mut random).await;
    }
    cast.calm_down().await;
    let converged = wait_until("everything to be as the resources say", BOUND, async || {
        cast.converged().await
    })
    .await;
    let mut broken = cast.broken();
    broken.extend(converged.err().map(|error| error.to_string()));
    assert!(broken.is_empty(), "CHAOS_SEED={seed}\n{}", broken.join("\n"));
}
