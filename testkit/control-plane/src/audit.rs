//! What the API server was asked, by whom.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

/// Logs the metadata of every request. The first stage would only double each entry.
pub(crate) const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
";

/// One request in the API server's audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The user, for instance `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` …
    pub verb: String,
    /// The plural resource, empty for a request of another kind (`/readyz`).
    pub resource: String,
    /// The API group, empty for the core group.
    pub group: String,
    /// The namespace, empty for a cluster-wide request.
    pub namespace: String,
    /// The object's name, empty for a list or watch (and a create that leaves it to the server).
    pub name: String,
    /// `status`, `token` …, else empty.
    pub subresource: String,
    /// The path and query of the request.
    pub uri: String,
    /// The client's own name for itself.
    pub user_agent: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// `ResponseComplete`, or `ResponseStarted` for a watch that has begun.
    pub stage: String,
    /// When the request arrived.
    pub time: Timestamp,
}

impl AuditEntry {
    /// Whether the request changes something (if it was let through).
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// Whether the API server refused it for want of a permission.
    pub fn is_forbidden(&self) -> bool {
        self.code == 403
    }
}

/// Reads the log. The line the server is writing at this moment is left for the next reading.
pub(crate) fn parse(log: &str) -> Vec<AuditEntry> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Event>(line).ok())
        .map(AuditEntry::from)
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    api_group: String,
    namespace: String,
    name: String,
    subresource: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl From<Event> for AuditEntry {
    fn from(event: Event) -> Self {
        Self {
            user: event.user.username,
            verb: event.verb,
            resource: event.object_ref.resource,
            group: event.object_ref.api_group,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            subresource: event.object_ref.subresource,
            uri: event.request_uri,
            user_agent: event.user_agent,
            code: event.response_status.code,
            stage: event.stage,
            time: event.request_received_timestamp,
        }
    }
}
