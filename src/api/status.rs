use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{CallbackType, MnsTarget};

/// The generation that the CRD gives the status of a new object: nobody has looked at it yet.
pub(super) const NOT_SEEN_YET: i64 = -1;

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
    /// The account that the applied setting is of, while the credentials are refused and `accountId` is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting_account_id: Option<String>,
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
    /// How `reported` is to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_as: Option<ReportedAs>,
    /// The Secrets that were read, by version: how a restarted operator knows whether they changed meanwhile.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_secrets: Vec<ObservedSecret>,
    /// What was last sent by a SetMessageCallback whose answer was lost: the service may hold it. Absent once one was
    /// answered or the setting was found as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<AppliedSetting>,
    /// Where the live setting differs from the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// The last time that the setting was found changed at the service; it stays after the correction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drift: Option<LastDrift>,
    /// What went wrong last; absent when the last attempt succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
}

impl VodMessageCallbackStatus {
    /// Whose account the applied setting is in, also while the credentials are refused.
    pub fn account_of_the_setting(&self) -> Option<&str> {
        self.account_id.as_deref().or(self.setting_account_id.as_deref())
    }

    /// Nobody has said anything about the object yet. The generation alone does not tell: the CRD gives new objects one.
    pub fn is_fresh(&self) -> bool {
        self.conditions.is_empty()
    }
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
    /// Which AuthKey is in force: the Secret, the key in it and the version that was applied. What was only read is in
    /// `observedSecrets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_key_secret: Option<AppliedKeySecret>,
}

impl AppliedSetting {
    /// Whether `other` is the same apart from the AuthKey.
    pub fn is_same_but_for_the_key(&self, other: &Self) -> bool {
        let Self {
            callback_type,
            http,
            mns,
            event_types,
            auth_key_secret: _,
        } = self;
        *callback_type == other.callback_type
            && *http == other.http
            && *mns == other.mns
            && *event_types == other.event_types
    }
}

/// Where an AuthKey that was applied came from; never the key.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AppliedKeySecret {
    /// The Secret's name.
    pub name: String,
    /// The key in it.
    pub key: String,
    /// The Secret's resourceVersion.
    pub resource_version: String,
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

/// The operator's words about what the service reported.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReportedAs {
    /// How an AuthKey that had just been set was shown. Never the key, nor a hash or a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_key_form: Option<AuthKeyForm>,
    /// True where the setting was only looked at (`Observe`), so that it is no baseline.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed_only: bool,
}

/// How the service shows an AuthKey.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthKeyForm {
    /// The key itself.
    Clear,
    /// Another text, such as asterisks or a hash.
    Masked,
    /// Not at all.
    Absent,
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

/// A time at which the setting was found changed at the service.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastDrift {
    /// When it was found.
    pub time: Time,
    /// What was done about it.
    pub outcome: DriftOutcome,
    /// What had been changed.
    pub differences: Vec<Difference>,
}

/// What was done about drift; the words are also the label in `vod_operator_drift_total`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum DriftOutcome {
    /// The setting was put back.
    Corrected,
    /// It was left as found.
    Reported,
    /// Somebody else keeps changing it, so it is left for now.
    Contested,
}

impl DriftOutcome {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::Reported => "reported",
            Self::Contested => "contested",
        }
    }
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
