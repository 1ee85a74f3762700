//! Kubernetes events: what a user reads under `kubectl describe`.
//!
//! Best effort throughout: a reconcile neither waits for an event nor fails over one. They are written straight as
//! `events.k8s.io/v1` objects and not through kube's `Recorder`: that one takes two notices with different notes for
//! the same event and keeps the first note, so that a changed message would never reach the user. Here the note is
//! part of what makes an event; only what is word for word the same is counted up as a series.

mod told;
mod writer;

pub use told::Told;
pub use writer::{Events, Writer, channel};

use std::fmt;

/// How an event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// For the record.
    Normal,
    /// The user should look.
    Warning,
}

impl EventType {
    /// As the API has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Why there is an event: a closed list, since dashboards and alerts match on these words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventReason {
            $($(#[$doc])* $name,)*
        }

        impl EventReason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As the API has it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

reasons! {
    /// A live setting that differs is about to be replaced.
    Replacing,
    /// The live setting already was what the spec says.
    Adopted,
    /// The setting was made.
    Applied,
    /// What was read back differs in meaning from what was set.
    ReadBackDiffers,
    /// The live setting is no longer what was applied.
    DriftDetected,
    /// It was set right again.
    DriftCorrected,
    /// Somebody else keeps changing the setting.
    Contested,
    /// Another resource owns the setting.
    Conflict,
    /// The setting was taken over from a resource that went away.
    TakenOver,
    /// The resource was let go although its setting could not be dealt with.
    Released,
    /// A setting was left in the service.
    LeftBehind,
    /// On deletion: the live setting is not the one that this resource applied, and was left alone.
    NotOurs,
    /// The setting was deleted.
    Deleted,
    /// The service refused the parameters.
    InvalidSpec,
    /// The AuthKey breaks the service's rule.
    InvalidAuthKey,
    /// A Secret that the spec names is missing.
    SecretNotFound,
    /// A Secret lacks a key.
    SecretKeyMissing,
    /// The service refused the credentials.
    InvalidCredentials,
    /// The credentials may not do this.
    PermissionDenied,
    /// The operator's own credentials are needed, and not allowed.
    AmbientCredentialsDisabled,
    /// The service asks for fewer calls.
    Throttled,
    /// The service is out of reach, or fails.
    ServiceUnavailable,
    /// An event type that the documentation does not list.
    UnlistedEventType,
    /// A single AI event type: the service subscribes to them through `AIComplete`.
    SingleAiEventType,
    /// An MNS endpoint that is not public.
    InternalMnsEndpoint,
    /// A callback URL that the service cannot reach.
    UnreachableUrl,
    /// The credentials belong to another account now.
    AccountChanged,
}

impl fmt::Display for EventReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What there is to tell about one resource. The note never holds a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// How it is shown.
    pub type_: EventType,
    /// Why.
    pub reason: EventReason,
    /// What happened, for people.
    pub note: String,
    /// What the operator was doing, in CamelCase: `Apply`, `Check`, `Delete`.
    pub action: &'static str,
}

impl Notice {
    /// For the record.
    pub fn normal(reason: EventReason, action: &'static str, note: impl Into<String>) -> Self {
        Self {
            type_: EventType::Normal,
            reason,
            note: note.into(),
            action,
        }
    }

    /// The user should look.
    pub fn warning(reason: EventReason, action: &'static str, note: impl Into<String>) -> Self {
        Self {
            type_: EventType::Warning,
            ..Self::normal(reason, action, note)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn reasons_are_distinct_camel_case_words() {
        let words: BTreeSet<&str> = EventReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), 27);
        for word in words {
            let sound = word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(char::is_alphanumeric);
            assert!(sound && word.len() <= 128, "{word}");
        }
    }
}
