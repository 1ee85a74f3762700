#![allow(
    clippy::duplicated_attributes,
    reason = "the derive writes each column as an attribute of its own"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::status::VodMessageCallbackStatus;

/// What the user declares. The API server has judged all that can be judged from the object alone.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "vod-operator.dev",
    version = "v1alpha1",
    kind = "VodMessageCallback",
    plural = "vodmessagecallbacks",
    singular = "vodmessagecallback",
    shortname = "vmc",
    category = "vod",
    category = "alibabacloud",
    namespaced,
    status = "VodMessageCallbackStatus",
    derive = "PartialEq",
    doc = "The message callback setting of ApsaraVideo VOD for one account, region and app.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.callbackType"),
    printcolumn(
        name = "Target",
        type_ = "string",
        json_path = ".spec['http','mns']['url','queueName']"
    ),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "App", type_ = "string", json_path = ".spec.appId"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Request ID", type_ = "string", json_path = ".status.requestId", priority = 1),
    printcolumn(
        name = "Applied",
        type_ = "date",
        json_path = ".status.lastAppliedTime",
        priority = 1
    )
)]
#[x_kube(
    validation = Rule::new(rules::HTTP_PRESENT.0).message(rules::HTTP_PRESENT.1),
    validation = Rule::new(rules::HTTP_ABSENT.0).message(rules::HTTP_ABSENT.1),
    validation = Rule::new(rules::MNS_PRESENT.0).message(rules::MNS_PRESENT.1),
    validation = Rule::new(rules::MNS_ABSENT.0).message(rules::MNS_ABSENT.1)
)]
#[serde(rename_all = "camelCase")]
pub struct VodMessageCallbackSpec {
    /// The region whose setting this is, such as `cn-shanghai`. Cannot be changed.
    #[x_kube(
        validation = Rule::new(rules::REGION_FORM.0).message(rules::REGION_FORM.1),
        validation = Rule::new(rules::REGION_IMMUTABLE.0).message(rules::REGION_IMMUTABLE.1)
    )]
    #[schemars(length(min = 1, max = 63))]
    pub region: String,

    /// The VOD application whose setting this is. Cannot be changed.
    #[x_kube(
        validation = Rule::new(rules::APP_ID_FORM.0).message(rules::APP_ID_FORM.1),
        validation = Rule::new(rules::APP_ID_IMMUTABLE.0).message(rules::APP_ID_IMMUTABLE.1)
    )]
    #[schemars(length(min = 1, max = 64))]
    #[serde(default = "default_app_id")]
    pub app_id: String,

    /// Whose account it is. Absent, or without `secretRef`: the operator's own credentials, where it runs with
    /// `--ambient-credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsSpec>,

    /// Where the events go: to a web address (`HTTP`, then `http` is required) or to a queue (`MNS`, then `mns` is).
    pub callback_type: CallbackType,

    /// The web address; exactly when `callbackType` is `HTTP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpTarget>,

    /// The queue; exactly when `callbackType` is `MNS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mns: Option<MnsTarget>,

    /// The events to be told about: names such as `TranscodeComplete`; `[]` turns all off, `[ALL]` all on.
    // One value, not a set of items: server-side apply would take a set that becomes empty for absent, and would mix
    // the order of two writers.
    #[x_kube(
        merge_strategy = ListMerge::Atomic,
        validation = Rule::new(rules::EVENT_TYPES_ONCE.0).message(rules::EVENT_TYPES_ONCE.1),
        validation = Rule::new(rules::ALL_ALONE.0).message(rules::ALL_ALONE.1),
        validation = Rule::new(rules::EVENT_TYPE_FORM.0).message(rules::EVENT_TYPE_FORM.1)
    )]
    #[schemars(length(max = 128), inner(length(min = 1, max = 64)))]
    pub event_types: Vec<String>,

    /// `Enforce` corrects drift, `ApplyOnly` reports it, `Observe` never changes anything.
    #[serde(default)]
    pub management_policy: ManagementPolicy,

    /// What happens to the setting when this resource is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// `true`: no call to the service at all.
    #[serde(default)]
    pub suspend: bool,

    /// How often the live setting is checked, such as `10m`; at least `1m`. Default: the operator's `--check-interval`.
    #[x_kube(
        validation = Rule::new(rules::INTERVAL_FORM.0).message(rules::INTERVAL_FORM.1),
        validation = Rule::new(rules::INTERVAL_RANGE.0).message(rules::INTERVAL_RANGE.1)
    )]
    #[schemars(length(min = 1, max = 32))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_interval: Option<String>,
}

fn default_app_id() -> String {
    "app-1000000".to_owned()
}

fn default_audience() -> String {
    "sts.aliyuncs.com".to_owned()
}

fn default_true() -> bool {
    true
}

fn default_auth_key() -> String {
    "authKey".to_owned()
}

/// The union's discriminator.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackType {
    /// A POST to a web address.
    #[serde(rename = "HTTP")]
    Http,
    /// A message in a Simple Message Queue (formerly MNS) queue.
    #[serde(rename = "MNS")]
    Mns,
}

