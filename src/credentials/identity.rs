use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{CredentialIdentity, Credentials, Fingerprint};
use crate::cloud::{CallError, EndpointUrl, Sts};
use crate::domain::AccountId;

/// STS answers within a fraction of this.
const PATIENCE: Duration = Duration::from_secs(3);
/// A failed question is not asked again sooner.
const AGAIN: Duration = Duration::from_secs(300);

/// What is known of a credential's account.
#[derive(Default)]
enum Answer {
    #[default]
    None,
    Account(AccountId),
    Failed {
        at: Instant,
        by: Fingerprint,
        error: CallError,
    },
}

/// Which account each credential belongs to: asked of STS once for each credential and process.
pub struct Identities {
    sts: Sts,
    known: Mutex<HashMap<CredentialIdentity, Slot>>,
}

type Slot = Arc<tokio::sync::Mutex<Answer>>;

impl Identities {
    /// Asks `sts`.
    pub fn new(sts: Sts) -> Self {
        Self {
            sts,
            known: Mutex::default(),
        }
    }

    /// The account of `credentials`; whoever asks while the question is out waits for its answer.
    ///
    /// # Errors
    /// What STS answered, now or lately.
    pub async fn account_of(&self, credentials: &Credentials, endpoint: &EndpointUrl) -> Result<AccountId, CallError> {
        let slot = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(credentials.identity.clone()).or_default())
        };
        let mut answer = slot.lock().await;
        match &*answer {
            Answer::Account(account) => return Ok(account.clone()),
            // A secret that was corrected meanwhile deserves another answer.
            Answer::Failed { at, by, error } if at.elapsed() < AGAIN && *by == credentials.fingerprint() => {
                return Err(error.clone());
            }
            Answer::Failed { .. } | Answer::None => {}
        }
        // The work waits for this answer, so it is not waited for as long as for others.
        let asked = self.sts.get_caller_identity(endpoint, credentials);
        let result = tokio::time::timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| Err(CallError::late()));
        if let Err(error) = &result {
            tracing::warn!(code = %error.code, "STS could not say whose account a credential belongs to; its AccessKey ID stands in for it");
        }
        *answer = match &result {
            Ok(account) => Answer::Account(account.clone()),
            Err(error) => Answer::Failed {
                at: Instant::now(),
                by: credentials.fingerprint(),
                error: error.clone(),
            },
        };
        result
    }
}
