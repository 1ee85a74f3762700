//! What can go wrong on the way, as the reconciler needs it: who must act, and when to try again.

use std::time::Duration;

use tokio::time::Instant;

use super::next_action::End;
use super::pass::Pass;
use crate::cloud::{CallError, ErrorClass};
use crate::credentials::CredentialError;
use crate::service::Unserved;
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
        /// Where that was an answer to somebody else: how long until it is asked anew.
        asked_anew: Option<Duration>,
    },
    /// The account's quota is used up, or it rests.
    Throttled {
        /// In words.
        message: String,
        /// Not to be tried sooner.
        not_before: Option<Duration>,
        /// The service's own answer; absent while the account rests and no call was made.
        call: Option<Box<CallError>>,
    },
    /// It may pass by itself.
    Waiting {
        /// `Throttled` (by STS) or `ServiceUnavailable`.
        reason: Reason,
        /// In words.
        message: String,
        /// Not to be tried sooner.
        not_before: Option<Duration>,
        /// The service's own answer, if it gave one.
        call: Option<Box<CallError>>,
    },
    /// The API server would not take a finalizer of ours, or give the live object.
    NotWritten(Box<kube::Error>),
    /// A Set succeeded, and the service shows something else. That has been said.
    NotHeld,
    /// Something newer is to be done first.
    Outdated,
    /// The account's line has no room now: it goes on when its turn comes there.
    InLine,
    /// Another replica may lead, and finds out for itself.
    StaleLeader,
}

/// A failure that the user is told of.
pub struct Told<'a> {
    /// The condition's reason.
    pub reason: Reason,
    /// In words.
    pub message: &'a str,
    /// The service's own answer.
    pub call: Option<&'a CallError>,
    /// It may pass by itself.
    pub passes: bool,
}

impl Failure {
    /// A stall without a call to the service.
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self::Stalled {
            reason,
            message: message.into(),
            call: None,
            asked_anew: None,
        }
    }

    /// Something that may pass by itself, without a call to the service.
    pub fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self::Waiting {
            reason,
            message: message.into(),
            not_before: None,
            call: None,
        }
    }

    /// What a user is told of it, if anything.
    pub fn told(&self) -> Option<Told<'_>> {
        match self {
            Self::Stalled {
                reason, message, call, ..
            } => Some(Told {
                reason: *reason,
                message,
                call: call.as_deref(),
                passes: false,
            }),
            Self::Throttled { message, call, .. } => Some(Told {
                reason: Reason::Throttled,
                message,
                call: call.as_deref(),
                passes: true,
            }),
            Self::Waiting {
                reason, message, call, ..
            } => Some(Told {
                reason: *reason,
                message,
                call: call.as_deref(),
                passes: true,
            }),
            Self::NotWritten(_) | Self::NotHeld | Self::Outdated | Self::InLine | Self::StaleLeader => None,
        }
    }

    /// How a pass ends with it.
    pub fn end(&self, pass: &Pass) -> End {
        match self {
            Self::Stalled { asked_anew, .. } => End::Stalled {
                asked_anew: *asked_anew,
            },
            Self::Throttled { not_before, .. } => pass.rest(*not_before),
            Self::Waiting { not_before, .. } => End::Waiting {
                not_before: *not_before,
            },
            Self::NotWritten(_) => End::NotWritten,
            Self::NotHeld => End::NotHeld,
            Self::Outdated | Self::InLine => End::Outdated,
            Self::StaleLeader => End::StaleLeader,
        }
    }

    /// The label in `vod_operator_reconcile_total`.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Stalled { reason, .. } | Self::Waiting { reason, .. } => reason.class(),
            Self::Throttled { .. } => Reason::Throttled.class(),
            Self::NotWritten(_) | Self::NotHeld => "transient",
            Self::Outdated | Self::InLine | Self::StaleLeader => "requeue",
        }
    }
}

fn asks_for_fewer_calls(error: &CallError) -> String {
    format!(
        "the service asks for fewer calls ({}); it is tried again by itself",
        error.code
    )
}

impl From<Unserved> for Failure {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Call(error) if error.class == ErrorClass::Throttling => Self::Throttled {
                message: asks_for_fewer_calls(&error),
                not_before: error.retry_after,
                call: Some(error),
            },
            Unserved::Call(error) => Self::from(*error),
            Unserved::NoCredentials(error) => Self::from(*error),
            Unserved::Rests { until } => Self::Throttled {
                message: "the service asked this account for fewer calls; it is tried again by itself".to_owned(),
                not_before: Some(until.saturating_duration_since(Instant::now())),
                call: None,
            },
            Unserved::Outdated => Self::Outdated,
            Unserved::StaleLeader => Self::StaleLeader,
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
            asked_anew: None,
        };
        match error.class {
            ErrorClass::Throttling => Self::Waiting {
                reason: Reason::Throttled,
                message: asks_for_fewer_calls(&error),
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
            // The call was repeated with the service's own time already.
            ErrorClass::Credentials if error.code.starts_with("InvalidTimeStamp") => stalled(
                Reason::InvalidCredentials,
                "the clocks differ: see that the time of the node, and of what is between it and the service, is right",
                error,
            ),
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

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        let call = error.call().cloned().map(Box::new);
        let asked_anew = error.asked_anew();
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
                asked_anew: asked_anew.map(|at| at.saturating_duration_since(Instant::now())),
            },
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::NotWritten(Box::new(error))
    }
}
