//! The resource as the user writes and reads it: `vod-operator.dev/v1alpha1`, kind `VodMessageCallback`.
//!
//! Everything the API server can judge by itself is judged there, by the schema and the CEL rules of [`rules`].

mod manifest;
pub mod rules;
mod spec;
mod status;

pub use manifest::crd_yaml;
pub use spec::{
    AssumeRoleSpec, CallbackAuth, CallbackType, CredentialsSpec, DeletionPolicy, HttpTarget, KeySecretRef,
    ManagementPolicy, MnsTarget, SecretRef, ServiceAccountRef, VodMessageCallback, VodMessageCallbackSpec,
};
pub use status::{
    AppliedHttp, AppliedKeySecret, AppliedSetting, AuthKeyForm, Difference, DriftOutcome, LastDrift, LastError,
    ObservedSecret, ReportedAs, ReportedSetting, VodMessageCallbackStatus,
};
