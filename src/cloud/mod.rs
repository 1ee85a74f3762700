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
mod spelling;
mod sts;
mod vod;

pub use client::{Action, CallObserver, ClientOptions, CloudClient, SignatureStyle};
pub use clock_skew::{date_header, time_until};
pub use credentials::Credentials;
pub use endpoint::{EndpointNetwork, EndpointTemplate, EndpointUrl, Endpoints, InvalidEndpoint};
pub use error::{CallError, ErrorClass};
pub use operation::Operation;
pub(crate) use redact::conceal;
pub use response::Response;
pub use sign::acs3::{Acs3Request, authorization as acs3_authorization};
pub use sign::hmac_sha1::signature as hmac_sha1_signature;
pub use sign::percent::{canonical_query, encode};
pub use sts::{AssumeRole, OidcRole, Sts};
pub use vod::{Deleted, GetResponse, Vod};

/// For the fuzz targets alone.
#[cfg(fuzzing)]
pub mod fuzzing {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
    use zeroize::Zeroizing;

    use super::{CallError, GetResponse, response, vod};

    /// What GetMessageCallback makes of an answer.
    ///
    /// # Errors
    /// What it says where it is none.
    pub fn answer(
        status: u16,
        headers: &[(String, String)],
        body: &[u8],
        secret: &str,
    ) -> Result<GetResponse, CallError> {
        let names = ["x-acs-retry-after", "x-ratelimit-user-api", "x-ratelimit-user", "date"];
        let mut map = HeaderMap::new();
        for (at, (name, value)) in headers.iter().enumerate() {
            // Any name, and those that are read.
            let known = names.get(at % (names.len() + 1)).copied().unwrap_or(name);
            if let (Ok(name), Ok(value)) = (known.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                map.insert(name, value);
            }
        }
        let secrets = [Zeroizing::new(secret.to_owned())];
        let answer = response::interpret(status, &map, Zeroizing::new(body.to_vec()), &secrets);
        vod::what_is_set(answer.map_err(|refusal| refusal.error)?)
    }
}
