//! Everything that reconciles share, for one term of leadership.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::runtime::reflector::ObjectRef;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::object_state::ObjectStates;
use super::secrets::{SecretIndex, SecretUsers};
use crate::api::VodMessageCallback;
use crate::cloud::{CallError, Endpoints, Vod};
use crate::credentials::{CredentialProvider, Identities};
use crate::domain::LiveSetting;
use crate::events::Events;
use crate::lease::Claim;
use crate::metrics::Metrics;
use crate::ownership::{ObjectName, OwnershipIndex};
use crate::quota::{Admission, Limiter, SharedReads};

/// How long a call in flight may go on after the claim's deadline.
const REST_OF_LEASE: Duration = Duration::from_secs(4);

/// What a read of the live setting gives to everyone who shares it.
pub type LiveRead = Arc<Option<LiveSetting>>;

/// The operator-wide settings that reconciles go by.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// For resources that set no `checkInterval`.
    pub check_interval: Duration,
    /// How long a deletion is held up by credentials or a service that do not work.
    pub deletion_grace: Duration,
    /// Whether the operator's own credentials may be used.
    pub ambient_credentials: bool,
    /// By resources of which namespaces; none means all.
    pub ambient_namespaces: BTreeSet<String>,
    /// The OIDC provider for a serviceAccountRef that names none.
    pub oidc_provider_arn: Option<String>,
}

impl Defaults {
    /// Whether a resource of this namespace may use the operator's own credentials.
    pub fn ambient_allowed(&self, namespace: &str) -> bool {
        let listed = self.ambient_namespaces.is_empty() || self.ambient_namespaces.contains(namespace);
        self.ambient_credentials && listed
    }
}

/// Shared by all reconciles.
pub struct Context {
    /// The API server.
    pub client: kube::Client,
    /// Operator-wide settings.
    pub defaults: Defaults,
    /// The services' addresses.
    pub endpoints: Endpoints,
    /// The VOD client.
    pub vod: Vod,
    /// Credentials of all kinds.
    pub credentials: Arc<CredentialProvider>,
    /// Whose account a credential belongs to.
    pub identities: Arc<Identities>,
    /// The quota.
    pub limiter: Arc<Limiter>,
    /// How much is worked on at once.
    pub admission: Arc<Admission>,
    /// Reads of one setting are shared.
    pub reads: SharedReads<LiveRead, Arc<CallError>>,
    /// Who owns which setting.
    pub ownership: Mutex<OwnershipIndex>,
    /// What is remembered of each resource.
    pub object_states: ObjectStates,
    /// The versions of Secrets.
    pub secrets: SecretIndex,
    /// Which resources refer to which Secret.
    pub secret_users: SecretUsers,
    /// Resources to be looked at again because a rival came or went.
    pub woken: Mutex<HashSet<ObjectName>>,
    /// How many statuses are written at once.
    pub status_writes: Semaphore,
    /// Wakes other resources.
    pub wake: UnboundedSender<ObjectRef<VodMessageCallback>>,
    /// Kubernetes Events.
    pub events: Events,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The right to change anything at the service.
    pub claim: Claim,
    /// Cancelled when work must end.
    pub stop: CancellationToken,
}

impl Context {
    /// Locks the ownership index; never held across an await.
    pub fn ownership(&self) -> MutexGuard<'_, OwnershipIndex> {
        self.ownership.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has resources looked at again because a rival came or went.
    pub fn wake_all(&self, names: Vec<ObjectName>) {
        for name in names {
            let object = ObjectRef::new(&name.name).within(&name.namespace);
            self.woken.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
            // A closed channel means that the controller has ended and nobody needs waking.
            let _ = self.wake.send(object);
        }
    }

    /// Whether a resource was woken so since it was last asked.
    pub fn was_woken(&self, name: &ObjectName) -> bool {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// Makes a call that changes something, cut off before another leader could start: the claim's deadline lies five
    /// seconds before the Lease ends (renew deadline 10 s of 15 s), and a call in flight gets most of them.
    ///
    /// # Errors
    /// The call's own, or a timeout when it was cut off.
    pub async fn while_leading<T>(&self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let deadline = tokio::time::Instant::from_std(self.claim.deadline());
        // Without an election the deadline is as far off as can be.
        let end = deadline.checked_add(REST_OF_LEASE).unwrap_or(deadline);
        tokio::select! {
            // The clock first: a process that was stopped and goes on must not send what it was about to.
            biased;
            () = tokio::time::sleep_until(end) => Err(CallError::cut_off()),
            done = call => done,
        }
    }

    /// Whether this process may still change something at the service.
    pub fn may_write(&self) -> bool {
        !self.stop.is_cancelled() && self.claim.holds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_credentials_are_for_the_namespaces_listed() {
        let defaults = |ambient_credentials, listed: &[&str]| Defaults {
            check_interval: Duration::ZERO,
            deletion_grace: Duration::ZERO,
            ambient_credentials,
            ambient_namespaces: listed.iter().map(ToString::to_string).collect(),
            oidc_provider_arn: None,
        };
        for (on, listed, allowed) in [
            (true, &[][..], true),
            (true, &["media"], true),
            (true, &["ops"], false),
            (false, &[], false),
            (false, &["media"], false),
        ] {
            assert_eq!(
                defaults(on, listed).ambient_allowed("media"),
                allowed,
                "{on} {listed:?}"
            );
        }
    }
}
