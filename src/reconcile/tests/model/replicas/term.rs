use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::super::HOUR;
use super::door::Door;
use super::lease_server::LeaseServer;
use super::pass::{Ended, Pass};
use super::world::{Object, Shared};
use crate::lease::LeaseClaim;
use crate::quota::{Line, Owner, Position, Queue, Sizes, Urgency};
use crate::reconcile::due::{Due, RetryInputs, View, due};
use crate::reconcile::next_action::{End, Next, Timing, next_action};
use crate::reconcile::object_state::{Live, Schedule};
use crate::schedule::Backoff;
use crate::service::{Service, Turn};

/// What the passes of one term of leadership share.
pub(super) struct Term {
    pub(super) world: Shared,
    pub(super) lease: LeaseServer,
    pub(super) replica: usize,
    pub(super) identity: String,
    pub(super) door: Door,
    pub(super) service: Service,
    pub(super) claim: LeaseClaim,
    pub(super) began: Instant,
    pub(super) stop: CancellationToken,
}

impl Term {
    pub(super) fn may_write(&self) -> bool {
        !self.stop.is_cancelled() && self.claim.holds()
    }
}

/// The time in which a replica leads, also where it ends with the replica.
struct Leading(Shared, usize);

impl Drop for Leading {
    fn drop(&mut self) {
        self.0.lock().record.stops_to_lead(self.1);
    }
}

/// What is remembered of a resource, for one term.
#[derive(Default)]
struct Memory {
    schedule: Option<Schedule>,
    backoff: Backoff,
    live: Live,
    found_at: Option<i64>,
}

/// As the controller's runner: looks at what is woken and at what is due.
struct Runner {
    term: Arc<Term>,
    queue: Queue<usize>,
    memory: Vec<Memory>,
    timers: BTreeSet<(Instant, usize)>,
    timer_of: HashMap<usize, Instant>,
    running: HashMap<usize, (RetryInputs, CancellationToken)>,
    passes: FuturesUnordered<Pin<Box<dyn Future<Output = Ended> + Send>>>,
}

/// Works until the term's stop, and until the passes under way have ended.
pub(super) async fn work(term: Arc<Term>) {
    let (mut woken, resources, leading) = {
        let mut world = term.world.lock();
        let leading = Leading(
            Arc::clone(&term.world),
            world.record.leads(term.replica, term.claim.clone()),
        );
        (world.watch(), world.objects.len(), leading)
    };
    let mut leading = Some(leading);
    let mut runner = Runner {
        term: Arc::clone(&term),
        queue: Queue::new(Sizes::of(64, super::super::QPS as usize)),
        memory: (0..resources).map(|_| Memory::default()).collect(),
        timers: BTreeSet::new(),
        timer_of: HashMap::new(),
        running: HashMap::new(),
        passes: FuturesUnordered::new(),
    };
    for n in 0..resources {
        runner.look(n, Position::Tail);
    }
    loop {
        let stops = term.stop.is_cancelled();
        if stops {
            leading.take();
            runner
                .running
                .values()
                .for_each(|(_, interrupted)| interrupted.cancel());
            if runner.passes.is_empty() {
                return;
            }
        } else {
            runner.begin();
        }
        let moments = [runner.timers.first().map(|(at, _)| *at), runner.queue.next_event()];
        let next = moments.into_iter().flatten().min();
        tokio::select! {
            biased;
            () = term.stop.cancelled(), if !stops => {}
            Some(ended) = runner.passes.next(), if !runner.passes.is_empty() => runner.ended(ended),
            Some(n) = woken.recv(), if !stops => runner.look(n, Position::Tail),
            () = sleep_until(next.unwrap_or_else(|| Instant::now() + HOUR)), if !stops => runner.tick(),
        }
    }
}

impl Runner {
    fn object(&self, n: usize) -> Object {
        self.term.world.lock().objects[n].clone()
    }

