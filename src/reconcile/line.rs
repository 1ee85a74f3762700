//! The line that a pass waits in, and how urgent it is there.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::due::Due;
use super::failure::Failure;
use super::next_action::End;
use super::pass::Pass;
use super::resource_version::{is_newer, version_of};
use super::{cleanup, convert, secret_refs};
use crate::api::VodMessageCallbackSpec;
use crate::quota::{Line, Owner, Urgency};
use crate::service::Access;

impl Pass {
    /// How urgent it is. What was found when work began, and what is tried again, is no news of the user's.
    pub fn urgency(&self) -> Urgency {
        let state = self.entry.lock();
        // One that was throttled goes on as what it was.
        let schedule = state.schedule.as_ref().filter(|schedule| schedule.head.is_none());
        let retry = schedule.and_then(|schedule| schedule.retry.as_ref());
        let is_retry = retry.is_some_and(|retry| retry.inputs.still_hold(&self.inputs));
        match self.due {
            Due::ScheduledCheck => Urgency::Check,
            // Many can be asked for in one go, and a change goes before them.
            Due::RequestedCheck => Urgency::Backlog,
            // So are those of an AccessKey that was rotated: nothing of the setting waits.
            Due::Change
                if !state.ownership_changed
                    && !self.for_ownership.load(Ordering::Relaxed)
                    && self.only_the_credentials_changed() =>
            {
                Urgency::Backlog
            }
            _ if is_retry || state.found_at == Some(self.inputs.generation) => Urgency::Backlog,
            Due::Nothing(_) | Due::Suspend | Due::Cleanup | Due::Change | Due::WriteStatus => Urgency::Change,
        }
    }

    fn only_the_credentials_changed(&self) -> bool {
        let applied = self.status.applied.as_ref();
        let applied = applied.and_then(|applied| applied.auth_key_secret.as_ref());
        let key_is_in_force = match (secret_refs::key_ref(&self.resource.spec), applied) {
            (None, None) => true,
            (Some((name, _)), Some(applied)) => self.inputs.present(name) == Some(&applied.resource_version),
            _ => false,
        };
        self.holds_generation() && key_is_in_force
    }

    /// The line it waits in: its account's, its credential's while the account is not known, or nobody's where the
    /// service is not called at all.
    pub fn line(&self) -> Line {
        let spec = &self.resource.spec;
        let local = match self.due {
            Due::Suspend | Due::WriteStatus | Due::Nothing(_) => true,
            Due::Cleanup => cleanup::settings_to_remove(self).is_empty(),
            Due::Change | Due::RequestedCheck | Due::ScheduledCheck => false,
        };
        if local {
            return Line {
                owner: Owner::NoCalls,
                endpoint: String::new(),
            };
        }
        let account = self.ctx.ownership().account(&self.uid);
        Line {
            owner: account
                .filter(|_| self.has_the_credentials_of_its_account())
                .map_or_else(
                    || Owner::Credential(line_of_the_credential(&self.name.namespace, spec)),
                    Owner::Account,
                ),
            endpoint: self.ctx.endpoints.vod(&convert::region(spec)).as_str().to_owned(),
        }
    }

    /// Others may be another account's, and do not wait in this one's line; whose they are is asked first.
    fn has_the_credentials_of_its_account(&self) -> bool {
        let spec = &self.resource.spec;
        let state = self.entry.lock();
        let with = state.proven_with.as_ref();
        if with.is_some_and(|with| with.mark != secret_refs::credentials_mark(spec)) {
            return false;
        }
        let Some(name) = secret_refs::credentials_name(spec) else {
            return true;
        };
        let Some(now) = self.inputs.present(name) else {
            return true;
        };
        let then = match with {
            Some(with) => with.version.as_deref(),
            // By a process before this one.
            None => version_of(&self.status.observed_secrets, name),
        };
        then.is_some_and(|then| !is_newer(now, then))
    }

    /// The account is known: from here on this pass counts in its line.
    ///
    /// # Errors
    /// [`Failure::InLine`] where that has no room: it has to wait there.
    pub fn join_line(&self, access: &Access) -> Result<(), Failure> {
        let line = Line {
            owner: Owner::Account(access.account.clone()),
            endpoint: access.endpoint.as_str().to_owned(),
        };
        if self.ctx.queue().join(&self.name, &line) {
            Ok(())
        } else {
            Err(Failure::InLine)
        }
    }

    /// The account was throttled: its line rests as long as the service asked, and this resource goes on at its head.
    pub fn rest(&self, not_before: Option<Duration>) -> End {
        let Some(wait) = not_before else { return End::Throttled };
        let Some(account) = self.ctx.ownership().account(&self.uid) else {
            return End::Waiting { not_before };
        };
        self.ctx.queue().rest(&account, Instant::now() + wait);
        End::Throttled
    }
}

/// What a spec's credentials go by until their account is known, for those who wait in line.
fn line_of_the_credential(namespace: &str, spec: &VodMessageCallbackSpec) -> String {
    let credentials = spec.credentials.as_ref();
    let account = credentials.and_then(|c| c.service_account_ref.as_ref());
    let base = match (secret_refs::credentials_name(spec), account) {
        (Some(secret), _) => format!("{namespace}/{secret}"),
        (None, Some(account)) => format!("{namespace} {} {}", account.name, account.role_arn),
        (None, None) => "ambient".to_owned(),
    };
    let role = credentials.and_then(|c| c.assume_role.as_ref());
    role.map_or_else(|| base.clone(), |role| format!("{base} {}", role.role_arn))
}
