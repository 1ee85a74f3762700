use std::pin::pin;
use std::sync::Arc;

use rand::RngExt;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::super::QPS;
use super::door::Door;
use super::lease_server::{LeaseServer, Way};
use super::script::Fate;
use super::standstill::Standstill;
use super::term::{Term, work};
use super::world::Shared;
use crate::lease::{LeaseClient, LeaseTimings};
use crate::quota::Calls;

/// A replica: one process after the other, each with nothing remembered.
pub(super) struct Replica {
    pub(super) number: usize,
    pub(super) world: Shared,
    pub(super) lease: LeaseServer,
    pub(super) door: Door,
    pub(super) fate: Fate,
}

impl Replica {
    pub(super) async fn run(self) {
        for (nth, life) in self.fate.lives.iter().enumerate() {
            sleep_until(life.from).await;
            let stop = CancellationToken::new();
            let identity = format!("{}_{nth}", self.number);
            let process = Standstill::new(self.process(identity, stop.clone()), &self.fate.hangs);
            let end = async {
                sleep_until(life.until).await;
                if life.is_told {
                    stop.cancel();
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = end => {}
                () = process => {}
            }
        }
    }

    /// As `run` does it with an election, but for the task that renews, which is part of the process here.
    async fn process(&self, identity: String, stop: CancellationToken) {
        let way = Way {
            server: self.lease.clone(),
            world: Arc::clone(&self.world),
            troubles: self.fate.troubles.clone().into(),
        };
        let calls = Arc::new(Calls::new(QPS, |_| {}));
        let timings = LeaseTimings::default();
        let mut client = LeaseClient::new(way.client(), "ops", crate::NAME, identity.clone(), timings);
        loop {
            let won = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                won = client.win(|| self.world.lock().random.random()) => won,
            };
            let (claim, may_follow_calls) = won;
            if may_follow_calls {
                calls.be_silent();
            }
            let (over, done, ended) = (CancellationToken::new(), CancellationToken::new(), stop.child_token());
            let term = Term {
                world: Arc::clone(&self.world),
                lease: self.lease.clone(),
                replica: self.number,
                identity: identity.clone(),
                door: self.door.clone(),
                service: self.door.open(&calls, claim.clone()),
                claim: claim.clone(),
                began: Instant::now(),
                stop: ended.clone(),
            };
            let keeping = client.clone().keep(claim, over.clone().drop_guard(), done.clone());
            let working = async {
                let mut work = pin!(work(Arc::new(term)));
                // The work first: after a standstill it must not depend on the renewal to notice.
                tokio::select! {
                    biased;
                    () = work.as_mut() => {}
                    () = over.cancelled() => {
                        ended.cancel();
                        work.await;
                    }
                }
                done.cancel();
            };
            (client, ()) = tokio::join!(keeping, working);
            if stop.is_cancelled() {
                break;
            }
        }
        client.release().await;
    }
}
