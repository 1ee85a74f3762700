//! What a resource asks for and of which account, as the operator would find it out.

use std::sync::Arc;

use super::item::Verdict;
use super::secrets::{Known, Secrets, Trouble};
use crate::api::{AppliedSetting, VodMessageCallbackSpec};
use crate::commands::credentials::Own;
use crate::commands::service::Service;
use crate::credentials::{AssumeRole, Base, Credentials, default_session_name};
use crate::domain::{AccountKey, AppId, AuthKey, Region, Setting};
use crate::ownership::ObjectName;
use crate::reconcile::failure::Failure;
use crate::reconcile::{convert, facts, secret_refs as references};
use crate::status::Reason;

/// Where credentials come from, and what is told of it once.
pub struct Sources<'a> {
    /// The service.
    pub service: &'a Service,
    /// The Secrets.
    pub secrets: &'a Secrets,
    /// The caller's own credentials.
    pub own: &'a Own,
}

/// What a resource asks for.
pub struct Inputs {
    /// The setting.
    pub wanted: Setting,
    /// The same in the status's terms.
    pub wanted_applied: AppliedSetting,
    /// The AuthKey's Secret is in no file, and there is no cluster to ask: the key in `wanted` stands for it.
    pub key_is_unknown: bool,
    /// Of whom.
    pub access: Access,
}

/// Whose setting it is.
pub struct Access {
    /// The credentials to ask with.
    pub credentials: Arc<Credentials>,
    /// The account.
    pub account: AccountKey,
    /// The region.
    pub region: Region,
    /// The app.
    pub app: AppId,
    /// The caller's own credentials stand for those that the operator would use.
    pub stands_in: bool,
    /// The credentials are the caller's, named or found: what is refused to them says nothing of the operator.
    pub is_callers: bool,
}

impl Sources<'_> {
    /// Everything that is known without a call to VOD.
    ///
    /// # Errors
    /// What the operator would stall on, or what could not be found out.
    pub async fn inputs(&self, namespace: &str, spec: &VodMessageCallbackSpec) -> Result<Inputs, Verdict> {
        let (mut key, mut version, mut key_is_unknown) = (None, None, false);
        if let Some((name, of)) = references::key_ref(spec) {
            let found = self.secret(namespace, name).await;
            if matches!(found.as_ref(), Err(Trouble::NoCluster)) {
                key_is_unknown = true;
                key = AuthKey::parse(b"Unknown0").ok();
            } else {
                let known = known(&found, namespace, name)?;
                key = Some(facts::auth_key(name, of, &known.data.0).map_err(stall)?);
                version = Some(known.version.clone());
            }
        }
        Ok(Inputs {
            key_is_unknown,
            wanted: facts::wanted(spec, key).map_err(stall)?,
            wanted_applied: convert::applied(spec, version.as_deref()),
            access: self.access(namespace, spec).await?,
        })
    }

    /// Only the way to the service.
    ///
    /// # Errors
    /// As [`Self::inputs`].
    pub async fn access(&self, namespace: &str, spec: &VodMessageCallbackSpec) -> Result<Access, Verdict> {
        let region = convert::region(spec);
        let mut stands_in = false;
        let named = references::credentials_name(spec);
        let base = match (named, self.own) {
            (_, Own::Secret(given)) => Base::Given(given.clone()),
            (_, Own::Profile(_)) => self.own_base(&region).await?,
            (Some(name), Own::Environment(_)) => {
                let found = self.secret(namespace, name).await;
                match found.as_ref() {
                    // Without a cluster nobody can know whether the Secret is there.
                    Err(Trouble::NoCluster) => {
                        stands_in = true;
                        self.own_base(&region).await?
                    }
                    _ => {
                        let known = known(&found, namespace, name)?;
                        Base::Given(facts::access_key(namespace, name, &known.data.0).map_err(stall)?)
                    }
                }
            }
            (None, Own::Environment(_)) => {
                stands_in = true;
                self.own_base(&region).await?
            }
        };
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
                    .unwrap_or_else(|| default_session_name(namespace)),
            });
        let is_callers = stands_in || !matches!(self.own, Own::Environment(_));
        let resolved = self.service.credentials.resolve(&base, role.as_ref(), &region).await;
        let credentials = resolved.map_err(|error| denied(is_callers, error.into()))?;
        let account = self.service.account(&credentials, &region).await;
        Ok(Access {
            account: account.map_err(|error| denied(is_callers, error.into()))?,
            is_callers,
            credentials,
            app: convert::app(spec),
            region,
            stands_in,
        })
    }

    async fn own_base(&self, region: &Region) -> Result<Base, Verdict> {
        let own = self.own.credentials(self.service, region).await;
        own.map(|credentials| Base::Given((*credentials).clone()))
            .map_err(|failure| Verdict::unknown(failure.to_string()))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Arc<Result<Known, Trouble>> {
        let name = ObjectName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.secrets.get(&name).await
    }
}

fn known<'a>(found: &'a Result<Known, Trouble>, namespace: &str, name: &str) -> Result<&'a Known, Verdict> {
    match found {
        Ok(known) => Ok(known),
        Err(Trouble::Missing) => Err(stall(facts::missing(namespace, name))),
        Err(Trouble::NoCluster) => Err(Verdict::unknown(format!(
            "Secret {name} of namespace {namespace} is in none of the files, and there is no cluster to ask"
        ))),
        Err(Trouble::Unreadable(why)) => Err(Verdict::unknown(format!(
            "Secret {name} of namespace {namespace}: {why}"
        ))),
    }
}

/// What is refused to the credentials that were asked with. The operator's may be others.
pub fn denied(is_callers: bool, failure: Failure) -> Verdict {
    let of_credentials = failure
        .told()
        .filter(|told| matches!(told.reason, Reason::InvalidCredentials | Reason::PermissionDenied));
    match of_credentials {
        Some(told) if is_callers => {
            let why = told.call.map_or_else(|| told.message.to_owned(), ToString::to_string);
            Verdict::unknown(format!("your own credentials were refused: {why}"))
        }
        _ => stall(failure),
    }
}

/// What the operator would say of a failure.
pub fn stall(failure: Failure) -> Verdict {
    match failure.told() {
        Some(told) if !told.passes => Verdict::stall(told.reason, told.message),
        Some(told) => Verdict::unknown(told.message),
        None => Verdict::unknown("it could not be found out"),
    }
}
