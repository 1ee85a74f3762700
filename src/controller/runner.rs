//! Has the resources that are due looked at, each alone, as many at once as the queue allows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use kube::ResourceExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::passes::{Ended, Passes};
use crate::ownership::ObjectName;
use crate::quota::{Begun, Position, Urgency};
use crate::reconcile::context::Context;
use crate::reconcile::due::{Due, Retry, RetryInputs};
use crate::reconcile::object_state::Schedule;
use crate::reconcile::{Pass, reconcile, say_waiting, write_status};
use crate::service::Turn;

/// So long a stop waits for an API server that would not take a status before.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// So many of them are written at once.
const LAST_WORDS_AT_ONCE: usize = 16;
/// A change that waits longer than this for its turn says so in its status.
const QUIET_WAIT: Duration = Duration::from_secs(5);
/// So many resources are looked at before passes begin again: looking is cheap, and one burst must not hold up others.
const AT_ONCE: usize = 256;

/// Moments at which resources are looked at again.
#[derive(Default)]
struct Timers {
    at: HashMap<ObjectName, Instant>,
    order: BTreeSet<(Instant, ObjectName)>,
}

impl Timers {
    fn set(&mut self, name: &ObjectName, at: Option<Instant>) {
        if let Some(before) = self.at.remove(name) {
            self.order.remove(&(before, name.clone()));
        }
        if let Some(at) = at {
            self.at.insert(name.clone(), at);
            self.order.insert((at, name.clone()));
        }
    }

    fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    fn pop(&mut self, now: Instant) -> Option<ObjectName> {
        if self.next()? > now {
            return None;
        }
        let (_, name) = self.order.pop_first()?;
        self.at.remove(&name);
        Some(name)
    }
}

/// A pass under way.
struct Running {
    inputs: RetryInputs,
    interrupted: CancellationToken,
}

struct Runner {
    ctx: Arc<Context>,
    passes: Passes<ObjectName>,
    running: HashMap<ObjectName, Running>,
    looks: Timers,
    /// Changes that wait, by when they have waited for long.
    waits: Timers,
    /// Those that have, and of which it is to be said.
    waiting: UnboundedSender<ObjectName>,
}

/// Looks at what is `woken` and at what is due, until `ctx.stop` is cancelled and the passes under way have ended.
pub(super) async fn run(ctx: Arc<Context>, mut woken: UnboundedReceiver<ObjectName>) {
    let (waiting, waiting_ones) = unbounded_channel();
    // It ends with the runner, and nothing waits for it.
    tokio::spawn(say_one_after_another(Arc::clone(&ctx), waiting_ones));
    let mut runner = Runner {
        ctx: Arc::clone(&ctx),
        passes: Passes::new(),
        running: HashMap::new(),
        looks: Timers::default(),
        waits: Timers::default(),
        waiting,
    };
    let mut batch = Vec::with_capacity(AT_ONCE);
    while !(ctx.stop.is_cancelled() && runner.passes.is_empty()) {
        let next = runner.next_moment();
        let timer = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = ctx.stop.cancelled(), if !ctx.stop.is_cancelled() => runner.interrupt_all(),
            Some((name, how)) = runner.passes.ended() => runner.ended(&name, how),
            count = woken.recv_many(&mut batch, AT_ONCE), if !ctx.stop.is_cancelled() => {
                for name in batch.drain(..count) {
                    runner.look(&name, Position::Tail);
                }
            }
            () = ctx.places.freed(), if !ctx.stop.is_cancelled() => {}
            () = timer, if !ctx.stop.is_cancelled() => runner.tick(),
            // The stop came between the loop's question and these.
            else => {}
        }
        if ctx.stop.is_cancelled() {
            runner.interrupt_all();
        } else {
            runner.begin();
        }
    }
    if tokio::time::timeout(LAST_WORDS, write_what_is_kept(&ctx))
        .await
        .is_err()
    {
        tracing::warn!("not every status that the API server would not take before was written");
    }
}

/// What a status that could not be written says is lost with the process, and with it what was applied.
async fn write_what_is_kept(ctx: &Arc<Context>) {
    let kept = ctx.object_states.unwritten();
    if kept.is_empty() {
        return;
    }
    let resources = ctx
        .stores
        .all()
        .filter(|resource| resource.uid().is_some_and(|uid| kept.contains(&uid)));
    let written = resources.map(|resource| async move {
        let pass = Pass::look(ctx, Arc::new(resource));
        write_status(&pass).await;
    });
    stream::iter(written)
        .buffer_unordered(LAST_WORDS_AT_ONCE)
        .collect::<()>()
        .await;
}

impl Runner {
    fn next_moment(&self) -> Option<Instant> {
        let queue = self.ctx.queue().next_event();
        [self.looks.next(), self.waits.next(), queue]
            .into_iter()
            .flatten()
            .min()
    }

