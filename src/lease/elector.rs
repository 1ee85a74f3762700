use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::claim::Sent;
use super::{Candidate, LeaseClaim, LeaseTimings, Record, Step};
use crate::telemetry::in_words;

/// What holding the Lease gives.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// Cancelled when the term is over: somebody else leads, or the deadline passed without a renewal.
    pub token: CancellationToken,
    /// To be asked before each call to the service.
    pub claim: LeaseClaim,
    /// Whether calls of the one who led before may be less than a second old: they count in the service's quota.
    pub may_follow_calls: bool,
}

/// How long a call counts in the service's quota.
const CALL_COUNTS: Duration = Duration::from_secs(1);
/// The clock of the one who led before may differ from ours, but hardly by more than this.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// Takes part in the election. Dropping it ends the term without telling anybody: see [`Elector::release`].
#[derive(Debug)]
pub struct Elector {
    client: LeaseClient,
    renewal: Option<Renewal>,
}

#[derive(Debug)]
struct Renewal {
    claim: LeaseClaim,
    stop: DropGuard,
    task: JoinHandle<LeaseClient>,
}

impl Elector {
    /// An elector for the Lease of this name in this namespace.
    pub fn new(client: Client, namespace: &str, name: &str, identity: String, timings: LeaseTimings) -> Self {
        Self {
            client: LeaseClient::new(client, namespace, name, identity, timings),
            renewal: None,
        }
    }

    /// Waits for the leadership, and keeps renewing it from then on. `None` when `stop` came first; a term goes on
    /// after `stop`, so that work can drain under it, until [`Elector::release`].
    pub async fn acquire(&mut self, stop: CancellationToken) -> Option<Leadership> {
        self.end_term().await;
        let won = tokio::select! {
            // A process that is told to stop must not win, whatever else is ready at the same moment.
            biased;
            () = stop.cancelled() => None,
            won = self.client.win(rand::random) => Some(won),
        };
        let (claim, may_follow_calls) = won?;
        tracing::info!(identity = self.client.candidate.identity(), "leading");
        let (token, stop) = (CancellationToken::new(), CancellationToken::new());
        let keeping = self
            .client
            .clone()
            .keep(claim.clone(), token.clone().drop_guard(), stop.clone());
        self.client.current = false;
        self.renewal = Some(Renewal {
            claim: claim.clone(),
            stop: stop.drop_guard(),
            task: tokio::spawn(keeping),
        });
        Some(Leadership {
            token,
            claim,
            may_follow_calls,
        })
    }

    /// Ends the term and lets the others know, so that they need not wait for the Lease to run out. Only after the
    /// work has drained. What goes wrong is logged: the Lease runs out by itself.
    pub async fn release(&mut self) {
        self.end_term().await;
        self.client.release().await;
    }

    async fn end_term(&mut self) {
        let Some(Renewal { claim, stop, task }) = self.renewal.take() else {
            return;
        };
        claim.end();
        drop(stop);
        match task.await {
            Ok(client) => self.client = client,
            // We go on with what was known before the term; that it is over was told by the token.
            Err(_) => tracing::error!("the task that renews the Lease ended by itself"),
        }
    }
}

/// What a look at the Lease, and perhaps a write, led to.
enum Round {
    /// It is ours: the write that says so was sent then.
    Held(Sent),
    /// It is not.
    Wait(Duration),
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(
        "not allowed to {verb} the Lease {name}: bind a Role with get, create and update on \
         leases.coordination.k8s.io in namespace {namespace} to the operator's service account: {message}"
    )]
    Forbidden {
        verb: &'static str,
        namespace: String,
        name: String,
        message: String,
    },
    #[error("no answer in time to {0} the Lease")]
    Silence(&'static str),
    #[error("cannot {verb} the Lease: {}", in_words(.error))]
    Failure {
        verb: &'static str,
        error: Box<kube::Error>,
    },
    #[error("the Lease keeps being changed by others")]
    Crowded,
}

/// All of an elector but the task that renews, so that a model can have it run, stand still and die with the work.
#[derive(Clone, Debug)]
pub(crate) struct LeaseClient {
    api: Api<Lease>,
    namespace: String,
    name: String,
    candidate: Candidate,
    timings: LeaseTimings,
    start: Instant,
    /// As last read or written.
    lease: Option<Lease>,
    /// Whether a write may build on `lease` without another look; not so once a write's outcome is unknown.
    current: bool,
    /// Whether there may be fresh calls of another before ours, judged when the Lease was taken.
    follows_calls: bool,
    /// Whether a write of ours was ever sent: only then is there something to release.
    wrote: bool,
    /// The trouble last told of, so that it is told once and not every two seconds.
    told: Option<String>,
}

