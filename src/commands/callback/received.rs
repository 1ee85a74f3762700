use serde::Serialize;
use serde_json::Value;

use super::shown;

/// More of a body is not shown in a line.
const MOST_SHOWN: usize = 4096;

/// A request that came in, and what was made of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Received {
    /// When, by this machine's clock.
    pub(super) time: String,
    /// Who sent it: a proxy, if there is one.
    pub(super) peer: String,
    /// The method and path that were asked for.
    pub(super) request: String,
    /// What it was answered with.
    pub(super) status: u16,
    /// The file of the AuthKey that it fits; absent where nothing is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_key_file: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
    /// The `EventType` of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_type: Option<String>,
    /// The body: JSON as it is, anything else as text.
    pub(super) body: Value,
}

impl Received {
    /// One line for people.
    pub(super) fn to_line(&self) -> String {
        let event = self.event_type.as_deref().unwrap_or("(no EventType)");
        let judged = match (&self.refused, &self.auth_key_file) {
            (Some(why), _) => format!("refused: {why}"),
            (None, Some(file)) => format!("verified with {file}"),
            (None, None) => "not verified: no --auth-key-file".to_owned(),
        };
        let body = match &self.body {
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        shown(
            &format!(
                "{} {} {event} from {}, {judged}: {}",
                self.time,
                self.status,
                self.peer,
                shown(&body, MOST_SHOWN)
            ),
            usize::MAX,
        )
    }
}

/// The body as it is told, and its `EventType`.
pub(super) fn body(bytes: &[u8]) -> (Value, Option<String>) {
    let json: Option<Value> = serde_json::from_slice(bytes).ok();
    let body = json.unwrap_or_else(|| Value::String(String::from_utf8_lossy(bytes).into_owned()));
    let event_type = body
        .get("EventType")
        .and_then(Value::as_str)
        .map(|text| shown(text, 64));
    (body, event_type)
}
