use crate::domain::FieldDifference;

/// Why a condition is as it is: the closed list that users, dashboards and docs go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    missing_docs,
    reason = "each is explained in docs/troubleshooting.md, a section each"
)]
pub enum Reason {
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
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 18] = [
        Self::Progressing,
        Self::Applied,
        Self::InSync,
        Self::DriftCorrected,
        Self::Drifted,
        Self::Observed,
        Self::Suspended,
        Self::Throttled,
        Self::ServiceUnavailable,
        Self::SecretNotFound,
        Self::SecretKeyMissing,
        Self::InvalidAuthKey,
        Self::InvalidCredentials,
        Self::PermissionDenied,
        Self::InvalidSpec,
        Self::Conflict,
        Self::Contested,
        Self::AmbientCredentialsDisabled,
    ];

    /// The word in conditions, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Progressing => "Progressing",
            Self::Applied => "Applied",
            Self::InSync => "InSync",
            Self::DriftCorrected => "DriftCorrected",
            Self::Drifted => "Drifted",
            Self::Observed => "Observed",
            Self::Suspended => "Suspended",
            Self::Throttled => "Throttled",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::SecretNotFound => "SecretNotFound",
            Self::SecretKeyMissing => "SecretKeyMissing",
            Self::InvalidAuthKey => "InvalidAuthKey",
            Self::InvalidCredentials => "InvalidCredentials",
            Self::PermissionDenied => "PermissionDenied",
            Self::InvalidSpec => "InvalidSpec",
            Self::Conflict => "Conflict",
            Self::Contested => "Contested",
            Self::AmbientCredentialsDisabled => "AmbientCredentialsDisabled",
        }
    }

    /// The reason that a stored status names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }

    /// The user, or somebody, must change something before it can go on.
    pub fn stalls(self) -> bool {
        matches!(
            self,
            Self::SecretNotFound
                | Self::SecretKeyMissing
                | Self::InvalidAuthKey
                | Self::InvalidCredentials
                | Self::PermissionDenied
                | Self::InvalidSpec
                | Self::Conflict
                | Self::Contested
                | Self::AmbientCredentialsDisabled
        )
    }

    /// Work is under way or will be tried again soon.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Progressing | Self::Throttled | Self::ServiceUnavailable)
    }

    /// The service holds what it should, as far as the policy wants it.
    pub fn is_ready(self) -> bool {
        matches!(
            self,
            Self::Applied | Self::InSync | Self::DriftCorrected | Self::Drifted | Self::Observed
        )
    }
}

/// Where a resource stands: what the conditions are computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The summary's reason.
    pub reason: Reason,
    /// What happened and what to do, for people. Never a secret.
    pub message: String,
    /// A remark on the credentials, such as an account that STS would not name.
    pub credentials_note: Option<String>,
    /// Where the live setting differs; only for [`Reason::Observed`], [`Reason::Drifted`] and [`Reason::Contested`].
    pub differences: Vec<FieldDifference>,
}

impl Outcome {
    /// A outcome with nothing but a reason and words.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            credentials_note: None,
            differences: Vec::new(),
        }
    }
}
