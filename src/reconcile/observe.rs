//! The first step: what is wanted, with whose credentials, and what the service holds.

use std::sync::Arc;

use kube::ResourceExt;
use tokio::time::Instant;

use super::context::{Context, LiveRead};
use super::failure::Failure;
use super::trigger::version_of;
use super::{claims, convert, secrets};
use crate::api::{AppliedSetting, ObservedSecret, ServiceAccountRef, VodMessageCallback, VodMessageCallbackSpec};
use crate::cloud::{CallError, EndpointUrl, ErrorClass};
use crate::credentials::{
    AssumeRole, Base, CredentialError, Credentials, OidcRole, ServiceAccountRole, default_session_name,
    from_secret_data,
};
use crate::domain::{AccountId, AccountKey, AppId, AuthKey, Region, Setting};
use crate::ownership::{Ownership, SettingKey, lost_message};
use crate::quota::{Operation, Slot, Urgency};
use crate::status::Reason;

/// What the resource's own inputs say: no call to VOD was made for it.
pub struct Inputs {
    /// The setting that is asked for.
    pub wanted: Setting,
    /// The same in the status's terms.
    pub wanted_applied: AppliedSetting,
    /// How to talk to the service.
    pub access: Access,
}

/// Whose setting it is, and where.
#[derive(Clone)]
pub struct Access {
    /// The credentials.
    pub credentials: Arc<Credentials>,
    /// The account.
    pub account: AccountKey,
    /// What could not be found out about the account.
    pub account_note: Option<String>,
    /// The service's address.
    pub endpoint: EndpointUrl,
    /// The region.
    pub region: Region,
    /// The app.
    pub app: AppId,
}

impl Access {
    /// The setting's identity.
    pub fn key(&self) -> SettingKey {
        SettingKey {
            account: self.account.clone(),
            region: self.region.setting_region(),
            app: self.app.clone(),
        }
    }
}

/// Reads the Secrets and finds the credentials, the account and the address. `observed` fills up with the Secrets
/// that were read, also when a later step fails.
pub async fn inputs(
    ctx: &Context,
    resource: &VodMessageCallback,
    observed: &mut Vec<ObservedSecret>,
) -> Result<Inputs, Failure> {
    let namespace = resource.namespace().unwrap_or_default();
    let spec = &resource.spec;
    // The key is judged first: a bad key is told before any call is made.
    let key_values = match secrets::key_ref(spec) {
        None => None,
        Some((name, key)) => {
            let values = secrets::read(&ctx.client, &namespace, name).await?;
            observed.push(values.observed.clone());
            Some((name.to_owned(), key.to_owned(), values))
        }
    };
    let already_read = key_values.as_ref().map(|(name, _, values)| (name.as_str(), values));
    let base = base(ctx, spec, &namespace, already_read, observed).await;
    if let Err(failure) = &base {
        note_claim(ctx, resource, Err(failure));
    }
    let base = base?;
    let key = match &key_values {
        None => None,
        Some((name, key, values)) => Some(auth_key(name, key, values)?),
    };
    let key_version = key_values.map(|(_, _, values)| values.observed.resource_version.clone());
    let wanted = convert::setting(spec, key).ok_or_else(|| {
        Failure::stalled(
            Reason::InvalidSpec,
            "exactly one of http and mns must go with callbackType",
        )
    })?;
    let access = access(ctx, resource, base, observed).await?;
    Ok(Inputs {
        wanted,
        wanted_applied: convert::applied(spec, key_version.as_deref()),
        access,
    })
}

/// Only the way to the service, for a deletion.
pub async fn access_only(ctx: &Context, resource: &VodMessageCallback) -> Result<Access, Failure> {
    let namespace = resource.namespace().unwrap_or_default();
    let mut observed = Vec::new();
    match base(ctx, &resource.spec, &namespace, None, &mut observed).await {
        Ok(base) => access(ctx, resource, base, &observed).await,
        Err(failure) => {
            note_claim(ctx, resource, Err(&failure));
            Err(failure)
        }
    }
}

async fn base(
    ctx: &Context,
    spec: &VodMessageCallbackSpec,
    namespace: &str,
    already_read: Option<(&str, &secrets::Values)>,
    observed: &mut Vec<ObservedSecret>,
) -> Result<Base, Failure> {
    let credentials = spec.credentials.as_ref();
    if let Some(account) = credentials.and_then(|c| c.service_account_ref.as_ref()) {
        return service_account(ctx, account, namespace);
    }
    let Some(name) = secrets::credentials_name(spec) else {
        return ambient(ctx, namespace);
    };
    let fresh;
    let values = match already_read {
        Some((read, values)) if read == name => values,
        _ => {
            fresh = secrets::read(&ctx.client, namespace, name).await?;
            observed.push(fresh.observed.clone());
            &fresh
        }
    };
    let credentials = from_secret_data(values.data()).map_err(|incomplete| {
        Failure::stalled(
            Reason::SecretKeyMissing,
            format!("Secret {name} in namespace {namespace}: {incomplete}"),
        )
    })?;
    Ok(Base::Given(credentials))
}

