//! The Secrets that a spec refers to, and the credentials that it names.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::api::{CallbackType, VodMessageCallbackSpec};

/// The names of the Secrets that a spec refers to, each once.
pub fn referenced(spec: &VodMessageCallbackSpec) -> Vec<String> {
    let mut names: Vec<String> = [credentials_name(spec), key_ref(spec).map(|(name, _)| name)]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

/// The Secret with the AccessKey, where the spec names one.
pub fn credentials_name(spec: &VodMessageCallbackSpec) -> Option<&str> {
    spec.credentials.as_ref()?.secret_ref.as_ref().map(|r| r.name.as_str())
}

/// The Secret and the key in it with the AuthKey, where the spec names one.
pub fn key_ref(spec: &VodMessageCallbackSpec) -> Option<(&str, &str)> {
    let http = spec
        .http
        .as_ref()
        .filter(|_| spec.callback_type == CallbackType::Http)?;
    let key_ref = &http.auth.as_ref()?.key_secret_ref;
    Some((key_ref.name.as_str(), key_ref.key.as_str()))
}

/// Whether the spec names a ServiceAccount, and leaves the OIDC provider to the operator.
pub fn lacks_oidc_provider(spec: &VodMessageCallbackSpec) -> bool {
    let account = spec.credentials.as_ref().and_then(|c| c.service_account_ref.as_ref());
    account.is_some_and(|account| account.oidc_provider_arn.is_none())
}

/// A mark of whose credentials the spec names, to tell others from the same.
pub fn credentials_mark(spec: &VodMessageCallbackSpec) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(&spec.credentials)
        .unwrap_or_default()
        .hash(&mut hasher);
    hasher.finish()
}