impl LeaseClient {
    pub(crate) fn new(client: Client, namespace: &str, name: &str, identity: String, timings: LeaseTimings) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            candidate: Candidate::new(identity, &timings),
            timings,
            start: Instant::now(),
            lease: None,
            current: false,
            follows_calls: false,
            wrote: false,
            told: None,
        }
    }

    /// Until the Lease is ours; tells whether calls of another may be less than a second old. `random` draws from 0 to 1.
    pub(crate) async fn win(&mut self, mut random: impl FnMut() -> f64) -> (LeaseClaim, bool) {
        loop {
            let pause = match self.round(self.timings.call()).await {
                Ok(Round::Held(sent)) => {
                    let claim = LeaseClaim::new(sent, self.timings.renew_deadline);
                    // The answer may have come too late for it.
                    if claim.holds() {
                        return (claim, self.follows_calls);
                    }
                    Duration::ZERO
                }
                Ok(Round::Wait(left)) => left,
                Err(trouble) => {
                    self.tell(&trouble);
                    self.timings.retry
                }
            };
            // Spread, so that candidates that started together do not run into each other each time.
            let spread = 1.0 + 0.2 * random();
            tokio::time::sleep(pause.min(self.timings.retry).mul_f64(spread)).await;
        }
    }

    /// Renews until the term is over, and says so by dropping `over`.
    pub(crate) async fn keep(mut self, claim: LeaseClaim, over: DropGuard, stop: CancellationToken) -> Self {
        let why = tokio::select! {
            () = stop.cancelled() => None,
            why = self.renew(&claim) => Some(why),
        };
        claim.end();
        if let Some(why) = why {
            tracing::error!("leadership is lost: {why}");
        }
        drop(over);
        self
    }

    /// Ends with why the term is over.
    async fn renew(&mut self, claim: &LeaseClaim) -> String {
        loop {
            tokio::time::sleep(self.timings.retry.min(claim.remaining_of_term())).await;
            let left = claim.remaining_of_term();
            if left.is_zero() {
                return format!("no renewal within {:?}", self.timings.renew_deadline);
            }
            match self.round(left).await {
                Ok(Round::Held(sent)) => claim.renewed(sent),
                Ok(Round::Wait(_)) if self.candidate.is_anothers() => {
                    return "somebody else holds the Lease".to_owned();
                }
                Ok(Round::Wait(_)) => {}
                Err(trouble) => self.tell(&trouble),
            }
        }
    }

    /// One attempt to hold the Lease, at most `limit` long.
    async fn round(&mut self, limit: Duration) -> Result<Round, Trouble> {
        let end = Instant::now() + limit;
        // Twice: somebody may have touched the Lease since we read it, and a new look tells whether that matters.
        for _ in 0..2 {
            self.look(end).await?;
            let step = self.candidate.step(self.now());
            if let Step::Wait(left) = step {
                self.current = false;
                self.told = None;
                return Ok(Round::Wait(left));
            }
            if step != Step::Renew {
                self.follows_calls = self.may_follow_calls();
            }
            let wanted = self.ours(step);
            let sent = Sent::now();
            if self.write(step, wanted, end).await? {
                self.told = None;
                return Ok(Round::Held(sent));
            }
        }
        Err(Trouble::Crowded)
    }

    /// Reads the Lease, unless what we know of it is certain.
    async fn look(&mut self, end: Instant) -> Result<(), Trouble> {
        if self.current {
            return Ok(());
        }
        let api = self.api.clone();
        let read = self.answer("get", end, api.get_opt(&self.name)).await?;
        let found = read.map_err(|error| self.trouble("get", error))?;
        self.take_in(found);
        Ok(())
    }

    /// Writes the Lease by compare-and-swap; `false` when somebody else was faster.
    async fn write(&mut self, step: Step, wanted: Lease, end: Instant) -> Result<bool, Trouble> {
        // From here on the outcome may be unknown: this future may be dropped at the await, too.
        self.current = false;
        self.wrote = true;
        let (api, how) = (self.api.clone(), PostParams::default());
        let (verb, written) = if step == Step::Create {
            ("create", self.answer("create", end, api.create(&how, &wanted)).await?)
        } else {
            let replacing = api.replace(&self.name, &how, &wanted);
            ("update", self.answer("update", end, replacing).await?)
        };
        match written {
            Ok(lease) => {
                self.take_in(Some(lease));
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                if step == Step::Create {
                    self.candidate.lost_the_creation(self.now());
                }
                Ok(false)
            }
            // Deleted since we read it. When creating, it is the namespace that is missing.
            Err(kube::Error::Api(status)) if status.code == 404 && step != Step::Create => Ok(false),
            Err(error) => Err(self.trouble(verb, error)),
        }
    }

    /// Leaves the Lease to nobody, and only tells of what goes wrong.
    pub(crate) async fn release(&mut self) {
        match tokio::time::timeout(self.timings.call(), self.clear()).await {
            Ok(Ok(())) => {}
            Ok(Err(trouble)) => self.tell(&trouble),
            Err(_) => self.tell(&Trouble::Silence("update")),
        }
    }

    /// Leaves the Lease to nobody, if it is ours.
    async fn clear(&mut self) -> Result<(), Trouble> {
        let end = Instant::now() + self.timings.call();
        // Three times: a renewal that was under way when the term ended may still arrive in between.
        for _ in 0..3 {
            if !self.wrote {
                return Ok(());
            }
            self.look(end).await?;
            let Some(mut lease) = self.lease.clone() else {
                return Ok(());
            };
            if record(&lease).holder.as_deref() != Some(self.candidate.identity()) {
                return Ok(());
            }
            let spec = lease.spec.get_or_insert_default();
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(Timestamp::now()));
            if self.write(Step::Renew, lease, end).await? {
                self.wrote = false;
                tracing::info!("leadership released");
                return Ok(());
            }
        }
        Err(Trouble::Crowded)
    }

    /// The Lease with us as its holder; what others put into it stays.
    fn ours(&self, step: Step) -> Lease {
        let mut lease = self.lease.clone().unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            ..Lease::default()
        });
        let now = MicroTime(Timestamp::now());
        let spec = lease.spec.get_or_insert_default();
        if step != Step::Renew || spec.acquire_time.is_none() {
            spec.acquire_time = Some(now.clone());
        }
        spec.renew_time = Some(now);
        spec.holder_identity = Some(self.candidate.identity().to_owned());
        spec.lease_duration_seconds = Some(self.timings.seconds());
        spec.lease_transitions = Some(self.candidate.transitions());
        lease
    }

    fn may_follow_calls(&self) -> bool {
        let renewed = self
            .lease
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.renew_time.clone());
        let long_ago = renewed.is_some_and(|time| {
            let age = Timestamp::now().duration_since(time.0);
            Duration::try_from(age).is_ok_and(|age| age >= CALL_COUNTS + CLOCK_SKEW)
        });
        !long_ago && self.candidate.may_follow_calls(self.now(), CALL_COUNTS)
    }

    fn take_in(&mut self, lease: Option<Lease>) {
        let now = self.now();
        self.candidate.saw(lease.as_ref().map(record), now);
        self.lease = lease;
        self.current = true;
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// No call may hang until the deadline: there must be time for another.
    async fn answer<T>(
        &self,
        verb: &'static str,
        end: Instant,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<Result<T, kube::Error>, Trouble> {
        let left = end.saturating_duration_since(Instant::now());
        let limit = left.min(self.timings.call());
        let answered = tokio::time::timeout(limit, call).await;
        answered.map_err(|_| Trouble::Silence(verb))
    }

    fn trouble(&self, verb: &'static str, error: kube::Error) -> Trouble {
        match error {
            kube::Error::Api(status) if status.code == 403 => Trouble::Forbidden {
                verb,
                namespace: self.namespace.clone(),
                name: self.name.clone(),
                message: status.message,
            },
            other => Trouble::Failure {
                verb,
                error: Box::new(other),
            },
        }
    }

    fn tell(&mut self, trouble: &Trouble) {
        let words = trouble.to_string();
        if self.told.as_ref() != Some(&words) {
            tracing::warn!("leader election: {words}");
            self.told = Some(words);
        }
    }
}

/// What of a Lease counts for the election; its labels and the like may change at will.
fn record(lease: &Lease) -> Record {
    let Some(spec) = &lease.spec else {
        return Record::default();
    };
    Record {
        holder: spec.holder_identity.clone().filter(|holder| !holder.is_empty()),
        renewed: spec.renew_time.as_ref().map(|time| time.0.to_string()),
        seconds: spec.lease_duration_seconds,
        transitions: spec.lease_transitions.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests;