/// The operator's own credentials, where this namespace may use them.
fn ambient(ctx: &Context, namespace: &str) -> Result<Base, Failure> {
    if ctx.defaults.ambient_allowed(namespace) {
        return Ok(Base::Ambient);
    }
    let otherwise = if ctx.defaults.ambient_credentials {
        format!("start the operator with --ambient-namespace {namespace} as well")
    } else {
        "start the operator with --ambient-credentials".to_owned()
    };
    Err(Failure::stalled(
        Reason::AmbientCredentialsDisabled,
        format!(
            "spec.credentials.secretRef is absent and the operator may not use its own credentials here: \
             name a Secret, or {otherwise}"
        ),
    ))
}

fn service_account(ctx: &Context, account: &ServiceAccountRef, namespace: &str) -> Result<Base, Failure> {
    let provider = account
        .oidc_provider_arn
        .as_ref()
        .or(ctx.defaults.oidc_provider_arn.as_ref());
    let Some(provider_arn) = provider else {
        return Err(Failure::stalled(
            Reason::InvalidCredentials,
            "spec.credentials.serviceAccountRef.oidcProviderArn is absent and the operator has no default: name the \
             cluster's OIDC provider in RAM, or start the operator with --oidc-provider-arn",
        ));
    };
    Ok(Base::ServiceAccount(ServiceAccountRole {
        namespace: namespace.to_owned(),
        name: account.name.clone(),
        audience: account.audience.clone(),
        role: OidcRole {
            role_arn: account.role_arn.clone(),
            provider_arn: provider_arn.clone(),
            session_name: default_session_name(namespace),
        },
    }))
}

fn auth_key(name: &str, key: &str, values: &secrets::Values) -> Result<AuthKey, Failure> {
    let value = values
        .data()
        .get(key)
        .filter(|value| !value.0.is_empty())
        .ok_or_else(|| {
            Failure::stalled(
                Reason::SecretKeyMissing,
                format!("Secret {name} has no value at key {key}: add the AuthKey there"),
            )
        })?;
    AuthKey::parse(&value.0).map_err(|invalid| {
        Failure::stalled(
            Reason::InvalidAuthKey,
            format!("key {key} of Secret {name}: {invalid}; the service refuses others"),
        )
    })
}

async fn access(
    ctx: &Context,
    resource: &VodMessageCallback,
    base: Base,
    observed: &[ObservedSecret],
) -> Result<Access, Failure> {
    let found = resolved(ctx, resource, base, observed).await;
    note_claim(ctx, resource, found.as_ref());
    found
}

async fn resolved(
    ctx: &Context,
    resource: &VodMessageCallback,
    base: Base,
    observed: &[ObservedSecret],
) -> Result<Access, Failure> {
    let spec = &resource.spec;
    let region = convert::region(spec);
    let namespace = resource.namespace().unwrap_or_default();
    let role = spec
        .credentials
        .as_ref()
        .and_then(|c| c.assume_role.as_ref())
        .map(|role| AssumeRole {
            role_arn: role.role_arn.clone(),
            external_id: role.external_id.clone(),
            session_name: role
                .session_name
                .clone()
                .unwrap_or_else(|| default_session_name(&namespace)),
        });
    let sts = ctx.endpoints.sts(&region);
    let mut credentials = ctx.credentials.resolve(&base, role.as_ref(), &region).await?;
    let mut asked = ctx.identities.account_of(&credentials, &sts).await;
    // Those of the operator's own that ended early are fetched again, and the question is put at once.
    if asked.as_ref().is_err_and(|error| error.expired_token) && credentials.expires_at.is_some() {
        ctx.credentials.invalidate(&credentials);
        credentials = ctx.credentials.resolve(&base, role.as_ref(), &region).await?;
        asked = ctx.identities.account_of(&credentials, &sts).await;
    }
    let (account, account_note) = match asked {
        Ok(id) => (AccountKey::Account(id), None),
        // Refused by STS, they are refused everywhere: no call to VOD is spent on them.
        Err(error) if error.class == ErrorClass::Credentials => return Err(Failure::from(error)),
        Err(error) => match known_account(resource, observed) {
            Some(id) => (AccountKey::Account(id), None),
            None => {
                let note = format!(
                    "STS GetCallerIdentity could not name the account ({}), so ownership and quota go by the AccessKey ID",
                    error.code
                );
                (AccountKey::Credential(credentials.id), Some(note))
            }
        },
    };
    let endpoint = ctx.endpoints.vod(&region);
    Ok(Access {
        credentials,
        account,
        account_note,
        endpoint,
        region,
        app: convert::app(spec),
    })
}

