//! Two replicas and a Lease: they elect by the real rules over an API server that fails at times, stand still, die and
//! are told to stop, and whoever leads works by the real rules. What must never be is noted where it happens
//! ([`record`]) and judged at the end ([`judge`]).

mod door;
mod judge;
mod lease_server;
mod network;
mod pass;
mod process;
mod record;
mod script;
mod standstill;
mod term;
mod world;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use self::door::Door;
use self::judge::{Report, judge};
use self::lease_server::LeaseServer;
use self::process::Replica;
use self::script::{ALL, Mishap, Plan, Script};
use self::world::World;
use super::{HOUR, MINUTE, QPS, SECOND, in_made_up_time};

async fn run(plan: &Plan) -> Report {
    let began = Instant::now();
    let mut world = World::new(plan, began);
    let script = Script::draw(plan, began, &mut world.random);
    let world = Arc::new(Mutex::new(world));
    let (lease, door) = (LeaseServer::default(), Door::new());
    let replicas = script.replicas.iter().enumerate().map(|(number, fate)| {
        let replica = Replica {
            number,
            world: Arc::clone(&world),
            lease: lease.clone(),
            door: door.clone(),
            fate: fate.clone(),
        };
        replica.run()
    });
    let users = async {
        for (at, n) in &script.changes {
            sleep_until(*at).await;
            world.lock().change(*n);
        }
    };
    let all = async { tokio::join!(users, join_all(replicas)) };
    let _ = tokio::time::timeout_at(began + plan.lasts, all).await;
    // What is still under way keeps a hand on the world.
    let empty = World::new(
        &Plan {
            resources: 0,
            ..plan.clone()
        },
        began,
    );
    let world = std::mem::replace(&mut *world.lock(), empty);
    judge(plan, world, &script.replicas)
}

fn simulate(plan: &Plan) -> Report {
    in_made_up_time(run(plan))
}

fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        resources: 100,
        accounts: 2,
        lasts: MINUTE * 30,
        settled: false,
        quiet: MINUTE * 3,
        changes: 50,
        bursts: true,
        mishaps: ALL,
    }
}

#[test]
fn whoever_leads_calls_and_nobody_else_and_nothing_is_left_out() {
    for seed in 1..=3 {
        let report = simulate(&plan(seed));
        assert_eq!(report.wrongs, Vec::<String>::new(), "seed {seed}");
        assert!(report.most <= QPS as usize, "seed {seed}: {report:?}");
        assert!(report.terms > 10, "seed {seed} has hand-overs: {report:?}");
        // A change that comes while another waits is one with it.
        assert!(
            report.sets > 100 && report.sets <= 100 + report.changes,
            "seed {seed}: {report:?}"
        );
    }
}

#[test]
fn the_same_seed_is_the_same_course_of_hand_overs() {
    let first = simulate(&plan(7));
    assert_eq!(first, simulate(&plan(7)));
    assert_ne!(first.digest, simulate(&plan(8)).digest);
}

/// A replica that stops gives the Lease back, and the next one may take it within the second in which the first one
/// has used the whole quota.
#[test]
fn rolling_restarts_in_the_middle_of_much_work_keep_one_quota() {
    for seed in 1..=3 {
        let report = simulate(&Plan {
            quiet: SECOND * 20,
            mishaps: &[Mishap::Stops],
            ..plan(seed)
        });
        assert_eq!(report.wrongs, Vec::<String>::new(), "seed {seed}");
        assert!(
            report.most == QPS as usize,
            "seed {seed}: used, and not more: {report:?}"
        );
        assert!(report.terms > 20, "seed {seed}: {report:?}");
    }
}

#[test]
fn hand_overs_alone_write_nothing_and_read_nothing_before_its_time() {
    let report = simulate(&Plan {
        settled: true,
        changes: 0,
        bursts: false,
        lasts: HOUR * 3,
        quiet: MINUTE * 10,
        ..plan(5)
    });
    assert_eq!(report.wrongs, Vec::<String>::new());
    assert_eq!((report.sets, report.writes), (0, 0), "{report:?}");
    // Resources with intervals of 10, 20 and 60 minutes, in equal parts.
    let moments = (34 * 6 + 33 * 3 + 33) * 3;
    assert!(report.gets <= moments + 20, "{moments} moments: {report:?}");
    assert!(
        report.gets + report.lost_checks >= moments - 20,
        "{moments} moments: {report:?}"
    );
    assert!(report.lost_checks < moments / 5, "{moments} moments: {report:?}");
    assert!(
        report.longest_outage > Duration::from_secs(15),
        "the Lease ran out at times: {report:?}"
    );
}