/// Whether drift is corrected, reported, or the setting only watched.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagementPolicy {
    /// Applies changes and corrects drift.
    #[default]
    Enforce,
    /// Applies changes and reports drift.
    ApplyOnly,
    /// Never calls Set or Delete.
    Observe,
}

impl ManagementPolicy {
    /// Whether a resource takes part in ownership.
    pub fn contends(self) -> bool {
        self != Self::Observe
    }
}

/// What happens to the setting when the resource is deleted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// The setting is removed from the service.
    #[default]
    Delete,
    /// The setting stays.
    Retain,
}

/// Where the credentials come from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new(rules::ONE_CREDENTIAL.0).message(rules::ONE_CREDENTIAL.1))]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSpec {
    /// A Secret of this namespace with `accessKeyId`, `accessKeySecret` and optionally `securityToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// A ServiceAccount of this namespace that a RAM role trusts; instead of `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountRef>,
    /// A RAM role to assume with those credentials, or with the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRoleSpec>,
}

/// The name of a Secret in the resource's own namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The Secret's name.
    #[x_kube(validation = Rule::new(rules::SECRET_NAME.0).message(rules::SECRET_NAME.1))]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A ServiceAccount of the resource's own namespace, and the RAM role that trusts its tokens.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountRef {
    /// The ServiceAccount's name.
    #[x_kube(validation = Rule::new(rules::SERVICE_ACCOUNT_NAME.0).message(rules::SERVICE_ACCOUNT_NAME.1))]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The role, such as `acs:ram::1234567890123456:role/vod-callback`.
    #[schemars(length(min = 1, max = 256))]
    pub role_arn: String,
    /// The cluster's OIDC provider in RAM, such as `acs:ram::1234567890123456:oidc-provider/my-cluster`. Default: the
    /// operator's `--oidc-provider-arn`.
    #[schemars(length(min = 1, max = 256))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_provider_arn: Option<String>,
    /// Whom the token is made for: a client id of the provider.
    #[schemars(length(min = 1, max = 256))]
    #[serde(default = "default_audience")]
    pub audience: String,
}

/// A RAM role to assume through STS.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AssumeRoleSpec {
    /// The role, such as `acs:ram::1234567890123456:role/vod-callback`.
    #[schemars(length(min = 1, max = 256))]
    pub role_arn: String,
    /// The external id that the role's trust policy asks for.
    #[schemars(length(min = 2, max = 1224))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The session's name in audit logs. Default: `vod-operator-` and the namespace.
    #[schemars(length(min = 2, max = 64))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
}

/// A web address that receives the events.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HttpTarget {
    /// One absolute `http://` or `https://` address of at most 256 bytes that the service can reach.
    #[x_kube(
        validation = Rule::new(rules::URL_SCHEME.0).message(rules::URL_SCHEME.1),
        validation = Rule::new(rules::URL_ASCII.0).message(rules::URL_ASCII.1),
        validation = Rule::new(rules::URL_USER_INFO.0).message(rules::URL_USER_INFO.1),
        validation = Rule::new(rules::URL_FRAGMENT.0).message(rules::URL_FRAGMENT.1),
        validation = Rule::new(rules::URL_ONE.0).message(rules::URL_ONE.1),
        validation = Rule::new(rules::URL_HOST.0).message(rules::URL_HOST.1)
    )]
    #[schemars(length(min = 1, max = 256))]
    pub url: String,
    /// Signs each callback with a key that the receiver checks. Absent: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<CallbackAuth>,
}

/// The signing of callbacks.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CallbackAuth {
    /// `false`: callbacks are not signed, but the key is still set.
    #[serde(default = "default_true")]
    pub enabled: bool,
    /// Where the key is.
    pub key_secret_ref: KeySecretRef,
}

/// One key of a Secret in the resource's own namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KeySecretRef {
    /// The Secret's name.
    #[x_kube(validation = Rule::new(rules::SECRET_NAME.0).message(rules::SECRET_NAME.1))]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in the Secret that holds the AuthKey.
    #[x_kube(validation = Rule::new(rules::SECRET_KEY.0).message(rules::SECRET_KEY.1))]
    #[schemars(length(min = 1, max = 253))]
    #[serde(default = "default_auth_key")]
    pub key: String,
}

/// A queue that receives the events.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MnsTarget {
    /// The queue's public endpoint, such as `http://1234567.mns.cn-shanghai.aliyuncs.com/`.
    #[x_kube(
        validation = Rule::new(rules::ENDPOINT_SCHEME.0).message(rules::ENDPOINT_SCHEME.1),
        validation = Rule::new(rules::ENDPOINT_SPACE.0).message(rules::ENDPOINT_SPACE.1),
        validation = Rule::new(rules::ENDPOINT_USER_INFO.0).message(rules::ENDPOINT_USER_INFO.1),
        validation = Rule::new(rules::ENDPOINT_FRAGMENT.0).message(rules::ENDPOINT_FRAGMENT.1)
    )]
    #[schemars(length(min = 1, max = 1024))]
    pub endpoint: String,
    /// The queue's name.
    #[x_kube(validation = Rule::new(rules::QUEUE_NAME_FORM.0).message(rules::QUEUE_NAME_FORM.1))]
    #[schemars(length(min = 1, max = 256))]
    pub queue_name: String,
}