fn known_account(resource: &VodMessageCallback, observed: &[ObservedSecret]) -> Option<AccountId> {
    let name = secrets::credentials_name(&resource.spec)?;
    claims::proven_by_status(resource, version_of(observed, name))
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        let call = error.call().cloned().map(Box::new);
        match error.class() {
            class @ (ErrorClass::Transient | ErrorClass::Throttling) => Self::Waiting {
                reason: if class == ErrorClass::Throttling {
                    Reason::Throttled
                } else {
                    Reason::ServiceUnavailable
                },
                message: format!("credentials could not be had: {error}; it is tried again by itself"),
                not_before: call.as_ref().and_then(|call| call.retry_after),
                call,
            },
            class => Self::Stalled {
                reason: if class == ErrorClass::Permission {
                    Reason::PermissionDenied
                } else {
                    Reason::InvalidCredentials
                },
                message: error.to_string(),
                call,
            },
        }
    }
}

/// Notes in the index whose account a resource may lay claim to.
fn note_claim(ctx: &Context, resource: &VodMessageCallback, found: Result<&Access, &Failure>) {
    let uid = resource.uid().unwrap_or_default();
    let woken = match found {
        Ok(access) => ctx.ownership().proven(&uid, access.account.clone()),
        Err(Failure::Stalled {
            reason: Reason::InvalidCredentials | Reason::PermissionDenied,
            ..
        }) => ctx.ownership().refused(&uid),
        Err(Failure::Stopping | Failure::Kubernetes(_)) => Vec::new(),
        Err(_) => ctx.ownership().cannot_be_known(&uid),
    };
    ctx.wake_all(woken);
}

/// Tells whether a resource is the owner of the setting that it is about.
pub async fn ownership(ctx: &Context, resource: &VodMessageCallback) -> Result<(), Failure> {
    let uid = resource.uid().unwrap_or_default();
    match claims::judge(ctx, &uid).await {
        Ownership::Loser { owner } => Err(Failure::stalled(Reason::Conflict, lost_message(&owner))),
        Ownership::Waits { on } => Err(Failure::Waiting {
            reason: Reason::ServiceUnavailable,
            message: format!("who owns the setting is not known yet: {on} is waited for"),
            not_before: None,
            call: None,
        }),
        Ownership::Owner | Ownership::NoClaim | Ownership::NotContending | Ownership::Unknown => Ok(()),
    }
}

/// Reads the live setting, sharing the read with other resources of the same setting; a read that started before
/// `not_before` does not count.
pub async fn live(ctx: &Context, access: &Access, urgency: Urgency, not_before: Instant) -> Result<LiveRead, Failure> {
    let fetch = async {
        let slot = slot(ctx, access, Operation::Get, urgency).await.map_err(Arc::new)?;
        let next_turn = || {
            drop(slot);
            self::slot(ctx, access, Operation::Get, urgency)
        };
        let call = ctx
            .vod
            .get(&access.endpoint, &access.credentials, &access.app, next_turn);
        match call.await {
            Ok(answer) => Ok(Arc::new(answer.setting)),
            Err(error) => {
                note_call_error(ctx, access, &error);
                Err(Arc::new(error))
            }
        }
    };
    ctx.reads
        .read(access.key(), access.credentials.id, not_before, fetch)
        .await
        .map_err(|error| Failure::from((*error).clone()))
}

/// Waits for a slot in the account's quota. No call is made without one, and none by a stale leader: one that was
/// stopped and goes on notices it here.
///
/// # Errors
/// When the account rests for longer than is worth waiting for, or this process no longer leads.
pub async fn slot(ctx: &Context, access: &Access, operation: Operation, urgency: Urgency) -> Result<Slot, CallError> {
    let slot = ctx.limiter.acquire(&access.account, operation, urgency).await;
    let slot = slot.map_err(|paused| CallError::paused(paused.until))?;
    if ctx.claim.holds() {
        Ok(slot)
    } else {
        Err(CallError::cut_off())
    }
}

/// What an error teaches beyond this resource: the quota is narrower, or the credentials are stale.
pub fn note_call_error(ctx: &Context, access: &Access, error: &CallError) {
    if error.class == ErrorClass::Throttling {
        ctx.limiter.throttled(&access.account, error.retry_after);
    }
    if error.expired_token {
        ctx.credentials.invalidate(&access.credentials);
    } else if error.class == ErrorClass::Credentials {
        ctx.identities.refused(&access.credentials.id);
    }
}
