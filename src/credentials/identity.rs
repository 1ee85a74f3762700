use std::time::Duration;

use tokio::time::Instant;

use super::ask_once::{AskOnce, Freshness, Held, Refusal};
use crate::cloud::{CallError, Credentials, EndpointUrl, Sts};
use crate::domain::{AccountId, CredentialId};

/// STS answers within a fraction of this. The work waits for that, so it is not waited for as long as for other answers.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which account each credential belongs to: asked of STS once for each credential and process.
pub struct Identities {
    sts: Sts,
    accounts: AskOnce<AccountId, CallError>,
}

/// A credential does not change its account.
impl Held for AccountId {
    fn freshness(&self, _: Instant) -> Freshness {
        Freshness::Good
    }
}

impl Refusal for CallError {
    fn lasts(&self) -> bool {
        // An expired token is replaced at once, and the same credential asks with the new one.
        !self.expired_token
    }
}

impl Identities {
    /// Asks `sts`.
    pub fn new(sts: Sts) -> Self {
        Self {
            sts: sts.patient_for(PATIENCE),
            accounts: AskOnce::new(),
        }
    }

    /// The account of `credentials`; whoever asks while the question is out waits for its answer.
    ///
    /// # Errors
    /// What STS answered there, now or lately.
    pub async fn account_of(&self, credentials: &Credentials, endpoint: &EndpointUrl) -> Result<AccountId, CallError> {
        let (sts, credentials, at) = (self.sts.clone(), credentials.clone(), endpoint.clone());
        let id = credentials.id;
        let ask = async move {
            let result = sts.get_caller_identity(&at, &credentials).await;
            if let Err(error) = &result {
                tracing::warn!(code = %error.code, endpoint = %at, "STS could not say whose account a credential belongs to");
            }
            result
        };
        self.accounts.get(id, endpoint, ask).await
    }

    /// The service refuses this credential: its account is asked for again before anything rests on it.
    pub fn refused(&self, id: &CredentialId) {
        self.accounts.invalidate(id, |_| true);
    }
}
