//! Many resources, and replicas that lead one after another: each begins with nothing remembered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::worst_second::{Digest, WorstSecond};
use super::{HOUR, QPS, SECOND, account, in_made_up_time, span, uid, wall_since};
use crate::cloud::Operation;
use crate::domain::AccountKey;
use crate::quota::{Answered, Calls, Line, NoPermit, Owner, Position, Queue, Sizes, Urgency};
use crate::reconcile::next_action::{End, Next, Timing, next_action};
use crate::schedule::{Backoff, next_check};

/// The longest pause that a backoff makes.
const LONGEST_RETRY: Duration = Duration::from_secs(300);

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) resources: usize,
    pub(super) accounts: usize,
    pub(super) lasts: Duration,
    /// Changes by users, in all.
    pub(super) changes: usize,
    /// How often another replica takes over.
    pub(super) takeovers: usize,
    /// How often an account cannot be served for some minutes.
    pub(super) outages: usize,
}

/// The service: it measures, and answers.
struct Service {
    began: Instant,
    arrivals: WorstSecond,
    outages: Vec<(AccountKey, Instant, Instant)>,
    throttled: usize,
    calls: [usize; 3],
    /// Of all that was called, and when.
    digest: Digest,
}

enum Answer {
    Done,
    Throttled,
    Unavailable,
}

impl Service {
    fn call(&mut self, account: &AccountKey, operation: Operation) -> Answer {
        let now = Instant::now();
        self.digest.add(&(now - self.began).as_micros().to_le_bytes());
        self.calls[operation.index()] += 1;
        if self.arrivals.arrives(account, operation) > QPS as usize {
            self.throttled += 1;
            return Answer::Throttled;
        }
        let down = |(of, from, to): &(AccountKey, Instant, Instant)| of == account && *from <= now && now < *to;
        if self.outages.iter().any(down) {
            return Answer::Unavailable;
        }
        Answer::Done
    }
}

struct Resource {
    uid: String,
    account: AccountKey,
    interval: Duration,
    /// Since when a change waits to be carried out.
    changed: Option<Instant>,
    /// When it was last looked at with success.
    checked: Instant,
    backoff: Backoff,
}

/// What came of a week.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) most: usize,
    pub(super) throttled: usize,
    pub(super) gets: usize,
    pub(super) sets: usize,
    pub(super) writes: usize,
    /// The longest that a check came after its time, beyond what an outage and the longest retry account for.
    pub(super) latest_check: Duration,
    /// The same for changes.
    pub(super) latest_change: Duration,
    pub(super) digest: Digest,
}

struct Model {
    plan: Plan,
    random: StdRng,
    service: Arc<Mutex<Service>>,
    resources: Vec<Resource>,
    users: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Status and finalizer patches.
    writes: usize,
    latest_check: Duration,
    latest_change: Duration,
    began: Instant,
}

/// What a pass did.
struct Ended {
    resource: usize,
    end: End,
    was_change: bool,
    rests_until: Option<Instant>,
}

impl Model {
    fn new(plan: Plan) -> Self {
        let began = Instant::now();
        let mut random = StdRng::seed_from_u64(plan.seed);
        let resources = (0..plan.resources)
            .map(|n| Resource {
                uid: uid(n),
                account: account(n % plan.accounts),
                interval: match n % 20 {
                    0 => HOUR,
                    1..4 => HOUR * 6,
                    _ => HOUR * 24,
                },
                changed: Some(began),
                checked: began,
                backoff: Backoff::default(),
            })
            .collect();
        let users = (0..plan.changes)
            .map(|_| {
                Reverse((
                    began + span(&mut random, plan.lasts),
                    random.random_range(0..plan.resources),
                ))
            })
            .collect();
        let outages = (0..plan.outages)
            .map(|_| {
                let from = began + span(&mut random, plan.lasts);
                let to = from + span(&mut random, Duration::from_secs(600));
                (account(random.random_range(0..plan.accounts)), from, to)
            })
            .collect();
        let service = Service {
            began,
            arrivals: WorstSecond::of(SECOND),
            outages,
            throttled: 0,
            calls: [0; 3],
            digest: Digest::default(),
        };
        Self {
            plan,
            random,
            service: Arc::new(Mutex::new(service)),
            resources,
            users,
            writes: 0,
            latest_check: Duration::ZERO,
            latest_change: Duration::ZERO,
            began,
        }
    }

