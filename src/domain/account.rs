use std::fmt;

use serde::{Deserialize, Serialize};

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
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountKey {
    /// STS has named the account.
    Account(AccountId),
    /// STS could not be asked: what is known is the AccessKey ID (or, for a role, its ARN).
    Credential(String),
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

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => write!(f, "Account({id})"),
            // An AccessKey ID is half of a credential, so it stays out of logs.
            Self::Credential(_) => f.write_str("Credential(redacted)"),
        }
    }
}
