//! The first step: what is wanted, with whose credentials, and what the service holds.

use std::sync::Arc;

use super::failure::Failure;
use super::object_state::ProvenWith;
use super::pass::Pass;
use super::resource_version::version_of;
use super::secret_read::SecretRead;
use super::{claims, convert, facts, secret_read, secret_refs};
use crate::api::{AppliedSetting, ServiceAccountRef, VodMessageCallback, VodMessageCallbackSpec};
use crate::cloud::ErrorClass;
use crate::credentials::{AssumeRole, Base, CredentialError, OidcRole, ServiceAccountRole, default_session_name};
use crate::domain::{AccountId, AccountKey, Setting};
use crate::ownership::{ObjectName, Ownership};
use crate::service::{Access, Source, Turn};
use crate::status::{Reason, ready_reason};

/// What the resource asks for, by itself and its Secrets: no call to VOD was made for it.
pub struct Wanted {
    /// The setting.
    pub setting: Setting,
    /// The same in the status's terms.
    pub applied: AppliedSetting,
    /// How to talk to the service.
    pub access: Access,
}

/// Reads the Secrets and finds the credentials, the account and the address. What was read is noted in the pass, also
/// when a later step fails.
pub async fn wanted(pass: &Pass, turn: &Turn) -> Result<Wanted, Failure> {
    let spec = &pass.resource.spec;
    let key_ref = secret_refs::key_ref(spec);
    let credentials = secret_refs::credentials_name(spec);
    let (of_key, of_credentials) = match (key_ref.map(|(name, _)| name), credentials) {
        (Some(one), Some(same)) if one == same => (Some(read(pass, one).await), None),
        (one, other) => tokio::join!(read_named(pass, one), read_named(pass, other)),
    };
    // The key is judged first: a bad key is told before any call is made.
    let of_key = of_key.transpose()?;
    let base = match of_credentials.transpose() {
        Ok(values) => base(pass, spec, values.as_ref().or(of_key.as_ref())),
        Err(failure) => Err(failure),
    };
    let base = base.inspect_err(|failure| note_claim(pass, Err(failure)))?;
    let key = match (key_ref, &of_key) {
        (Some((name, key)), Some(values)) => Some(facts::auth_key(name, key, values.data())?),
        _ => None,
    };
    let key_version = key_ref
        .zip(of_key)
        .map(|(_, values)| values.observed.resource_version.clone());
    Ok(Wanted {
        setting: facts::wanted(spec, key)?,
        applied: convert::applied(spec, key_version.as_deref()),
        access: access(pass, turn, base).await?,
    })
}

/// Only the way to the service, for a deletion.
pub async fn access_only(pass: &Pass, turn: &Turn) -> Result<Access, Failure> {
    let spec = &pass.resource.spec;
    let values = read_named(pass, secret_refs::credentials_name(spec)).await.transpose();
    let base = values.and_then(|values| base(pass, spec, values.as_ref()));
    let base = base.inspect_err(|failure| note_claim(pass, Err(failure)))?;
    access(pass, turn, base).await
}

async fn read_named(pass: &Pass, name: Option<&str>) -> Option<Result<SecretRead, Failure>> {
    match name {
        Some(name) => Some(read(pass, name).await),
        None => None,
    }
}

async fn read(pass: &Pass, name: &str) -> Result<SecretRead, Failure> {
    let values = secret_read::read(&pass.ctx.client, &pass.name.namespace, name).await?;
    let mut seen = pass.seen();
    seen.secrets.push(values.observed.clone());
    // Reads end in any order, and a status at rest must not change.
    seen.secrets.sort_by(|a, b| a.name.cmp(&b.name));
    drop(seen);
    Ok(values)
}

fn base(pass: &Pass, spec: &VodMessageCallbackSpec, values: Option<&SecretRead>) -> Result<Base, Failure> {
    let credentials = spec.credentials.as_ref();
    if let Some(account) = credentials.and_then(|c| c.service_account_ref.as_ref()) {
        return service_account(pass, account);
    }
    let (Some(name), Some(values)) = (secret_refs::credentials_name(spec), values) else {
        return ambient(pass);
    };
    let credentials = facts::access_key(&pass.name.namespace, name, values.data())?;
    Ok(Base::Given(credentials))
}

