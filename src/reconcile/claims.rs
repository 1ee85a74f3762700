//! Whose account a resource may lay claim to: what its status proves, and what must be asked.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use kube::{Api, ResourceExt};

use super::context::Context;
use super::failure::Failure;
use super::pass::Pass;
use super::report::Edit;
use super::resource_version::version_of;
use super::secret_index::SecretVersion;
use super::{observe, secret_refs};
use crate::api::{ObservedSecret, VodMessageCallback, VodMessageCallbackStatus};
use crate::domain::{AccountId, AccountKey};
use crate::ownership::{AccountClaim, ObjectName, Ownership};
use crate::service::Turn;
use crate::status::Reason;

/// So many are asked at once.
const AT_ONCE: usize = 16;
/// So long they are waited for together; whose account is not known then holds nobody up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The account that the status names, while it is still proven: it was found with this very version of the Secret and
/// this very spec. An AccessKey does not change its account.
pub fn proven_by_status(resource: &VodMessageCallback, version: Option<&str>) -> Option<AccountId> {
    let name = secret_refs::credentials_name(&resource.spec)?;
    let status = resource.status.as_ref()?;
    let same_secret = version.is_some() && version == version_of(&status.observed_secrets, name);
    // A deletion is a generation of its own, and changes nothing of the spec.
    let deleting = i64::from(resource.metadata.deletion_timestamp.is_some());
    let (told, now) = (status.observed_generation?, resource.metadata.generation?);
    let same_spec = told == now || told == now - deleting;
    status
        .account_id
        .clone()
        .filter(|_| same_secret && same_spec)
        .map(AccountId)
}

/// What an attempt learned of the account behind the credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Learned {
    /// Nothing: it did not get that far, or the account is another one where nothing was done yet.
    #[default]
    Nothing,
    /// STS named it.
    Account(String),
    /// They were accepted, but STS did not say whose they are.
    Unnamed,
    /// They were refused.
    Refused,
}

impl Learned {
    /// From credentials that were accepted.
    pub fn of(account: &AccountKey) -> Self {
        account
            .account()
            .map_or(Self::Unnamed, |id| Self::Account(id.0.clone()))
    }
}

/// What the status says of the account and of the Secrets.
#[derive(Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The account.
    pub account: Edit<String>,
    /// The Secrets, by version.
    pub secrets: Vec<ObservedSecret>,
}

/// Keeps the status honest: the account that it names was always proven with the very version of the Secret that it
/// names, so that a restarted operator can rest on it.
pub fn evidence(
    resource: &VodMessageCallback,
    status: &VodMessageCallbackStatus,
    read: Vec<ObservedSecret>,
    learned: Learned,
) -> Evidence {
    let name = secret_refs::credentials_name(&resource.spec).unwrap_or_default();
    let before = version_of(&status.observed_secrets, name);
    let same = version_of(&read, name) == before;
    let mut secrets = read;
    let account = match learned {
        Learned::Account(id) => Edit::To(id),
        Learned::Unnamed if same => Edit::Keep,
        Learned::Unnamed | Learned::Refused => Edit::Clear,
        Learned::Nothing => {
            // The version that the account was proven with stays beside it; the other one is looked at again.
            if status.account_id.is_some() {
                secrets.retain(|secret| secret.name != name);
                secrets.extend(before.map(|version| ObservedSecret {
                    name: name.to_owned(),
                    resource_version: version.to_owned(),
                }));
            }
            Edit::Keep
        }
    };
    Evidence { account, secrets }
}

/// Credentials that VOD refused own nothing from now on.
pub fn note_refusal_by_vod(pass: &Pass, failure: &Failure) {
    let refused = matches!(
        failure,
        Failure::Stalled {
            reason: Reason::InvalidCredentials,
            call: Some(_),
            ..
        }
    );
    if refused {
        let woken = pass.ctx.ownership().refused(&pass.uid);
        pass.ctx.wake_all(woken);
    }
}

/// What its status proves of a resource whose Secret is gone.
pub fn last_claim(resource: &VodMessageCallback) -> AccountClaim {
    let account = proven_by_status(resource, last_version(resource));
    account.map_or(AccountClaim::None, |account| {
        AccountClaim::Proven(AccountKey::Account(account))
    })
}

