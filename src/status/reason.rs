use crate::domain::FieldDifference;

/// A condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Which of kstatus's two conditions stands beside Ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    Reconciling,
    Stalled,
}

/// What a reason says about the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialsColumn {
    /// They were found and accepted.
    Accepted,
    /// They are what is wrong.
    Refused,
    /// Nothing: what was known stays.
    AsBefore,
}

/// What a reason says about the setting at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InSyncColumn {
    /// The service holds what the spec says.
    Held,
    /// It does if no differences were found.
    AsFound,
    /// The service holds something else.
    Differs,
    /// It belongs to another resource.
    Foreign,
    /// Nothing is known.
    Unknown,
}

/// All that a reason decides.
struct Row {
    name: &'static str,
    ready: ConditionStatus,
    beside: Beside,
    credentials: CredentialsColumn,
    in_sync: InSyncColumn,
    /// The label in `vod_operator_reconcile_total`.
    class: &'static str,
}

const fn row(
    name: &'static str,
    ready: ConditionStatus,
    beside: Beside,
    credentials: CredentialsColumn,
    in_sync: InSyncColumn,
    class: &'static str,
) -> Row {
    Row {
        name,
        ready,
        beside,
        credentials,
        in_sync,
        class,
    }
}

/// Names the reasons once, so that the list of all cannot lack one.
macro_rules! reasons {
    ($($reason:ident),+ $(,)?) => {
        /// Why a condition is as it is: the closed list that users, dashboards and docs go by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(
            missing_docs,
            reason = "each is explained in docs/troubleshooting.md, a section each"
        )]
        pub enum Reason {
            $($reason),+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$reason),+];
        }
    };
}

reasons![
    Progressing,
    Applied,
    InSync,
    DriftCorrected,
    Drifted,
    Observed,
    Suspended,
    Throttled,
    ServiceUnavailable,
    SecretNotFound,
    SecretKeyMissing,
    InvalidAuthKey,
    InvalidCredentials,
    PermissionDenied,
    InvalidSpec,
    Conflict,
    Contested,
    AmbientCredentialsDisabled,
];

impl Reason {
    /// The one table: a reason that does not decide every column does not compile.
    const fn row(self) -> Row {
        use Beside::{Nothing, Reconciling, Stalled};
        use ConditionStatus::{False, True, Unknown};
        use CredentialsColumn::{Accepted, AsBefore, Refused};
        use InSyncColumn::{AsFound, Differs, Foreign, Held, Unknown as NotKnown};
        match self {
            // name, Ready, beside it, CredentialsResolved, InSync, class
            Self::Progressing => row("Progressing", Unknown, Reconciling, AsBefore, NotKnown, "requeue"),
            Self::Applied => row("Applied", True, Nothing, Accepted, Held, "ok"),
            Self::InSync => row("InSync", True, Nothing, Accepted, Held, "ok"),
            Self::DriftCorrected => row("DriftCorrected", True, Nothing, Accepted, Held, "ok"),
            Self::Drifted => row("Drifted", True, Nothing, Accepted, Differs, "ok"),
            Self::Observed => row("Observed", True, Nothing, Accepted, AsFound, "ok"),
            Self::Suspended => row("Suspended", Unknown, Nothing, AsBefore, NotKnown, "ok"),
            Self::Throttled => row("Throttled", False, Reconciling, AsBefore, NotKnown, "throttling"),
            Self::ServiceUnavailable => row(
                "ServiceUnavailable",
                False,
                Reconciling,
                AsBefore,
                NotKnown,
                "transient",
            ),
            Self::SecretNotFound => row("SecretNotFound", False, Stalled, Refused, NotKnown, "credentials"),
            Self::SecretKeyMissing => row("SecretKeyMissing", False, Stalled, Refused, NotKnown, "credentials"),
            Self::InvalidAuthKey => row("InvalidAuthKey", False, Stalled, AsBefore, NotKnown, "spec"),
            Self::InvalidCredentials => row("InvalidCredentials", False, Stalled, Refused, NotKnown, "credentials"),
            Self::PermissionDenied => row("PermissionDenied", False, Stalled, Accepted, NotKnown, "permission"),
            Self::InvalidSpec => row("InvalidSpec", False, Stalled, Accepted, NotKnown, "spec"),
            // Nothing failed: another resource or another writer has the setting, and it is looked at again.
            Self::Conflict => row("Conflict", False, Stalled, Accepted, Foreign, "requeue"),
            Self::Contested => row("Contested", False, Stalled, Accepted, Differs, "requeue"),
            Self::AmbientCredentialsDisabled => row(
                "AmbientCredentialsDisabled",
                False,
                Stalled,
                Refused,
                NotKnown,
                "credentials",
            ),
        }
    }

    /// The word in conditions, events and metrics.
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The reason that a stored status names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|r| r.as_str() == text)
    }

    /// The label in `vod_operator_reconcile_total` of a pass that ends with it.
    pub fn class(self) -> &'static str {
        self.row().class
    }

    /// The user, or somebody, must change something before it can go on.
    pub fn stalls(self) -> bool {
        self.row().beside == Beside::Stalled
    }

    /// Work is under way or will be tried again soon.
    pub fn is_under_way(self) -> bool {
        self.row().beside == Beside::Reconciling
    }

    /// The service holds what it should, as far as the policy wants it.
    pub fn is_ready(self) -> bool {
        self.ready() == ConditionStatus::True
    }

    pub(super) fn ready(self) -> ConditionStatus {
        self.row().ready
    }

    pub(super) fn credentials(self) -> CredentialsColumn {
        self.row().credentials
    }

    pub(super) fn in_sync(self) -> InSyncColumn {
        self.row().in_sync
    }
}

/// Where a resource stands: what the conditions are computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The summary's reason.
    pub reason: Reason,
    /// What happened and what to do, for people. Never a secret.
    pub message: String,
    /// The credentials were accepted, whatever went wrong after that.
    pub credentials_accepted: bool,
    /// A remark on the credentials, such as an account that STS would not name.
    pub credentials_note: Option<String>,
    /// Where the live setting differs; only for [`Reason::Observed`], [`Reason::Drifted`] and [`Reason::Contested`].
    pub differences: Vec<FieldDifference>,
}

impl Outcome {
    /// An outcome with nothing but a reason and words.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            credentials_accepted: false,
            credentials_note: None,
            differences: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_named_as_it_is_written_in_the_code_and_parsed_back() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str(), format!("{reason:?}"));
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::parse("SomethingElse"), None);
    }

    #[test]
    fn ready_and_what_stands_beside_it_never_contradict() {
        for reason in Reason::ALL {
            assert!(
                !(reason.is_ready() && (reason.stalls() || reason.is_under_way())),
                "{reason:?}"
            );
            assert_eq!(reason.is_ready(), reason.ready() == ConditionStatus::True);
            assert!(
                !reason.stalls() || reason.ready() == ConditionStatus::False,
                "{reason:?}"
            );
        }
    }
}
