//! The words of the trade as types: no I/O, no Kubernetes, no HTTP.

mod account;
mod app;
mod auth_key;
mod credential_id;
mod display;
mod durations;
pub mod event_types;
mod key_view;
mod names;
mod read_back;
mod region;
mod rewording;
mod setting;

pub use account::{AccountId, AccountKey};
pub use app::AppId;
pub use auth_key::AuthKey;
pub use credential_id::CredentialId;
pub use display::{is_hidden, one_line};
pub use durations::GoDuration;
pub use key_view::{KeyForm, KeyView};
pub use names::is_object_name;
pub use read_back::{Baseline, ReadBack};
pub use region::{Region, SettingRegion};
pub use rewording::is_rewording;
pub use setting::{Auth, Field, FieldDifference, LiveSetting, REDACTED, Setting, Target};