/// The operator's own credentials, where this namespace may use them.
fn ambient(pass: &Pass) -> Result<Base, Failure> {
    let (defaults, namespace) = (&pass.ctx.defaults, &pass.name.namespace);
    if defaults.ambient_allowed(namespace) {
        return Ok(Base::Ambient);
    }
    let otherwise = if defaults.ambient_credentials {
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

fn service_account(pass: &Pass, account: &ServiceAccountRef) -> Result<Base, Failure> {
    let namespace = &pass.name.namespace;
    let provider = account
        .oidc_provider_arn
        .as_ref()
        .or(pass.ctx.defaults.oidc_provider_arn.as_ref());
    let Some(provider_arn) = provider else {
        return Err(Failure::stalled(
            Reason::InvalidCredentials,
            "spec.credentials.serviceAccountRef.oidcProviderArn is absent and the operator has no default: name the \
             cluster's OIDC provider in RAM, or start the operator with --oidc-provider-arn",
        ));
    };
    Ok(Base::ServiceAccount(ServiceAccountRole {
        namespace: namespace.clone(),
        name: account.name.clone(),
        audience: account.audience.clone(),
        role: OidcRole {
            role_arn: account.role_arn.clone(),
            provider_arn: provider_arn.clone(),
            session_name: default_session_name(namespace),
        },
    }))
}

async fn access(pass: &Pass, turn: &Turn, base: Base) -> Result<Access, Failure> {
    let found = Box::pin(resolved(pass, turn, base)).await;
    note_claim(pass, found.as_ref());
    found
}

async fn resolved(pass: &Pass, turn: &Turn, base: Base) -> Result<Access, Failure> {
    let (ctx, spec) = (&pass.ctx, &pass.resource.spec);
    let region = convert::region(spec);
    let role = spec.credentials.as_ref().and_then(|c| c.assume_role.as_ref());
    let role = role.map(|role| AssumeRole {
        role_arn: role.role_arn.clone(),
        external_id: role.external_id.clone(),
        session_name: role
            .session_name
            .clone()
            .unwrap_or_else(|| default_session_name(&pass.name.namespace)),
    });
    let sts = ctx.endpoints.sts(&region);
    let found = turn.away(Box::pin(async {
        let mut credentials = ctx.credentials.resolve(&base, role.as_ref(), &region).await?;
        let mut asked = ctx.identities.account_of(&credentials, &sts).await;
        // Those of the operator's own that ended early are fetched again, and the question is put at once.
        if asked.as_ref().is_err_and(|error| error.expired_token) && credentials.expires_at.is_some() {
            ctx.credentials.invalidate(&credentials);
            credentials = ctx.credentials.resolve(&base, role.as_ref(), &region).await?;
            asked = ctx.identities.account_of(&credentials, &sts).await;
        }
        Ok::<_, CredentialError>((credentials, asked))
    }));
    let (credentials, asked) = found.await?;
    let (account, account_note) = match asked {
        Ok(id) => (AccountKey::Account(id), None),
        // Refused by STS, they are refused everywhere: no call to VOD is spent on them.
        Err(error) if error.class == ErrorClass::Credentials => return Err(Failure::from(error)),
        Err(error) => match known_account(pass) {
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
    Ok(Access {
        credentials,
        source: Arc::new(Source { base, role }),
        account,
        account_note,
        endpoint: ctx.endpoints.vod(&region),
        region,
        app: convert::app(spec),
    })
}

/// Whose account these credentials were found to be before, as its status proves, or that of another resource that names
/// the very same ones.
fn known_account(pass: &Pass) -> Option<AccountId> {
    let name = secret_refs::credentials_name(&pass.resource.spec)?;
    let version = version_of(&pass.seen().secrets, name)?.to_owned();
    let own = claims::proven_by_status(&pass.resource, Some(&version));
    own.or_else(|| {
        let mark = secret_refs::credentials_mark(&pass.resource.spec);
        // Others may have failed with new credentials before they learned whose these are.
        let is_sure = |other: &Arc<VodMessageCallback>| {
            let reason = other
                .status
                .as_ref()
                .and_then(|status| ready_reason(&status.conditions));
            reason.is_some_and(|reason| reason.is_ready() || reason == Reason::Conflict)
        };
        let users = pass.ctx.secrets.users(&pass.name.namespace, name).into_iter();
        users
            .filter(|(uid, _)| pass.ctx.ownership().account(uid).is_some())
            .filter_map(|(_, name)| pass.ctx.stores.get(&name))
            .filter(|other| is_sure(other) && secret_refs::credentials_mark(&other.spec) == mark)
            .find_map(|other| claims::proven_by_status(&other, Some(&version)))
    })
}

/// Notes in the index whose account a resource may lay claim to.
fn note_claim(pass: &Pass, found: Result<&Access, &Failure>) {
    let (ctx, uid) = (&pass.ctx, &pass.uid);
    let woken = match found {
        Ok(access) => {
            let spec = &pass.resource.spec;
            let name = secret_refs::credentials_name(spec);
            let version = name.and_then(|name| version_of(&pass.seen().secrets, name).map(str::to_owned));
            let mark = secret_refs::credentials_mark(spec);
            pass.entry.lock().proven_with = Some(ProvenWith { mark, version });
            ctx.ownership().proven(uid, access.account.clone())
        }
        Err(failure) => note_no_credentials(pass, failure),
    };
    ctx.wake_all(woken);
}

/// Credentials that are refused own nothing; what cannot be found out stays as it was.
fn note_no_credentials(pass: &Pass, failure: &Failure) -> Vec<ObjectName> {
    let mut index = pass.ctx.ownership();
    match failure {
        // By STS, that is: a ServiceAccount that is not there proves nothing against its owner.
        Failure::Stalled {
            reason: Reason::InvalidCredentials | Reason::PermissionDenied,
            call: Some(_),
            ..
        } => index.refused(&pass.uid),
        // It keeps what it had, also where that was found out by a process before this one.
        Failure::Stalled {
            reason: Reason::SecretNotFound,
            ..
        } => index.told(&pass.uid, claims::last_claim(&pass.resource)),
        Failure::StaleLeader | Failure::NotWritten(_) | Failure::NotHeld | Failure::Outdated | Failure::InLine => {
            Vec::new()
        }
        Failure::Stalled { .. } | Failure::Waiting { .. } | Failure::Throttled { .. } => {
            index.cannot_be_known(&pass.uid)
        }
    }
}

/// Tells whether a resource is the owner of the setting that it is about.
pub async fn ownership(pass: &Pass, turn: &Turn) -> Result<(), Failure> {
    match claims::judge(pass, turn).await {
        Ownership::Loser { owner } => Err(facts::lost_to(&owner)),
        Ownership::Waits { on } => Err(Failure::waiting(
            Reason::ServiceUnavailable,
            format!("who owns the setting is not known yet: {on} is waited for"),
        )),
        Ownership::Owner | Ownership::NoClaim | Ownership::NotContending | Ownership::Unknown => Ok(()),
    }
}
