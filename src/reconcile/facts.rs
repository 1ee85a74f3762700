//! What a decision rests on, made from a resource and its Secrets: pure, and the same for the reconciler, which acts on
//! the decision, and for `plan`, which tells it.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;

use super::convert;
use super::decide::{self, Cleanup, KeyStanding, Observed, Ours};
use super::failure::Failure;
use crate::api::{AppliedSetting, DeletionPolicy, ManagementPolicy, VodMessageCallbackSpec, VodMessageCallbackStatus};
use crate::credentials::{Credentials, from_secret_data};
use crate::domain::{AccountId, AccountKey, AuthKey, Baseline, LiveSetting, Setting};
use crate::ownership::{ObjectName, lost_message};
use crate::status::{Reason, ready_reason};

/// The values of a Secret.
pub type SecretValues = BTreeMap<String, ByteString>;

/// The AuthKey that the spec names in a Secret with these values.
///
/// # Errors
/// A value that is missing or that the service would refuse.
pub fn auth_key(name: &str, key: &str, values: &SecretValues) -> Result<AuthKey, Failure> {
    let value = values.get(key).ok_or_else(|| {
        Failure::stalled(
            Reason::SecretKeyMissing,
            format!("Secret {name} has no key {key}: add the AuthKey there"),
        )
    })?;
    AuthKey::parse(&value.0).map_err(|invalid| {
        Failure::stalled(
            Reason::InvalidAuthKey,
            format!("key {key} of Secret {name}: {invalid}; the service refuses others"),
        )
    })
}

/// The AccessKey in a Secret with these values.
///
/// # Errors
/// A value that is missing or malformed.
pub fn access_key(namespace: &str, name: &str, values: &SecretValues) -> Result<Credentials, Failure> {
    from_secret_data(values).map_err(|incomplete| {
        Failure::stalled(
            Reason::SecretKeyMissing,
            format!("Secret {name} in namespace {namespace}: {incomplete}"),
        )
    })
}

/// A Secret that does not exist.
pub fn missing(namespace: &str, name: &str) -> Failure {
    Failure::stalled(
        Reason::SecretNotFound,
        format!("Secret {name} does not exist in namespace {namespace}: create it"),
    )
}

/// An older resource owns the setting.
pub fn lost_to(owner: &ObjectName) -> Failure {
    Failure::stalled(Reason::Conflict, lost_message(owner))
}

/// The setting that the spec asks for.
///
/// # Errors
/// A union that is broken, which the API server's rules exclude.
pub fn wanted(spec: &VodMessageCallbackSpec, key: Option<AuthKey>) -> Result<Setting, Failure> {
    convert::setting(spec, key).ok_or_else(|| {
        Failure::stalled(
            Reason::InvalidSpec,
            "exactly one of http and mns must go with callbackType",
        )
    })
}

/// What is known of a resource when it is decided on.
pub struct Basis<'a> {
    /// The spec.
    pub spec: &'a VodMessageCallbackSpec,
    /// Its generation.
    pub generation: i64,
    /// The status.
    pub status: &'a VodMessageCallbackStatus,
    /// The setting that the spec asks for.
    pub wanted: &'a Setting,
    /// The same in the status's terms.
    pub wanted_applied: &'a AppliedSetting,
    /// The account that it was asked of before.
    pub account_before: Option<&'a str>,
    /// The account that it is asked of.
    pub account: &'a AccountKey,
}

/// What a decision rests on, but for the live setting.
pub struct Facts<'a> {
    wanted: &'a Setting,
    wanted_applied: &'a AppliedSetting,
    applied: Option<&'a AppliedSetting>,
    unconfirmed: bool,
    baseline: Option<Baseline>,
    key: KeyStanding,
    policy: ManagementPolicy,
}

impl<'a> Facts<'a> {
    /// Of a resource.
    pub fn of(basis: &Basis<'a>) -> Self {
        let moved = moved_account(basis.account_before, basis.account).is_some();
        let applied = basis.status.applied.as_ref().filter(|_| !moved);
        Self {
            wanted: basis.wanted,
            wanted_applied: basis.wanted_applied,
            applied,
            unconfirmed: !moved && basis.status.unconfirmed.is_some(),
            baseline: convert::baseline(basis.status).filter(|_| !moved),
            key: KeyStanding::by_status(basis.wanted_applied, applied, basis.status, basis.generation),
            policy: basis.spec.management_policy,
        }
    }

    /// To decide with; `is_read_back`: whether the live setting is the read-back after a Set of this process.
    pub fn observed(&self, is_read_back: bool) -> Observed<'_> {
        Observed {
            wanted: self.wanted,
            wanted_applied: self.wanted_applied,
            applied: self.applied,
            unconfirmed: self.unconfirmed,
            baseline: self.baseline.as_ref(),
            key: self.key,
            is_read_back,
            policy: self.policy,
        }
    }
}

/// The accounts before and now, where the credentials now belong to another one than before: what was applied there no
/// longer counts.
pub fn moved_account<'a>(before: Option<&'a str>, account: &'a AccountKey) -> Option<(&'a str, &'a AccountId)> {
    let (old, new) = (before?, account.account()?);
    (old != new.0).then_some((old, new))
}

/// Whether a resource that goes leaves its setting where it is.
pub fn keeps(spec: &VodMessageCallbackSpec) -> bool {
    spec.deletion_policy == DeletionPolicy::Retain
        || spec.suspend
        || spec.management_policy == ManagementPolicy::Observe
}

/// Whether something may be set that the status does not name: a process may have ended between a Set and its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnnamedSet {
    /// No: before the deletion the status said all that was set.
    None,
    /// The resource stalled, and only a retry that nobody heard of again can have set it.
    Unlikely,
    /// Work was under way.
    Likely,
}

/// Answers by what the status said of the generation that was deleted; the deletion itself is one generation more.
pub fn unnamed_set(status: &VodMessageCallbackStatus, generation: i64) -> UnnamedSet {
    let said = ready_reason(&status.conditions).filter(|_| status.observed_generation == Some(generation - 1));
    match said {
        Some(reason) if reason.is_under_way() => UnnamedSet::Likely,
        Some(reason) if reason.stalls() => UnnamedSet::Unlikely,
        Some(_) => UnnamedSet::None,
        None => UnnamedSet::Likely,
    }
}

/// What a resource that goes may have left at the service, if anything is to be done about it: what it applied, what it
/// sent without an answer, and, where it `may_be_set` without being named, what the spec says.
pub fn settings_to_remove(
    spec: &VodMessageCallbackSpec,
    status: &VodMessageCallbackStatus,
    may_be_set: bool,
) -> Vec<AppliedSetting> {
    if keeps(spec) {
        return Vec::new();
    }
    let of_the_spec = may_be_set.then(|| convert::applied(spec, None));
    let all = [status.applied.clone(), status.unconfirmed.clone(), of_the_spec];
    all.into_iter().flatten().collect()
}

/// What becomes of them, by what is live.
pub fn removal(settings: &[AppliedSetting], status: &VodMessageCallbackStatus, live: Option<&LiveSetting>) -> Cleanup {
    let baseline = convert::baseline(status);
    let ours = |applied: &AppliedSetting| {
        let was_taken = status.applied.as_ref() == Some(applied);
        Some(Ours {
            setting: convert::setting_of_applied(applied)?,
            auth_enabled: convert::auth_enabled(applied),
            baseline: baseline.as_ref().filter(|_| was_taken),
            was_taken,
        })
    };
    let ours: Vec<_> = settings.iter().filter_map(ours).collect();
    decide::cleanup(&ours, live)
}
