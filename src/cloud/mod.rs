//! The service's side: signed calls to VOD and STS, their addresses, their errors, and what must never be printed.

mod acs3;
mod answer;
mod client;
mod clock;
mod endpoint;
mod error;
mod percent;
mod redact;
mod retry_hint;
mod rpc;
mod sts;
mod vod;

pub use acs3::{Acs3Request, authorization as acs3_authorization};
pub use answer::Answer;
pub use client::{Api, CallObserver, ClientOptions, CloudClient, SignatureStyle};
pub use endpoint::{EndpointNetwork, EndpointTemplate, EndpointUrl, Endpoints, InvalidEndpoint};
pub use error::{CallError, ErrorClass};
pub use percent::{canonical_query, encode};
pub use rpc::signature as rpc_signature;
pub use sts::Sts;
pub use vod::{Deleted, GetAnswer, Vod};