    async fn run(mut self) -> Report {
        let end = self.began + self.plan.lasts;
        let mut takeovers: Vec<Instant> = (0..self.plan.takeovers)
            .map(|_| self.began + span(&mut self.random, self.plan.lasts))
            .collect();
        takeovers.sort();
        takeovers.push(end);
        for (reign, until) in takeovers.into_iter().enumerate() {
            self.reign(until, reign > 0).await;
        }
        let service = self.service.lock();
        Report {
            most: service.arrivals.most,
            throttled: service.throttled,
            gets: service.calls[Operation::Get.index()],
            sets: service.calls[Operation::Set.index()],
            writes: self.writes,
            latest_check: self.latest_check,
            latest_change: self.latest_change,
            digest: service.digest,
        }
    }

    /// One replica leads until then, and is cut off: its calls are lost, and nothing it remembers is left.
    async fn reign(&mut self, until: Instant, has_predecessor: bool) {
        let calls = Arc::new(Calls::new(QPS, |_| {}));
        if has_predecessor {
            calls.be_silent();
        }
        // As `run` makes it from the defaults of the flags.
        let mut queue = Queue::new(Sizes { passes: 1024, each: 30 });
        let mut passes = JoinSet::new();
        let mut timers = BinaryHeap::new();
        let mut due = vec![Instant::now(); self.resources.len()];
        for (n, due) in due.iter_mut().enumerate() {
            let resource = &mut self.resources[n];
            resource.backoff.reset();
            // A check that was under way is lost with its replica, and comes at its next moment.
            if has_predecessor && resource.checked.elapsed() >= resource.interval {
                resource.checked = Instant::now();
            }
            let at = match self.resources[n].changed {
                Some(_) => Instant::now(),
                None => Instant::now() + self.until_check(n),
            };
            *due = at;
            timers.push(Reverse((at, n)));
        }
        loop {
            let now = Instant::now();
            if now >= until {
                return;
            }
            while let Some(Reverse((at, n))) = self.users.peek().copied()
                && at <= now
            {
                self.users.pop();
                self.resources[n].changed.get_or_insert(at);
                due[n] = at;
                timers.push(Reverse((at, n)));
            }
            while let Some(Reverse((at, n))) = timers.peek().copied()
                && at <= now
            {
                timers.pop();
                // Another moment was set since.
                if due[n] == at && !queue.is_running(&n) {
                    queue.wait(&n, self.line(n), self.urgency(n), Position::Tail, now);
                }
            }
            while let Some(begun) = queue.begin(now) {
                self.begin(begun.key, &calls, &mut passes);
            }
            let moments = [
                timers.peek().map(|Reverse((at, _))| *at),
                self.users.peek().map(|Reverse((at, _))| *at),
                queue.next_event(),
                Some(until),
            ];
            let next = moments.into_iter().flatten().min().unwrap_or(until);
            tokio::select! {
                biased;
                Some(ended) = passes.join_next(), if !passes.is_empty() => {
                    let ended: Ended = ended.expect("a pass does not panic");
                    let n = ended.resource;
                    queue.ended(&n);
                    if let Some(rests) = ended.rests_until {
                        queue.rest(&self.resources[n].account, rests);
                    }
                    match self.after(&ended) {
                        Next::Head => queue.wait(&n, self.line(n), self.urgency(n), Position::Head, Instant::now()),
                        Next::Retry(wait) => {
                            due[n] = Instant::now() + wait;
                            timers.push(Reverse((due[n], n)));
                        }
                        _ => {
                            let changed = self.resources[n].changed.is_some();
                            due[n] = Instant::now() + if changed { Duration::ZERO } else { self.until_check(n) };
                            timers.push(Reverse((due[n], n)));
                        }
                    }
                }
                () = sleep_until(next) => {}
            }
        }
    }

