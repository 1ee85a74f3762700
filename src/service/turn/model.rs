//! Many passes that work, wait elsewhere, in several parts at once, and give up waiting, as a seed draws it: no place is
//! ever lost, none is free while somebody waits to begin, and nobody waits for ever.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::*;

const PASSES: usize = 60;

fn moment(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(0..50))
}

/// A part of a pass: it works a little, and is away for a while, perhaps until it is given up.
fn part<'a>(turn: &'a Turn, random: &mut StdRng, deep: usize) -> BoxFuture<'a, ()> {
    let (works, waits, patience) = (moment(random), moment(random), moment(random));
    match random.random_range(0..if deep > 0 { 5 } else { 3 }) {
        0 => sleep(works).boxed(),
        1 => async move {
            sleep(works).await;
            turn.away(sleep(waits)).await;
        }
        .boxed(),
        2 => async move {
            sleep(works).await;
            let _ = timeout(patience, turn.away(sleep(waits))).await;
        }
        .boxed(),
        3 => turn.away(parts(turn, random, deep - 1)).boxed(),
        _ => parts(turn, random, deep - 1),
    }
}

fn parts<'a>(turn: &'a Turn, random: &mut StdRng, deep: usize) -> BoxFuture<'a, ()> {
    let many = random.random_range(1..4);
    let parts: Vec<_> = (0..many).map(|_| part(turn, random, deep)).collect();
    join_all(parts).map(drop).boxed()
}

async fn pass(turn: Turn, mut random: StdRng) {
    for _ in 0..3 {
        if random.random_ratio(1, 3) {
            let work = turn.meanwhile(sleep(moment(&mut random)));
            let wait = turn.away(sleep(moment(&mut random)));
            tokio::join!(work, wait);
        } else {
            parts(&turn, &mut random, 2).await;
        }
    }
}

/// As the runner does.
async fn begin_all(places: &Arc<Places>, left: &AtomicUsize, random: &mut StdRng) {
    let mut passes = JoinSet::new();
    while left.load(Ordering::Relaxed) > 0 || !passes.is_empty() {
        while left.load(Ordering::Relaxed) > 0
            && let Some(place) = places.try_take(Urgency::Change)
        {
            left.fetch_sub(1, Ordering::Relaxed);
            let urgency = [Urgency::Change, Urgency::Backlog, Urgency::Check][random.random_range(0..3)];
            let turn = Turn::new(Arc::clone(places), place, urgency, CancellationToken::new());
            passes.spawn(pass(turn, StdRng::seed_from_u64(random.random())));
        }
        tokio::select! {
            Some(ended) = passes.join_next() => ended.unwrap(),
            () = places.freed() => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_place_is_lost_or_forgotten_and_nobody_waits_for_ever() {
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let places = Places::new(random.random_range(1..10));
        let free = || places.any.available_permits() + places.for_changes.available_permits();
        let (all, left) = (free(), AtomicUsize::new(PASSES));
        let watch = async {
            loop {
                // Time goes on only when nobody has anything to do.
                sleep(Duration::from_micros(100)).await;
                let idle = free();
                assert!(
                    left.load(Ordering::Relaxed) == 0 || idle == 0,
                    "seed {seed}: {idle} free"
                );
            }
        };
        let begun = begin_all(&places, &left, &mut random);
        let all_end = async {
            tokio::select! {
                () = begun => {}
                () = watch => {}
            }
        };
        let ends = timeout(Duration::from_secs(3600), all_end).await;
        assert!(ends.is_ok(), "seed {seed}: somebody waits for ever");
        assert_eq!(free(), all, "seed {seed}");
    }
}
