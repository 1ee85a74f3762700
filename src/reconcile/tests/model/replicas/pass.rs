use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::RngExt;
use tokio::time::{Instant, sleep};

use super::super::wall_since;
use super::network::{one_way, over_the_network};
use super::record::Call;
use super::term::Term;
use super::world::{Object, World};
use crate::api::AppliedSetting;
use crate::cloud::Operation;
use crate::domain::{Baseline, LiveSetting, ReadBack, Setting};
use crate::reconcile::convert;
use crate::reconcile::decide::Plan;
use crate::reconcile::due::RetryInputs;
use crate::reconcile::facts::{Basis, Facts};
use crate::reconcile::next_action::End;
use crate::reconcile::object_state::Live;
use crate::reconcile::report::{Edit, StatusUpdate, next_status};
use crate::service::{Turn, Unserved};
use crate::status::{Outcome, Reason, ready_reason};

/// What a pass came to.
pub(super) struct Ended {
    pub(super) n: usize,
    pub(super) end: End,
    pub(super) live: Live,
    pub(super) began: Instant,
    pub(super) generation: i64,
    pub(super) inputs: RetryInputs,
}

/// One look at one resource: observes, decides with the real rules, acts through the real door, and reports.
pub(super) struct Pass {
    term: Arc<Term>,
    n: usize,
    object: Object,
    turn: Turn,
    live: Live,
    has_called: AtomicBool,
}

impl Pass {
    pub(super) fn new(term: &Arc<Term>, n: usize, object: Object, turn: Turn, live: Live) -> Self {
        Self {
            term: Arc::clone(term),
            n,
            object,
            turn,
            live,
            has_called: AtomicBool::new(false),
        }
    }

    pub(super) async fn run(mut self, inputs: RetryInputs) -> Ended {
        let began = Instant::now();
        let end = match self.apply().await {
            Ok(update) => self.report(&update).await,
            Err(unserved) => self.failed(&unserved),
        };
        Ended {
            n: self.n,
            end,
            live: self.live,
            began,
            generation: self.object.generation,
            inputs,
        }
    }

    /// As `apply` and `act` do it.
    async fn apply(&mut self) -> Result<StatusUpdate, Unserved> {
        if self.turn.interrupted.is_cancelled() {
            return Err(Unserved::Outdated);
        }
        let object = self.object.clone();
        let wanted = convert::setting(&object.spec, None).unwrap();
        let wanted_applied = convert::applied(&object.spec, None);
        let facts = Facts::of(&Basis {
            spec: &object.spec,
            generation: object.generation,
            status: &object.status,
            account_before: None,
            wanted: &wanted,
            wanted_applied: &wanted_applied,
            account: &object.account,
        });
        let observed = facts.observed(self.live == Live::ReadBackDue);
        let live = if observed.needs_live(self.live == Live::Known) {
            let live = self.get().await?;
            self.live = Live::Known;
            Some(live)
        } else {
            None
        };
        let said = |reason, baseline: Option<Baseline>| StatusUpdate {
            outcome: Some(Outcome::new(reason, reason.as_str())),
            applied: Some(wanted_applied.clone()),
            reported: baseline.map_or(Edit::Keep, |baseline| Edit::To(convert::reported(&baseline))),
            ..StatusUpdate::default()
        };
        match observed.decide(live.as_ref().map(Option::as_ref)) {
            Plan::Set(_) => self.set(&wanted, wanted_applied.clone()).await,
            Plan::Adopt(baseline) => Ok(said(Reason::InSync, Some(baseline))),
            Plan::InSync(baseline) => {
                let before = ready_reason(&object.status.conditions);
                Ok(said(before.unwrap_or(Reason::InSync), baseline))
            }
            Plan::TakeBaseline { baseline, .. } => Ok(said(Reason::Applied, Some(baseline))),
            plan @ (Plan::ReportDrift(_) | Plan::ReportObserved(_)) => {
                let n = self.n;
                self.term.world.lock().record.wrong(format!("{plan:?} for {n}"));
                Err(Unserved::Outdated)
            }
        }
    }

