//! The one door to VOD: every call goes through here, and no other module makes one.
//!
//! A call waits for its place in the account's quota, is made only while this process leads and only while it is
//! still wanted, is bounded in time, is repeated once where the contract says so, and what its answer teaches (a
//! throttled account, a token that is no longer good) is taken to heart.

mod access;
mod changes;
mod shared_reads;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use self::changes::Changes;
use crate::cloud::{CallError, ErrorClass, Operation, Vod};
use crate::credentials::{CredentialError, CredentialProvider, Identities};
use crate::domain::LiveSetting;
use crate::lease::LeaseClaim;
use crate::quota::{Answered, Calls, NoPermit, Urgency};

pub use access::{Access, Source};
pub use shared_reads::SharedReads;
pub use turn::{Places, Turn};

/// How long a call in flight may go on after the claim's deadline.
const REST_OF_LEASE: Duration = Duration::from_secs(4);

/// What a read of the live setting gives to everyone who shares it.
pub type LiveRead = Arc<Option<LiveSetting>>;

/// Why the service was not called, or did not do what it was asked.
#[derive(Clone, Debug)]
pub enum Unserved {
    /// The service's answer, or the want of one.
    Call(Box<CallError>),
    /// The credentials ended early, and new ones could not be had: the call was refused.
    NoCredentials(Box<CredentialError>),
    /// The account rests, as the service asked.
    Rests {
        /// Not before this.
        until: Instant,
    },
    /// Something newer is to be done first.
    Outdated,
    /// Another replica may lead.
    StaleLeader,
}

/// What was fixed since the first attempt of a call: each of it once.
#[derive(Default)]
struct Fixed {
    /// A clock or a nonce.
    signing: bool,
    token: bool,
}

/// The door.
pub struct Service {
    vod: Vod,
    calls: Arc<Calls>,
    credentials: Arc<CredentialProvider>,
    identities: Arc<Identities>,
    claim: LeaseClaim,
    reads: SharedReads<LiveRead, Unserved>,
    changes: Changes,
}

impl Service {
    /// For one term of leadership.
    pub fn new(
        vod: Vod,
        calls: Arc<Calls>,
        credentials: Arc<CredentialProvider>,
        identities: Arc<Identities>,
        claim: LeaseClaim,
    ) -> Self {
        Self {
            vod,
            calls,
            credentials,
            identities,
            claim,
            reads: SharedReads::new(|unserved| matches!(unserved, Unserved::Call(_))),
            changes: Changes::default(),
        }
    }

    /// Calls of a predecessor count for so long, and no longer.
    pub fn silent_for(&self, left: Duration) {
        self.calls.silent_for(left);
    }

    /// Reads the live setting, sharing the read with others of the same setting; one that was asked for before
    /// `not_before` does not count.
    ///
    /// # Errors
    /// Why it could not be read.
    pub async fn get(&self, access: &Access, turn: &Turn, not_before: Instant) -> Result<LiveRead, Unserved> {
        // Boxed, as all calls are: a pass has many places where it waits for one.
        let fetch = Box::pin(self.call(Operation::Get, access, turn, &|| true, |access| async move {
            let answer = self.vod.get(&access.endpoint, &access.credentials, &access.app).await?;
            Ok(Arc::new(answer.setting))
        }));
        // What is being changed is read after that.
        let read = async {
            let changed = unless_interrupted(turn, self.changes.waited_for(access.key())).await?;
            let not_before = changed.map_or(not_before, |at| at.max(not_before));
            let read = self.reads.read(access.key(), access.credentials.id, not_before, fetch);
            tokio::select! {
                biased;
                // A check gives way to what is newer, also while another one reads for it.
                () = turn.interrupted.cancelled(), if turn.urgency == Urgency::Check => Err(Unserved::Outdated),
                read = read => read,
            }
        };
        turn.away(read).await
    }