    /// What is due for a resource, as it is now.
    fn due(&mut self, n: usize, object: &Object) -> (Due, RetryInputs) {
        let now = Instant::now();
        let until_check = self.term.world.lock().until_check(n);
        let memory = &mut self.memory[n];
        let schedule = memory.schedule.get_or_insert_with(|| {
            memory.found_at = Some(object.generation);
            Schedule::first(now, until_check)
        });
        let inputs = RetryInputs {
            generation: object.generation,
            ..RetryInputs::default()
        };
        let due = due(&View {
            inputs: &inputs,
            status: &object.status,
            suspended: false,
            has_finalizer: true,
            retry: schedule.retry.as_ref(),
            ownership_changed: false,
            unblocked: false,
            unwritten: None,
            next_check: schedule.next_check,
            now,
        });
        (due, inputs)
    }

    fn set_timer(&mut self, n: usize, at: Option<Instant>) {
        if let Some(before) = self.timer_of.remove(&n) {
            self.timers.remove(&(before, n));
        }
        if let Some(at) = at {
            self.timer_of.insert(n, at);
            self.timers.insert((at, n));
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.queue.wake_rested(now);
        while let Some((_, n)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.set_timer(n, None);
            self.look(n, Position::Tail);
        }
    }

    fn look(&mut self, n: usize, position: Position) {
        let object = self.object(n);
        let (due, inputs) = self.due(n, &object);
        if let Some((before, interrupted)) = self.running.get(&n) {
            if before.are_outdated_by(&inputs) {
                interrupted.cancel();
            }
            return;
        }
        if let Due::Nothing(wait) = due {
            self.queue.withdraw(&n);
            self.set_timer(n, wait.map(|wait| Instant::now() + wait));
            return;
        }
        self.set_timer(n, None);
        let (line, urgency) = (line(&object), self.urgency(n, due, &inputs));
        self.queue.wait(&n, line, urgency, position, Instant::now());
    }

    fn urgency(&self, n: usize, due: Due, inputs: &RetryInputs) -> Urgency {
        let memory = &self.memory[n];
        let retry = memory.schedule.as_ref().and_then(|schedule| schedule.retry.as_ref());
        let is_retry = retry.is_some_and(|retry| retry.inputs.still_hold(inputs));
        match due {
            Due::ScheduledCheck => Urgency::Check,
            _ if is_retry || memory.found_at == Some(inputs.generation) => Urgency::Backlog,
            _ => Urgency::Change,
        }
    }

    fn begin(&mut self) {
        while let Some(begun) = self.queue.begin(Instant::now()) {
            let n = begun.key;
            let object = self.object(n);
            let (due, inputs) = self.due(n, &object);
            if let Due::Nothing(_) = due {
                self.queue.ended(&n);
                self.look(n, Position::Tail);
                continue;
            }
            let interrupted = CancellationToken::new();
            let mut turn = Turn::alone(self.urgency(n, due, &inputs));
            turn.interrupted = interrupted.clone();
            self.running.insert(n, (inputs.clone(), interrupted));
            let pass = Pass::new(&self.term, n, object, turn, self.memory[n].live);
            self.passes.push(Box::pin(pass.run(inputs)));
        }
    }

    fn ended(&mut self, ended: Ended) {
        let Ended { n, end, live, .. } = ended;
        let now = Instant::now();
        self.running.remove(&n);
        self.queue.ended(&n);
        let until_check = {
            let mut world = self.term.world.lock();
            if matches!(end, End::Done | End::ReadBackDue) {
                world.record.looked_at(n, ended.generation);
            }
            world.until_check(n)
        };
        let timing = Timing {
            deleting: false,
            until_release: HOUR,
            suspended: false,
            until_check,
            asked_anew: false,
        };
        let memory = &mut self.memory[n];
        memory.live = live;
        let next = next_action(end, &timing, &mut memory.backoff);
        if matches!(next, Next::AwaitChange | Next::ScheduledCheck | Next::Retry(_)) {
            memory.found_at = None;
        }
        let mut position = Position::Tail;
        if let Some(schedule) = &mut memory.schedule {
            schedule.go_on(next, ended.began, now, until_check, || ended.inputs);
            if schedule.head.is_some() {
                position = Position::Head;
            }
        }
        self.look(n, position);
    }
}

fn line(object: &Object) -> Line {
    Line {
        owner: Owner::Account(object.account.clone()),
        endpoint: String::new(),
    }
}
