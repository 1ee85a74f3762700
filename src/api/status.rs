use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{CallbackType, MnsTarget};

/// What the operator knows and has done. Never holds a secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VodMessageCallbackStatus {
    /// The generation that these words are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled, CredentialsResolved, InSync.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_string()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The account that the credentials belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The service's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The RequestId of the last successful SetMessageCallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The last value of the annotation `vod-operator.dev/reconcile-requested-at` that was handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// When SetMessageCallback last succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied_time: Option<Time>,
    /// What was last applied, in the spec's terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<AppliedSetting>,
    /// What the service reported after that, in its own words: the baseline for drift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<ReportedSetting>,
    /// The Secrets that were read, by version: how a restarted operator knows whether they changed meanwhile.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_secrets: Vec<ObservedSecret>,
    /// Where the live setting differs from the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// What went wrong last; absent when the last attempt succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
}

/// The setting as last applied.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AppliedSetting {
    /// `HTTP` or `MNS`.
    pub callback_type: CallbackType,
    /// The web address, for `HTTP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<AppliedHttp>,
    /// The queue, for `MNS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mns: Option<MnsTarget>,
    /// The events, in the order given.
    pub event_types: Vec<String>,
}

/// The web address as last applied.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AppliedHttp {
    /// The address.
    pub url: String,
    /// Whether callbacks are signed.
    pub auth_enabled: bool,
}

/// What GetMessageCallback answered, under the service's own names and without the AuthKey.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub struct ReportedSetting {
    /// `HTTP` or `MNS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_type: Option<String>,
    /// The web address.
    #[serde(rename = "CallbackURL", default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// The events, joined by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type_list: Option<String>,
    /// `on` or `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_switch: Option<String>,
    /// The queue's endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mns_endpoint: Option<String>,
    /// The queue's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mns_queue_name: Option<String>,
}

/// A Secret and the version that was read.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ObservedSecret {
    /// The Secret's name.
    pub name: String,
    /// Its resourceVersion.
    pub resource_version: String,
}

/// One field of the spec that the service holds differently.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The spec's path, such as `http.url`.
    pub field: String,
    /// What the spec says.
    pub desired: String,
    /// What the service holds.
    pub observed: String,
}

/// A failed attempt.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// The service's code, or the operator's own word for it.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// The service's RequestId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The answer's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<i32>,
    /// When it happened.
    pub time: Time,
}