    /// Calls SetMessageCallback, if that is `still_wanted` when its turn has come. Returns the RequestId.
    ///
    /// # Errors
    /// Why it was not set; whether it may have been set all the same is in the error.
    pub async fn set(
        &self,
        access: &Access,
        turn: &Turn,
        parameters: &[(&'static str, Zeroizing<String>)],
        still_wanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<String, Unserved> {
        let call = Box::pin(
            self.call(Operation::Set, access, turn, still_wanted, |access| async move {
                self.vod.set(&access.endpoint, &access.credentials, parameters).await
            }),
        );
        self.change(access, turn, call).await
    }

    /// Calls DeleteMessageCallback, if that is `still_wanted` when its turn has come. Returns the RequestId; none
    /// where the service says that there was nothing.
    ///
    /// # Errors
    /// Why it was not removed.
    pub async fn delete(
        &self,
        access: &Access,
        turn: &Turn,
        still_wanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<String>, Unserved> {
        let call = Box::pin(
            self.call(Operation::Delete, access, turn, still_wanted, |access| async move {
                let deleted = self
                    .vod
                    .delete(&access.endpoint, &access.credentials, &access.app)
                    .await?;
                Ok(deleted.request_id)
            }),
        );
        self.change(access, turn, call).await
    }

    async fn change<T>(
        &self,
        access: &Access,
        turn: &Turn,
        call: impl Future<Output = Result<T, Unserved>>,
    ) -> Result<T, Unserved> {
        let alone = async {
            let _others_wait = unless_interrupted(turn, self.changes.begin(access.key())).await?;
            call.await
        };
        let result = turn.away(alone).await;
        self.forget_unless_refused(access, result.as_ref().err());
        result
    }

    /// What was read before a change no longer counts, unless the service said that it did nothing.
    fn forget_unless_refused(&self, access: &Access, unserved: Option<&Unserved>) {
        let undone = match unserved {
            None => false,
            Some(Unserved::Call(error)) => error.class == ErrorClass::Throttling && !error.lost_answer,
            Some(Unserved::NoCredentials(_) | Unserved::Rests { .. } | Unserved::Outdated | Unserved::StaleLeader) => {
                true
            }
        };
        if !undone {
            self.reads.forget(&access.key());
        }
    }

    /// One call, through all that stands before it.
    pub(crate) async fn call<T, F>(
        &self,
        operation: Operation,
        access: &Access,
        turn: &Turn,
        still_wanted: &(dyn Fn() -> bool + Sync),
        make: impl Fn(Access) -> F,
    ) -> Result<T, Unserved>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut access = access.clone();
        let mut fixed = Fixed::default();
        loop {
            let asked = Instant::now();
            let permit = self
                .calls
                .permit(&access.account, operation, turn.urgency, &turn.interrupted);
            let permit = permit.await;
            turn.has_waited(asked.elapsed());
            let mut permit = permit.map_err(|no| match no {
                NoPermit::Rests { until } => Unserved::Rests { until },
                NoPermit::Interrupted => Unserved::Outdated,
            })?;
            if !self.claim.holds() {
                return Err(Unserved::StaleLeader);
            }
            if !still_wanted() {
                return Err(Unserved::Outdated);
            }
            permit.send();
            let result = self.bounded(Box::pin(make(access.clone()))).await;
            permit.answered(match &result {
                Ok(_) => Answered::Counted,
                Err(error) if error.class == ErrorClass::Throttling => Answered::Throttled,
                Err(error) if error.http_status.is_some() => Answered::Counted,
                Err(_) => Answered::Lost,
            });
            let error = match result {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if error.class == ErrorClass::Throttling {
                self.calls.rest(&access.account, error.retry_after);
            }
            if !self.can_repeat(&error, &mut access, &mut fixed).await? {
                return Err(Unserved::Call(Box::new(error)));
            }
        }
    }

    /// Whether what made a call fail is fixed: a clock, a nonce, or a token of the operator's own that was fetched
    /// anew. Where a new one cannot be had, that is the trouble, and not the old one. What was fixed already is not the
    /// trouble any more, but what the answer teaches is noted all the same.
    async fn can_repeat(&self, error: &CallError, access: &mut Access, fixed: &mut Fixed) -> Result<bool, Unserved> {
        let refused = &access.credentials;
        if error.expired_token {
            self.credentials.invalidate(refused);
            // A Secret's own token: another one has to be put there, and until then it is nobody's.
            if refused.expires_at.is_none() {
                self.identities.refused(&refused.id);
                return Ok(false);
            }
            if std::mem::replace(&mut fixed.token, true) {
                return Ok(false);
            }
            let Source { base, role } = &*access.source;
            let fresh = self.credentials.resolve(base, role.as_ref(), &access.region).await;
            access.credentials = fresh.map_err(|error| Unserved::NoCredentials(Box::new(error)))?;
            return Ok(true);
        }
        if error.class == ErrorClass::Credentials && !error.worth_repeating {
            self.identities.refused(&refused.id);
        }
        Ok(error.worth_repeating && !std::mem::replace(&mut fixed.signing, true))
    }

    /// A call is cut off before another leader could start: the claim's deadline lies five seconds before the Lease
    /// ends (renew deadline 10 s of 15 s), and a call in flight gets most of them.
    async fn bounded<T>(&self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let deadline = self.claim.deadline();
        // Without an election the deadline is as far off as can be.
        let end = deadline.checked_add(REST_OF_LEASE).unwrap_or(deadline);
        tokio::select! {
            // The clock first: a process that was stopped and goes on must not send what it was about to.
            biased;
            () = tokio::time::sleep_until(end) => Err(CallError::cut_off()),
            done = call => done,
        }
    }
}

/// Waits, unless something newer comes up.
async fn unless_interrupted<T>(turn: &Turn, waiting: impl Future<Output = T>) -> Result<T, Unserved> {
    tokio::select! {
        biased;
        done = waiting => Ok(done),
        () = turn.interrupted.cancelled() => Err(Unserved::Outdated),
    }
}

#[cfg(test)]
pub(crate) mod tests;
