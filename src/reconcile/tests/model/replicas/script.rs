//! What befalls the replicas and what the users do, drawn from a seed before anything begins.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::super::{SECOND, span};

/// What a run is made of.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) resources: usize,
    pub(super) accounts: usize,
    pub(super) lasts: Duration,
    /// Whether all resources were applied by somebody before.
    pub(super) settled: bool,
    /// The longest that nothing befalls a replica.
    pub(super) quiet: Duration,
    /// Changes by users, in all, besides those that come in bursts.
    pub(super) changes: usize,
    /// Whether a user changes a whole account just before a replica stops, dies or hangs.
    pub(super) bursts: bool,
    /// What befalls a replica: one of these each time.
    pub(super) mishaps: &'static [Mishap],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// It is told to stop, and begins anew.
    Stops,
    /// It is killed, and begins anew.
    Dies,
    /// It stands still.
    Hangs,
    /// Its way to the API server fails.
    LeaseFails,
}

pub(super) const ALL: &[Mishap] = &[Mishap::Stops, Mishap::Dies, Mishap::Hangs, Mishap::LeaseFails];

/// How a way to the API server fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Refused,
    /// What is sent never arrives.
    Swallowed,
    /// What is sent arrives and is done, and nobody hears of it.
    Unanswered,
}

/// From a start of a process to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) from: Instant,
    pub(super) until: Instant,
    /// It is told to stop; otherwise it is killed.
    pub(super) is_told: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Fate {
    pub(super) lives: Vec<Life>,
    pub(super) hangs: Vec<(Instant, Instant)>,
    pub(super) troubles: Vec<(Instant, Instant, Trouble)>,
}

pub(super) struct Script {
    pub(super) replicas: Vec<Fate>,
    /// When which resource is changed, in order.
    pub(super) changes: Vec<(Instant, usize)>,
}

impl Script {
    pub(super) fn draw(plan: &Plan, began: Instant, random: &mut StdRng) -> Self {
        let mut changes: Vec<(Instant, usize)> = (0..plan.changes)
            .map(|_| (began + span(random, plan.lasts), random.random_range(0..plan.resources)))
            .collect();
        let replicas = (0..2).map(|_| Fate::draw(plan, began, random, &mut changes)).collect();
        changes.sort_unstable();
        Self { replicas, changes }
    }
}

impl Fate {
    fn draw(plan: &Plan, began: Instant, random: &mut StdRng, changes: &mut Vec<(Instant, usize)>) -> Self {
        let end = began + plan.lasts;
        let mut fate = Self::default();
        let (mut from, mut now) = (began + span(random, SECOND), began);
        loop {
            now += SECOND * 20 + span(random, plan.quiet);
            if now >= end {
                break;
            }
            let mishap = plan.mishaps[random.random_range(0..plan.mishaps.len())];
            if plan.bursts && mishap != Mishap::LeaseFails {
                let (at, account) = (now - span(random, SECOND * 4), random.random_range(0..plan.accounts));
                changes.extend((account..plan.resources).step_by(plan.accounts).map(|n| (at, n)));
            }
            let until = now + SECOND / 2 + span(random, SECOND * 40);
            match mishap {
                Mishap::Stops | Mishap::Dies => {
                    let is_told = mishap == Mishap::Stops;
                    fate.lives.push(Life {
                        from,
                        until: now,
                        is_told,
                    });
                    from = until;
                }
                Mishap::Hangs => fate.hangs.push((now, until)),
                Mishap::LeaseFails => {
                    let all = [Trouble::Refused, Trouble::Swallowed, Trouble::Unanswered];
                    fate.troubles.push((now, until, all[random.random_range(0..all.len())]));
                }
            }
            now = until;
        }
        fate.lives.push(Life {
            from,
            until: end,
            is_told: false,
        });
        fate
    }
}
