//! Everything that reconciles share, for one term of leadership.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::object_state::ObjectStates;
use super::secret_index::SecretIndex;
use super::stores::Stores;
use crate::cloud::Endpoints;
use crate::credentials::{CredentialProvider, Identities};
use crate::events::Events;
use crate::lease::LeaseClaim;
use crate::metrics::Metrics;
use crate::ownership::{ObjectName, OwnershipIndex};
use crate::quota::Queue;
use crate::service::{Places, Service};

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
    /// The one door to VOD.
    pub service: Service,
    /// Credentials of all kinds.
    pub credentials: Arc<CredentialProvider>,
    /// Whose account a credential belongs to.
    pub identities: Arc<Identities>,
    /// When this term of work began.
    pub began: Timestamp,
    /// Who waits for what.
    pub queue: Mutex<Queue<ObjectName>>,
    /// How many work at once.
    pub places: Arc<Places>,
    /// The resources as the watch shows them.
    pub stores: Stores,
    /// Who owns which setting.
    pub ownership: Mutex<OwnershipIndex>,
    /// What is remembered of each resource.
    pub object_states: ObjectStates,
    /// The Secrets that resources refer to.
    pub secrets: SecretIndex,
    /// Has a resource looked at.
    pub wake: UnboundedSender<ObjectName>,
    /// Kubernetes Events.
    pub events: Events,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The right to change anything at the service.
    pub claim: LeaseClaim,
    /// Whether replicas elect a leader.
    pub elects: bool,
    /// Cancelled when work must end.
    pub stop: CancellationToken,
}

impl Context {
    /// Locks the ownership index; never held across an await.
    pub fn ownership(&self) -> MutexGuard<'_, OwnershipIndex> {
        self.ownership.lock()
    }

    /// Locks the queue; never held across an await.
    pub fn queue(&self) -> MutexGuard<'_, Queue<ObjectName>> {
        self.queue.lock()
    }

    /// Has a resource looked at.
    pub fn wake(&self, name: ObjectName) {
        // A closed channel means that the controller has ended and nobody needs waking.
        let _ = self.wake.send(name);
    }

    /// Has resources looked at again because a rival came or went.
    pub fn wake_all(&self, names: Vec<ObjectName>) {
        for name in names {
            if let Some(held) = self.stores.held(&name) {
                self.object_states.of(held.uid()).lock().ownership_changed = true;
            }
            self.wake(name);
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