    fn until_check(&self, n: usize) -> Duration {
        let resource = &self.resources[n];
        next_check(&resource.uid, resource.interval, wall_since(self.began))
    }

    fn line(&self, n: usize) -> Line {
        Line {
            owner: Owner::Account(self.resources[n].account.clone()),
            endpoint: String::new(),
        }
    }

    fn urgency(&self, n: usize) -> Urgency {
        match self.resources[n].changed {
            Some(_) => Urgency::Change,
            None => Urgency::Check,
        }
    }

    fn begin(&mut self, n: usize, calls: &Arc<Calls>, passes: &mut JoinSet<Ended>) {
        let (calls, service) = (Arc::clone(calls), Arc::clone(&self.service));
        let account = self.resources[n].account.clone();
        let (was_change, urgency) = (self.resources[n].changed.is_some(), self.urgency(n));
        let one_way = Duration::from_millis(self.random.random_range(5..60));
        passes.spawn(async move {
            let operations: &[Operation] = match was_change {
                true => &[Operation::Get, Operation::Set, Operation::Get],
                false => &[Operation::Get],
            };
            let ended = |end, rests_until| Ended {
                resource: n,
                end,
                was_change,
                rests_until,
            };
            for operation in operations {
                let newer = CancellationToken::new();
                let mut permit = match calls.permit(&account, *operation, urgency, &newer).await {
                    Ok(permit) => permit,
                    Err(NoPermit::Rests { until }) => return ended(End::Throttled, Some(until)),
                    Err(NoPermit::Interrupted) => return ended(End::Outdated, None),
                };
                permit.send();
                sleep(one_way).await;
                let answer = service.lock().call(&account, *operation);
                sleep(one_way).await;
                match answer {
                    Answer::Done => permit.answered(Answered::Counted),
                    Answer::Throttled => {
                        permit.answered(Answered::Throttled);
                        return ended(End::Throttled, None);
                    }
                    Answer::Unavailable => {
                        permit.answered(Answered::Counted);
                        return ended(End::Waiting { not_before: None }, None);
                    }
                }
            }
            ended(End::Done, None)
        });
    }

    fn after(&mut self, ended: &Ended) -> Next {
        let n = ended.resource;
        let until_check = self.until_check(n);
        let timing = Timing {
            deleting: false,
            until_release: HOUR,
            suspended: false,
            until_check,
            asked_anew: false,
        };
        if ended.end == End::Done {
            let now = Instant::now();
            let excused = self.excused(n, now);
            let resource = &mut self.resources[n];
            if ended.was_change {
                let waited = resource.changed.take().map_or(Duration::ZERO, |since| now - since);
                self.latest_change = self.latest_change.max(waited.saturating_sub(excused));
                // The status says what was applied; a check that finds all well says nothing.
                self.writes += 1;
            } else {
                let late = (now - resource.checked).saturating_sub(resource.interval);
                self.latest_check = self.latest_check.max(late.saturating_sub(excused));
            }
            resource.checked = now;
        }
        next_action(ended.end, &timing, &mut self.resources[n].backoff)
    }

    /// What the outages of its account since it was last well account for.
    fn excused(&self, n: usize, now: Instant) -> Duration {
        let resource = &self.resources[n];
        let service = self.service.lock();
        let its = service.outages.iter().filter(|(of, from, to)| {
            *of == resource.account && *from <= now && *to + LONGEST_RETRY >= resource.checked
        });
        its.map(|(_, from, to)| *to - *from + LONGEST_RETRY).sum()
    }
}

pub(super) fn simulate(plan: Plan) -> Report {
    in_made_up_time(async { Model::new(plan).run().await })
}
