//! What must be true of a whole run, by the times in which somebody led.

use std::time::Duration;

use tokio::time::Instant;

use super::super::worst_second::Digest;
use super::super::{MINUTE, wall};
use super::script::{Fate, Plan};
use super::world::World;
use crate::schedule::next_check;

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) wrongs: Vec<String>,
    /// Calls of one account and operation in the worst second.
    pub(super) most: usize,
    pub(super) gets: usize,
    pub(super) sets: usize,
    pub(super) writes: usize,
    pub(super) changes: usize,
    pub(super) terms: usize,
    /// Moments at which nobody led, or not for long enough, and whose checks were not made up for.
    pub(super) lost_checks: usize,
    /// The longest that nobody led.
    pub(super) longest_outage: Duration,
    pub(super) digest: Digest,
}

/// The times in which somebody led and did not stand still, in order.
fn working(world: &World, fates: &[Fate], end: Instant) -> Vec<(Instant, Instant)> {
    let mut times = Vec::new();
    for led in &world.record.led {
        let (mut from, until) = (led.from, led.until.unwrap_or(end).min(end));
        for (stands, goes_on) in &fates[led.replica].hangs {
            if *goes_on <= from || *stands >= until {
                continue;
            }
            if *stands > from {
                times.push((from, *stands));
            }
            from = *goes_on;
        }
        if from < until {
            times.push((from, until));
        }
    }
    times.sort_unstable();
    times
}

pub(super) fn judge(plan: &Plan, mut world: World, fates: &[Fate]) -> Report {
    let (began, end) = (world.began, world.began + plan.lasts);
    let times = working(&world, fates, end);
    let mut lost_checks = 0;
    for n in 0..plan.resources {
        lost_checks += checks(&mut world, n, &times, end);
    }
    for (at, n, generation) in std::mem::take(&mut world.record.changes) {
        change(&mut world, &times, at, n, generation);
    }
    let mut edges = vec![began];
    edges.extend(times.iter().flat_map(|(from, until)| [*from, *until]));
    edges.push(end);
    let outages = edges.chunks(2).map(|pair| pair[1].saturating_duration_since(pair[0]));
    let record = world.record;
    Report {
        most: record.arrivals.most,
        gets: record.gets,
        sets: record.sets,
        writes: record.writes,
        changes: world.objects.iter().map(|object| object.generation as usize - 1).sum(),
        terms: record.led.len(),
        lost_checks,
        longest_outage: outages.max().unwrap_or_default(),
        digest: record.digest,
        wrongs: record.wrongs,
    }
}

/// Each check whose moment falls into a time of work is made. Returns how many others were not.
fn checks(world: &mut World, n: usize, times: &[(Instant, Instant)], end: Instant) -> usize {
    let (began, object) = (world.began, &world.objects[n]);
    let after = |at: Instant| at + next_check(&object.uid, object.interval, wall(at - began));
    let (mut lost, mut late) = (0, Vec::new());
    let mut moment = after(began);
    while moment < end {
        let limit = moment + MINUTE;
        let is_led = times.iter().any(|(from, until)| *from <= moment && limit <= *until);
        let looks = &world.record.looks[n];
        if !looks.iter().any(|(at, _)| moment <= *at && *at <= limit) {
            if is_led {
                late.push(moment - began);
            } else {
                lost += 1;
            }
        }
        moment = after(moment);
    }
    for moment in late {
        world
            .record
            .wrong(format!("the check of {n} at {moment:?} was not made"));
    }
    lost
}

/// Each change is carried out as soon as somebody works for long enough.
fn change(world: &mut World, times: &[(Instant, Instant)], at: Instant, n: usize, generation: i64) {
    let mut times = times.iter().map(|(from, until)| ((*from).max(at), *until));
    let Some((from, _)) = times.find(|(from, until)| *from + MINUTE <= *until) else {
        return;
    };
    let is_done = |(look, held): &(Instant, i64)| at <= *look && *look <= from + MINUTE && *held >= generation;
    if !world.record.looks[n].iter().any(is_done) {
        let at = at - world.began;
        world.record.wrong(format!(
            "generation {generation} of {n}, made at {at:?}, was not carried out in time"
        ));
    }
}