    async fn set(&mut self, wanted: &Setting, applied: AppliedSetting) -> Result<StatusUpdate, Unserved> {
        let sent = AtomicBool::new(false);
        let still_wanted = || {
            let newest = self.term.world.lock().objects[self.n].generation;
            let is_wanted = newest == self.object.generation && self.term.may_write();
            sent.fetch_or(is_wanted, Ordering::Relaxed);
            is_wanted
        };
        let (n, setting) = (self.n, self.object.as_live());
        let result = self
            .call(Operation::Set, &still_wanted, move |world| {
                world.set(n, setting.clone())
            })
            .await;
        if sent.load(Ordering::Relaxed) {
            self.live = Live::Unknown;
        }
        result?;
        let reported = match self.get().await {
            Ok(live) => match wanted.judge_read_back(live.as_ref(), None) {
                ReadBack::Held { baseline, .. } if !wanted.doubts_read_back(live.as_ref(), None) => {
                    self.live = Live::Known;
                    Some(convert::reported(&baseline))
                }
                ReadBack::Held { .. } | ReadBack::Foreign(_) => {
                    self.term
                        .world
                        .lock()
                        .record
                        .wrong(format!("{n} reads back as something else"));
                    None
                }
            },
            Err(_) => {
                self.live = Live::ReadBackDue;
                None
            }
        };
        Ok(StatusUpdate {
            outcome: Some(Outcome::new(Reason::Applied, Reason::Applied.as_str())),
            applied: Some(applied),
            reported: reported.into(),
            ..StatusUpdate::default()
        })
    }

    async fn get(&self) -> Result<Option<LiveSetting>, Unserved> {
        let n = self.n;
        self.call(Operation::Get, &|| true, move |world| world.get(n)).await
    }

    async fn call<T: Send + 'static>(
        &self,
        operation: Operation,
        still_wanted: &(dyn Fn() -> bool + Sync),
        at_arrival: impl Fn(&mut World) -> T + Clone + Send + 'static,
    ) -> Result<T, Unserved> {
        let term = &self.term;
        let access = term.door.access(self.object.account.clone());
        let make = |_| {
            let at_arrival = at_arrival.clone();
            async move {
                let (connects, there, back) = {
                    let random = &mut term.world.lock().random;
                    let connects = if random.random_ratio(1, 10) {
                        one_way(random) * 3
                    } else {
                        one_way(random) / 40
                    };
                    (connects, one_way(random), one_way(random))
                };
                sleep(connects).await;
                self.sends(operation);
                let world = Arc::clone(&term.world);
                Ok(over_the_network(there, back, move || at_arrival(&mut world.lock())).await)
            }
        };
        term.service
            .call(operation, &access, &self.turn, still_wanted, make)
            .await
    }

    fn sends(&self, operation: Operation) {
        let mut world = self.term.world.lock();
        let (object, until_check) = (world.objects[self.n].clone(), world.until_check(self.n));
        let call = Call {
            by: &self.term.identity,
            leads_since: self.term.began,
            n: self.n,
            generation: self.object.generation,
            operation,
            is_first: !self.has_called.swap(true, Ordering::Relaxed),
        };
        world.record.sends(&call, &object, until_check, &self.term.lease);
    }

    /// As `report` does it: only where it is news, and only as long as this process leads.
    async fn report(&self, update: &StatusUpdate) -> End {
        let (term, n) = (&self.term, self.n);
        let (status, is_news, there, back) = {
            let mut world = term.world.lock();
            let now = wall_since(world.began);
            let current = &world.objects[n].status;
            let status = next_status(current, self.object.generation, update, now);
            let is_news = status != *current;
            (status, is_news, one_way(&mut world.random), one_way(&mut world.random))
        };
        if is_news && term.claim.holds() {
            let world = Arc::clone(&term.world);
            over_the_network(there, back, move || world.lock().store(n, status)).await;
        }
        match self.live {
            Live::ReadBackDue => End::ReadBackDue,
            Live::Known | Live::Unknown => End::Done,
        }
    }

    fn failed(&self, unserved: &Unserved) -> End {
        match unserved {
            _ if !self.term.claim.holds() => End::StaleLeader,
            Unserved::StaleLeader => End::StaleLeader,
            Unserved::Outdated => End::Outdated,
            Unserved::Call(_) | Unserved::Rests { .. } | Unserved::NoCredentials(_) => {
                let what = format!("{unserved:?}, though the service fails nobody");
                self.term.world.lock().record.wrong(what);
                End::Waiting { not_before: None }
            }
        }
    }
}
