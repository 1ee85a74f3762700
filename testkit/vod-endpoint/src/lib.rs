//! A local VOD, STS and ECS metadata endpoint that behaves as the documentation says: it verifies every signature
//! with code of its own, counts the quota, keeps a log of every call, and fails in named ways when told to.

mod answer;
mod call_log;
mod control;
mod delivery;
mod faults;
mod metadata;
mod request;
mod server;
mod settings;
mod sts;
mod verify;
mod world;

pub use call_log::Call;
pub use delivery::{Delivery, Message};
pub use faults::{Failure, Fault, How};
pub use server::{Addresses, Endpoint, Moment, Observer};
pub use settings::{Absent, Behaviour, ShowKey};
pub use verify::{sign_acs3, sign_rpc};
pub use world::{AccessKey, OidcTrust, World};

/// The default account, whose key is plainly an example.
pub const ACCOUNT: &str = "1234567890123456";
/// The default AccessKey ID.
pub const KEY_ID: &str = "ExampleAccessKeyId";
/// The default AccessKey secret.
pub const KEY_SECRET: &str = "ExampleAccessKeySecret";
