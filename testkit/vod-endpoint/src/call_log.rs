//! Every call that came in, in order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// One call.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// Its number.
    pub seq: u64,
    /// Milliseconds since the endpoint was started.
    pub at_ms: u64,
    /// The region whose address was called.
    pub region: String,
    /// The account, once the key was recognised.
    pub account: String,
    /// The AccessKey ID it came with.
    pub key_id: String,
    /// The operation.
    pub action: String,
    /// The parameters as sent, an AuthKey included: for assertions.
    pub parameters: BTreeMap<String, String>,
    /// `OK` or the error's code.
    pub code: String,
    /// The answer's status; 0 when none was sent.
    pub status: u16,
    /// The answer's RequestId.
    pub request_id: String,
    /// `acs3`, `hmac-sha1` or empty.
    pub style: String,
    /// The client's address.
    pub peer: String,
}

impl Call {
    /// The app it was about.
    pub fn app(&self) -> &str {
        self.parameters.get("AppId").map_or("app-1000000", String::as_str)
    }
}

/// The most calls of one account and action within any `span`.
pub(crate) fn most_within(calls: &[Call], account: &str, action: &str, span: Duration) -> usize {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let at: Vec<u64> = calls
        .iter()
        .filter(|c| c.account == account && c.action == action)
        .map(|c| c.at_ms)
        .collect();
    let mut first = 0;
    let mut most = 0;
    for (last, time) in at.iter().enumerate() {
        while at.get(first).is_some_and(|f| time - f >= span) {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}
