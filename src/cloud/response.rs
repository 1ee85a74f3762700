//! What came back: an answer, or an error classed and made fit to be shown.

use std::fmt;

use k8s_openapi::jiff::Timestamp;
use reqwest::header::HeaderMap;
use zeroize::Zeroizing;

use super::EndpointUrl;
use super::clock_skew::date_header;
use super::error::{CallError, ErrorClass, classify, is_expired_token};
use super::redact::{self, redact};
use super::retry_hint::retry_hint;

/// An answer; it may hold a key in clear, so it is never printed and zeroed when dropped.
pub struct Response {
    body: Zeroizing<Vec<u8>>,
    /// The service's RequestId.
    pub request_id: Option<String>,
    /// The service's own time at this answer.
    date: Option<Timestamp>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

impl Response {
    /// The body as `T`.
    ///
    /// # Errors
    /// `Garbage`, when it is something else.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body)
            .map_err(|_| CallError::own("Garbage", "the answer is not what the API promises", true))
    }

    /// The service's own time at this answer, where it told it.
    pub(super) fn date(&self) -> Option<Timestamp> {
        self.date
    }
}

/// An error, and the service's clock at it, which may fix it.
pub(super) struct Refused {
    pub(super) error: CallError,
    pub(super) date: Option<String>,
}

pub(super) type Refusal = Box<Refused>;

pub(super) fn refused(error: CallError) -> Refusal {
    Box::new(Refused { error, date: None })
}

/// An error of the transport, in our own words: the library's would show the address with everything in it.
pub(super) fn transport_error(error: &reqwest::Error, endpoint: &EndpointUrl) -> CallError {
    if error.is_timeout() {
        CallError::own("Timeout", "no complete answer in time", !error.is_connect())
    } else if error.is_connect() {
        let message = format!("no connection to {endpoint}: see that spec.region is right and the network lets it out");
        CallError::own("Connect", message, false)
    } else {
        CallError::own("Broken", "the connection broke before the answer was complete", true)
    }
}

/// What every answer may say beside its own.
#[derive(serde::Deserialize)]
struct Envelope {
    #[serde(rename = "RequestId", alias = "requestId")]
    request_id: Option<String>,
    #[serde(rename = "Code", alias = "code")]
    code: Option<serde_json::Value>,
    #[serde(rename = "Message", alias = "message")]
    message: Option<String>,
}

pub(super) fn interpret(
    status: u16,
    headers: &HeaderMap,
    body: Zeroizing<Vec<u8>>,
    secrets: &[Zeroizing<String>],
) -> Result<Response, Refusal> {
    let hint = retry_hint(headers);
    let own = |code, message: String| CallError {
        http_status: Some(status),
        retry_after: hint.asked,
        ..CallError::own(code, message, true)
    };
    if (300..400).contains(&status) {
        let error = own(
            "Redirect",
            format!("the service answered with a redirect (HTTP {status}), which is not followed"),
        );
        return Err(refused(error));
    }
    let envelope: Option<Envelope> = serde_json::from_slice(&body).ok();
    let Some(envelope) = envelope else {
        let error = match status {
            429 => CallError {
                class: ErrorClass::Throttling,
                retry_after: hint.when_throttled(),
                ..own("Throttling", "too many calls (HTTP 429)".to_owned())
            },
            500.. => own("ServerError", format!("HTTP {status} without an explanation")),
            _ => own("Garbage", format!("HTTP {status} with an answer that is not JSON")),
        };
        return Err(refused(error));
    };
    let secrets: Vec<&str> = secrets.iter().map(|s| s.as_str()).collect();
    let code = envelope.code.map(|code| match code {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    });
    let request_id = envelope
        .request_id
        .map(|id| redact(&id, &secrets).chars().take(64).collect());
    let good_code = code
        .as_deref()
        .is_none_or(|code| ["200", "OK", "Success", ""].contains(&code));
    if (200..300).contains(&status) && good_code {
        return Ok(Response {
            body,
            request_id,
            date: date(headers).and_then(date_header),
        });
    }
    // A throttled answer hides behind any code when it says how long to wait.
    let code = redact::code(code.as_deref().unwrap_or("Unknown"));
    let mut class = classify(&code, if status < 400 { 400 } else { status });
    if hint.asked.is_some() && class == ErrorClass::Spec {
        class = ErrorClass::Throttling;
    }
    let message = match code.to_ascii_lowercase().as_str() {
        // What the service says here is what was signed, with everything in it.
        "signaturedoesnotmatch" => "the signature does not match: the AccessKey secret is wrong".to_owned(),
        _ => redact(envelope.message.as_deref().unwrap_or("no explanation"), &secrets),
    };
    let error = CallError {
        class,
        message,
        request_id,
        http_status: Some(status),
        retry_after: match class {
            ErrorClass::Throttling => hint.when_throttled(),
            _ => hint.asked,
        },
        lost_answer: status >= 500,
        expired_token: is_expired_token(&code),
        worth_repeating: false,
        code,
    };
    let date = date(headers).map(str::to_owned);
    Err(Box::new(Refused { error, date }))
}

fn date(headers: &HeaderMap) -> Option<&str> {
    headers.get(reqwest::header::DATE)?.to_str().ok()
}
