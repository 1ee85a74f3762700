//! The service's side: signed calls to VOD and STS, their addresses, their errors, and what must never be printed.

mod client;
mod clock_skew;
mod credentials;
mod endpoint;
mod error;
mod operation;
mod redact;
mod response;
mod retry_hint;
mod sign;
mod sts;
mod vod;

pub use client::{Action, CallObserver, ClientOptions, CloudClient, SignatureStyle};
pub use clock_skew::{date_header, time_until};
pub use credentials::Credentials;
pub use endpoint::{EndpointNetwork, EndpointTemplate, EndpointUrl, Endpoints, InvalidEndpoint};
pub use error::{CallError, ErrorClass};
pub use operation::Operation;
pub use response::Response;
pub use sign::acs3::{Acs3Request, authorization as acs3_authorization};
pub use sign::hmac_sha1::signature as hmac_sha1_signature;
pub use sign::percent::{canonical_query, encode};
pub use sts::{AssumeRole, OidcRole, Sts};
pub use vod::{Deleted, GetResponse, Vod};