    fn tick(&mut self) {
        let now = Instant::now();
        // Also while no place is free: a moment that has passed must not be waited for again.
        self.ctx.queue().wake_rested(now);
        for _ in 0..AT_ONCE {
            let Some(name) = self.looks.pop(now) else { break };
            self.look(&name, Position::Tail);
        }
        while let Some(name) = self.waits.pop(now) {
            if self.ctx.queue().waits_since(&name).is_none() {
                continue;
            }
            if !self.ctx.queue().waits_for_quota(&name) {
                self.waits.set(&name, Some(now + QUIET_WAIT));
            } else {
                let _ = self.waiting.send(name);
            }
        }
    }

    /// Looks at a resource: what is due is queued, what is not is looked at later.
    fn look(&mut self, name: &ObjectName, position: Position) {
        let Some(resource) = self.ctx.stores.get(name) else {
            self.looks.set(name, None);
            self.waits.set(name, None);
            self.ctx.queue().withdraw(name);
            if let Some(running) = self.running.get(name) {
                running.interrupted.cancel();
            }
            return;
        };
        let now = Instant::now();
        let pass = Pass::look(&self.ctx, resource);
        if let Some(running) = self.running.get(name) {
            // It is looked at again when its pass has ended; one that goes by older inputs need not wait any longer.
            if running.inputs.are_outdated_by(&pass.inputs) {
                running.interrupted.cancel();
            }
            return;
        }
        match pass.due {
            Due::Nothing(wait) => {
                self.ctx.queue().withdraw(name);
                self.waits.set(name, None);
                self.looks.set(name, wait.map(|wait| now + wait));
            }
            due => {
                self.looks.set(name, None);
                let line = pass.line();
                let mut queue = self.ctx.queue();
                queue.wait(name, line, pass.urgency(), position, now);
                if due == Due::Change && !self.waits.at.contains_key(name) {
                    self.waits.set(name, Some(now + QUIET_WAIT));
                }
            }
        }
    }

    /// Begins as many passes as may begin.
    fn begin(&mut self) {
        loop {
            // Those that have begun go first, so that a crowd waits where it costs nothing.
            let places = &self.ctx.places;
            let (begun, place) = if let Some(place) = places.try_take(Urgency::Backlog) {
                (self.ctx.queue().begin(Instant::now()), place)
            } else if let Some(place) = places.try_take(Urgency::Change) {
                (self.ctx.queue().begin_change(Instant::now()), place)
            } else {
                return;
            };
            let Some(Begun { key: name, .. }) = begun else { return };
            self.waits.set(&name, None);
            let Some(resource) = self.ctx.stores.get(&name) else {
                self.ctx.queue().ended(&name);
                continue;
            };
            // As it is now, whatever it was when it began to wait.
            let pass = Pass::look(&self.ctx, resource);
            pass.begin();
            let interrupted = CancellationToken::new();
            let running = Running {
                inputs: pass.inputs.clone(),
                interrupted: interrupted.clone(),
            };
            let span = tracing::info_span!("reconcile", resource = %name, uid = %pass.uid);
            let places = Arc::clone(&self.ctx.places);
            let work = async move {
                let turn = Turn::new(places, place, pass.urgency(), interrupted);
                reconcile(pass, &turn).await;
            };
            self.passes.begin(name.clone(), work.instrument(span));
            self.running.insert(name, running);
        }
    }

    fn ended(&mut self, name: &ObjectName, how: Ended) {
        self.running.remove(name);
        self.ctx.queue().ended(name);
        if how == Ended::Panicked {
            self.back_off(name);
        }
        // A throttled one goes on where it was.
        let held = self.ctx.stores.held(name);
        let entry = held.and_then(|held| self.ctx.object_states.find(held.uid()));
        let waits_at_head = entry.is_some_and(|entry| entry.lock().schedule.as_ref().is_some_and(|s| s.head.is_some()));
        let position = if waits_at_head { Position::Head } else { Position::Tail };
        self.look(name, position);
    }

    /// A pass that panicked stops no other resource, and is not repeated at once.
    fn back_off(&self, name: &ObjectName) {
        let Some(resource) = self.ctx.stores.get(name) else {
            return;
        };
        let pass = Pass::look(&self.ctx, resource);
        let mut state = pass.entry.lock();
        let wait = state.backoff.next(None);
        tracing::error!(resource = %name, retry_in = ?wait, "a reconcile panicked; the others go on");
        let at = Instant::now() + wait;
        state.schedule = Some(Schedule {
            next_check: at,
            retry: Some(Retry {
                at,
                inputs: pass.inputs.clone(),
            }),
            head: None,
        });
        self.ctx.metrics.reconciled("transient", Duration::ZERO);
    }

    fn interrupt_all(&self) {
        self.running.values().for_each(|running| running.interrupted.cancel());
    }
}

/// Says of those that wait that they do, one after another, and takes a third of the time for it: what a crowd has to say
/// must not stand before what others do, and many need not say it any more when it would be their turn.
async fn say_one_after_another(ctx: Arc<Context>, mut waiting: UnboundedReceiver<ObjectName>) {
    while let Some(name) = waiting.recv().await {
        if ctx.stop.is_cancelled() {
            return;
        }
        if let Some(resource) = ctx.stores.get(&name) {
            let began = Instant::now();
            say_waiting(&ctx, resource).await;
            tokio::time::sleep(began.elapsed() * 2).await;
        }
    }
}
