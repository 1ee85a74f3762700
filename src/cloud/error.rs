use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::Operation;

/// Who or what must change before a call can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Too many calls: slower.
    Throttling,
    /// It may pass by itself.
    Transient,
    /// The AccessKey, its secret or its token.
    Credentials,
    /// What the AccessKey may do, or the state of the account.
    Permission,
    /// What was asked for.
    Spec,
}

impl ErrorClass {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttling => "throttling",
            Self::Transient => "transient",
            Self::Credentials => "credentials",
            Self::Permission => "permission",
            Self::Spec => "spec",
        }
    }
}

/// A call that did not succeed. Its texts are redacted: it may be logged and put into a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// Who or what must change.
    pub class: ErrorClass,
    /// The service's code, or our own word: `Timeout`, `Connect`, `Garbage`, `TooLarge`, `Redirect`, `ServerError`.
    pub code: String,
    /// What the service said.
    pub message: String,
    /// The service's RequestId.
    pub request_id: Option<String>,
    /// The answer's status.
    pub http_status: Option<u16>,
    /// No sooner than this, the service asks.
    pub retry_after: Option<Duration>,
    /// The call may have been carried out: its answer is what failed.
    pub lost_answer: bool,
    /// The security token is no longer good: another must be fetched.
    pub expired_token: bool,
    /// What made it fail was fixed: a clock, a nonce.
    pub worth_repeating: bool,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(id) = &self.request_id {
            write!(f, " (RequestId {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}

impl CallError {
    /// A failure without an answer of the service.
    pub(super) fn own(code: &'static str, message: impl Into<String>, lost_answer: bool) -> Self {
        Self {
            class: ErrorClass::Transient,
            code: code.to_owned(),
            message: message.into(),
            request_id: None,
            http_status: None,
            retry_after: None,
            lost_answer,
            expired_token: false,
            worth_repeating: false,
        }
    }

    /// The call was cut off because this process may no longer lead.
    pub fn cut_off() -> Self {
        Self::own(
            "Timeout",
            "the call was cut off, because another replica may lead now",
            true,
        )
    }

    /// The answer was not waited for any longer.
    pub fn late() -> Self {
        Self::own("Timeout", "no complete answer in time", true)
    }

    /// The account rests after throttled answers, so no call was made.
    pub fn paused(until: Instant) -> Self {
        let rest = until.saturating_duration_since(Instant::now());
        Self {
            class: ErrorClass::Throttling,
            retry_after: Some(rest),
            ..Self::own(
                "Throttling",
                "the service asked this account for fewer calls; it is tried again by itself",
                false,
            )
        }
    }

    /// The same error, judged by what was called: a parameter that a Get or a Delete is refused for is none that the
    /// user wrote, so the user is told about the service instead of the spec.
    pub(super) fn of(self, operation: Operation) -> Self {
        if self.class != ErrorClass::Spec || operation.sends_the_spec() {
            return self;
        }
        Self {
            class: ErrorClass::Transient,
            message: format!("{} was refused: {}", operation.action(), self.message),
            ..self
        }
    }

    /// It is the AccessKey, its secret or its token that is refused, and not what was asked for with it.
    pub fn is_about_the_key(&self) -> bool {
        let code = self.code.to_ascii_lowercase();
        [
            "invalidaccesskeyid",
            "invalidsecuritytoken",
            "missingsecuritytoken",
            "signaturedoesnotmatch",
        ]
        .iter()
        .any(|start| code.starts_with(start))
    }

    /// The thing that was asked about does not exist; an unknown AccessKey, API or region is something else.
    pub fn is_not_found(&self) -> bool {
        let code = self.code.to_ascii_lowercase();
        let says_so = matches!(self.class, ErrorClass::Spec | ErrorClass::Transient);
        says_so
            && self.http_status == Some(404)
            && code.ends_with(".notfound")
            && ![
                "invalidaccesskeyid.",
                "invalidapi.",
                "invalidaction.",
                "invalidproduct.",
                "invalidregion.",
                "invalidversion.",
            ]
            .iter()
            .any(|other| code.starts_with(other))
    }
}

/// The one rule for error classes: by the code first, because statuses differ between pages and products; then by
/// the status. Codes are the gateway's common ones and VOD's own table; letter case differs between pages.
pub(super) fn classify(code: &str, status: u16) -> ErrorClass {
    let code = code.to_ascii_lowercase();
    let is = |names: &[&str]| names.contains(&code.as_str());
    let begins = |starts: &[&str]| starts.iter().any(|s| code.starts_with(s));
    if begins(&["throttling"])
        || is(&["rejected.throttling", "requestlimitexceeded", "toomanyrequests"])
        || status == 429
    {
        return ErrorClass::Throttling;
    }
    if begins(&["serviceunavailable", "internalerror", "internalfailure"])
        || is(&["signaturenonceused", "unknownerror"])
    {
        return ErrorClass::Transient;
    }
    if begins(&[
        "invalidaccesskeyid",
        "invalidsecuritytoken",
        "missingaccesskeyid",
        "missingsecuritytoken",
        "invalidtimestamp",
    ]) || is(&[
        "signaturedoesnotmatch",
        "incompletesignature",
        "illegaltimestamp",
        "forbidden.accesskeydisabled",
    ]) || is(&[
        "invalidcredentials",
        "authenticationfail.expiredtoken",
        "authenticationfail.oidctoken.expired",
    ]) {
        return ErrorClass::Credentials;
    }
    if begins(&[
        "forbidden",
        "nopermission",
        "operationdenied",
        "insufficientbalance",
        "unauthorized",
        "accessdenied",
    ]) || begins(&["entitynotexist.role", "authenticationfail"])
    {
        return ErrorClass::Permission;
    }
    match status {
        500.. => ErrorClass::Transient,
        408 => ErrorClass::Transient,
        401 => ErrorClass::Credentials,
        403 => ErrorClass::Permission,
        _ => ErrorClass::Spec,
    }
}

/// Whether `code` says that a security token must be fetched anew.
pub(super) fn is_expired_token(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    code.starts_with("invalidsecuritytoken") || code == "authenticationfail.expiredtoken"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_class() {
        use ErrorClass::{Credentials, Permission, Spec, Throttling, Transient};
        let table = [
            ("Throttling", 400, Throttling),
            ("Throttling.User", 400, Throttling),
            ("Throttling.Action", 503, Throttling),
            ("Rejected.Throttling", 400, Throttling),
            ("Whatever", 429, Throttling),
            ("ServiceUnAvailable", 503, Transient),
            ("ServiceUnavailable", 400, Transient),
            ("InternalError", 500, Transient),
            ("Strange", 502, Transient),
            ("SignatureNonceUsed", 400, Transient),
            ("InvalidTimeStamp.Expired", 400, Credentials),
            ("InvalidAccessKeyId.NotFound", 404, Credentials),
            ("InvalidAccessKeyId.Inactive", 400, Credentials),
            ("SignatureDoesNotMatch", 403, Credentials),
            ("InvalidSecurityToken.Expired", 403, Credentials),
            ("Forbidden.AccessKeyDisabled", 403, Credentials),
            ("Forbidden", 403, Permission),
            ("Forbidden.RAM", 403, Permission),
            ("Forbidden.OperateApp", 403, Permission),
            ("NoPermission", 403, Permission),
            ("OperationDenied", 403, Permission),
            ("OperationDenied.Suspended", 403, Permission),
            ("InsufficientBalance", 400, Permission),
            ("Strange", 403, Permission),
            ("Strange", 401, Credentials),
            ("MissingParameter", 400, Spec),
            ("InvalidParameter", 400, Spec),
            ("InvalidParameter.Format", 400, Spec),
            ("InvalidApi.NotFound", 404, Spec),
            ("UnsupportedHTTPMethod", 400, Spec),
            ("InvalidProtocol.NeedSsl", 400, Spec),
            ("Strange", 400, Spec),
        ];
        for (code, status, class) in table {
            assert_eq!(classify(code, status), class, "{code} {status}");
            assert_eq!(classify(&code.to_uppercase(), status), class, "{code} in capitals");
        }
    }

    fn error(code: &str, status: u16) -> CallError {
        CallError {
            code: code.to_owned(),
            class: classify(code, status),
            http_status: Some(status),
            ..CallError::own("x", "said", false)
        }
    }

    #[test]
    fn only_a_set_can_be_refused_for_the_spec() {
        for code in ["InvalidParameter", "Strange", "InvalidApi.NotFound"] {
            assert_eq!(error(code, 400).of(Operation::Set).class, ErrorClass::Spec, "{code}");
            for operation in [Operation::Get, Operation::Delete] {
                let told = error(code, 400).of(operation);
                assert_eq!(told.class, ErrorClass::Transient, "{code}");
                assert_eq!(told.message, format!("{} was refused: said", operation.action()));
            }
        }
        for operation in Operation::ALL {
            assert_eq!(error("Strange", 403).of(operation).class, ErrorClass::Permission);
            assert_eq!(
                error("SignatureDoesNotMatch", 400).of(operation),
                error("SignatureDoesNotMatch", 400)
            );
        }
    }

    #[test]
    fn what_is_absent() {
        assert!(error("InvalidMessageCallback.NotFound", 404).is_not_found());
        for other in [
            "InvalidAccessKeyId.NotFound",
            "InvalidApi.NotFound",
            "InvalidParameter",
            "InvalidRegion.NotFound",
        ] {
            assert!(!error(other, 404).is_not_found(), "{other}");
        }
        assert!(is_expired_token("InvalidSecurityToken.Malformed"));
    }
}