/// The version of the credentials' Secret that the status names.
fn last_version(resource: &VodMessageCallback) -> Option<&str> {
    let name = secret_refs::credentials_name(&resource.spec)?;
    version_of(&resource.status.as_ref()?.observed_secrets, name)
}

/// What the watches prove of a resource's account before it is asked.
pub fn claim_of(ctx: &Context, resource: &VodMessageCallback) -> AccountClaim {
    let namespace = resource.namespace().unwrap_or_default();
    let version = secret_refs::credentials_name(&resource.spec).map(|name| ctx.secrets.version(&namespace, name));
    let version = match &version {
        Some(SecretVersion::Present(version)) => Some(version.as_str()),
        // One whose Secret is gone stalls, and keeps what it had.
        Some(SecretVersion::Gone) => last_version(resource),
        Some(SecretVersion::Unknown) | None => None,
    };
    match proven_by_status(resource, version) {
        Some(account) => AccountClaim::Proven(AccountKey::Account(account)),
        None => AccountClaim::NotAsked,
    }
}

/// Notes what the status proves of a resource's account, once the watches show the Secret's version.
pub fn note_proven_by_status(ctx: &Context, resource: &VodMessageCallback) {
    let uid = resource.uid().unwrap_or_default();
    let woken = ctx.ownership().told(&uid, claim_of(ctx, resource));
    ctx.wake_all(woken);
}

/// Whether a resource owns its setting; older ones whose account nobody knows yet are asked first.
pub async fn judge(pass: &Pass, turn: &Turn) -> Ownership {
    let (ctx, uid) = (&pass.ctx, pass.uid.as_str());
    let first = ctx.ownership().ownership_of(uid);
    let Ownership::Waits { .. } = first else { return first };
    let unasked = ctx.ownership().unasked_before(uid);
    if unasked.is_empty() {
        return first;
    }
    let asked = unasked.into_iter().map(|(uid, name)| ask(ctx, turn, uid, name));
    let asked = stream::iter(asked).buffer_unordered(AT_ONCE).collect::<()>();
    if !in_time(turn, asked).await {
        let silent = ctx.ownership().unasked_before(uid);
        for (uid, _) in silent {
            let woken = ctx.ownership().cannot_be_known(&uid);
            ctx.wake_all(woken);
        }
    }
    ctx.ownership().ownership_of(uid)
}

/// Whether all who are asked have answered in time. All of it is a wait for others: where each had to wait for a place of
/// its own to come back to, one that has answered could be taken for silent.
async fn in_time(turn: &Turn, asked: impl Future<Output = ()>) -> bool {
    turn.away(tokio::time::timeout(PATIENCE, asked)).await.is_ok()
}

/// Asks whose account another resource names, in its own name, without waiting for its turn: it makes no call to VOD.
async fn ask(ctx: &Arc<Context>, turn: &Turn, uid: String, name: ObjectName) {
    let entry = ctx.object_states.of(&uid);
    // Others ask as well.
    let _alone = entry.asked.lock().await;
    if ctx.ownership().is_unasked(&uid) {
        put_question(ctx, turn, &uid, &name).await;
    }
    // One that went meanwhile was forgotten before it was looked at.
    let is_there = ctx.stores.held(&name).is_some_and(|held| held.uid() == uid);
    if !is_there {
        ctx.object_states.forget(&uid);
        ctx.events.forget(&uid);
    }
}

async fn put_question(ctx: &Arc<Context>, turn: &Turn, uid: &str, name: &ObjectName) {
    let api: Api<VodMessageCallback> = Api::namespaced(ctx.client.clone(), &name.namespace);
    match api.get_opt(&name.name).await {
        Ok(Some(resource)) if resource.uid().as_deref() == Some(uid) => {
            // What comes of it is noted in the index; the resource's own pass says it.
            let _ = Box::pin(observe::access_only(&Pass::look(ctx, Arc::new(resource)), turn)).await;
        }
        // It is gone, and the watch will say so; or it cannot be read, and holds nobody up.
        Ok(_) => {}
        Err(error) => {
            tracing::debug!(resource = %name, error = %crate::telemetry::in_words(&error), "its account cannot be asked for");
        }
    }
    let woken = ctx.ownership().cannot_be_known(uid);
    ctx.wake_all(woken);
}

#[cfg(test)]
mod tests;
