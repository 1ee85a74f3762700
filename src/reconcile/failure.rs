//! What can go wrong on the way, as the reconciler needs it: who must act, and when to try again.

use std::time::Duration;

use crate::cloud::{CallError, ErrorClass};
use crate::status::Reason;

/// An attempt that did not reach its end.
#[derive(Debug)]
pub enum Failure {
    /// The user must change something.
    Stalled {
        /// What.
        reason: Reason,
        /// In words, with the fix.
        message: String,
        /// The service's own answer, if it was asked.
        call: Option<Box<CallError>>,
    },
    /// It may pass by itself.
    Waiting {
        /// `Throttled` or `ServiceUnavailable`.
        reason: Reason,
        /// In words.
        message: String,
        /// Not to be tried sooner.
        not_before: Option<Duration>,
        /// The service's own answer, if it gave one.
        call: Option<Box<CallError>>,
    },
    /// The API server would not do something; the status could not say it either.
    Kubernetes(kube::Error),
    /// The process is stopping or no longer leads.
    Stopping,
}

impl Failure {
    /// A stall without a call to the service.
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self::Stalled {
            reason,
            message: message.into(),
            call: None,
        }
    }

    /// What a stale leader meets is no news of the resource: whoever leads now finds out for itself.
    pub fn unless_past(self, leads: bool) -> Self {
        if leads { self } else { Self::Stopping }
    }

    /// No call was made, because the account rests after throttled ones.
    pub fn is_a_rest(&self) -> bool {
        matches!(self, Self::Waiting { reason: Reason::Throttled, call: Some(call), .. } if call.http_status.is_none())
    }

    /// The label in `vod_operator_reconcile_total`.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Stalled { reason, .. } | Self::Waiting { reason, .. } => reason.class(),
            Self::Kubernetes(_) => "transient",
            Self::Stopping => "requeue",
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let said = error.message.clone();
        let stalled = |reason, advice: &str, error: CallError| Self::Stalled {
            reason,
            message: format!("the service answered {}: {said}; {advice}", error.code),
            call: Some(Box::new(error)),
        };
        match error.class {
            ErrorClass::Throttling => Self::Waiting {
                reason: Reason::Throttled,
                message: format!(
                    "the service asks for fewer calls ({}); it is tried again by itself",
                    error.code
                ),
                not_before: error.retry_after,
                call: Some(Box::new(error)),
            },
            ErrorClass::Transient => Self::Waiting {
                reason: Reason::ServiceUnavailable,
                message: format!(
                    "the service did not answer as it should ({}): {said}; it is tried again by itself",
                    error.code
                ),
                not_before: error.retry_after,
                call: Some(Box::new(error)),
            },
            ErrorClass::Credentials => stalled(
                Reason::InvalidCredentials,
                "put a valid AccessKey into the Secret that spec.credentials names",
                error,
            ),
            ErrorClass::Permission => stalled(
                Reason::PermissionDenied,
                "allow vod:SetMessageCallback, vod:GetMessageCallback and vod:DeleteMessageCallback to this AccessKey, \
                 and see that VOD is open in the account",
                error,
            ),
            ErrorClass::Spec => stalled(Reason::InvalidSpec, "correct the spec", error),
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Kubernetes(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A deletion whose grace period is over is released on any failure but this one.
    #[test]
    fn what_a_stale_leader_meets_is_no_news() {
        let cut_off = || Failure::from(CallError::cut_off());
        assert!(matches!(cut_off().unless_past(true), Failure::Waiting { .. }));
        assert!(matches!(cut_off().unless_past(false), Failure::Stopping));
    }
}
