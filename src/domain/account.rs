use std::fmt;

use serde::{Deserialize, Serialize};

use super::CredentialId;

/// The numeric id of an Alibaba Cloud account, as STS `GetCallerIdentity` names it. Not a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub String);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose quota and whose settings a credential stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountKey {
    /// STS has named the account.
    Account(AccountId),
    /// STS could not be asked: the credential stands for itself, and nobody who only knows its AccessKey ID does.
    Credential(CredentialId),
}

impl AccountKey {
    /// The account id, where it is known.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Account(id) => Some(id),
            Self::Credential(_) => None,
        }
    }
}
