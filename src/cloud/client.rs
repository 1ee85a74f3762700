use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::clock_skew::{ClockSkew, timestamp};
use super::response::{Refusal, Refused, Response, interpret, refused, transport_error};
use super::sign::acs3::{self, Acs3Request};
use super::{CallError, Credentials, EndpointUrl, canonical_query};

/// No answer of these APIs comes near this size, and a status that quotes one must fit into an object of the API server.
const LARGEST_ANSWER: usize = 1 << 16;

/// Which of the two signature styles is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureStyle {
    /// ACS3-HMAC-SHA256, the official SDKs' default.
    #[default]
    Acs3,
    /// The older RPC style.
    HmacSha1,
}

/// How calls are made.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// How they are signed.
    pub signature: SignatureStyle,
    /// The longest a connection may take.
    pub connect_timeout: Duration,
    /// The longest a call may take in all.
    pub call_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            signature: SignatureStyle::default(),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(10),
        }
    }
}

/// An operation of a service.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// Its API version.
    pub version: &'static str,
    /// Its name.
    pub action: &'static str,
}

/// Is told of every call.
pub trait CallObserver: Send + Sync {
    /// One HTTP call ended: `code` is `OK`, the service's code or a word of ours.
    fn observed(&self, action: &'static str, code: &str, elapsed: Duration);
}

/// Makes signed calls over one pool of connections.
#[derive(Clone)]
pub struct CloudClient {
    http: reqwest::Client,
    local: reqwest::Client,
    signature: SignatureStyle,
    call_timeout: Duration,
    clock: Arc<ClockSkew>,
    observer: Arc<dyn CallObserver>,
}

type Parameters<'a> = &'a [(&'static str, Zeroizing<String>)];

/// A request ready to be sent, and what must never be shown of it.
struct Prepared {
    query: Zeroizing<String>,
    headers: HeaderMap,
    form: Option<Zeroizing<String>>,
    secrets: Vec<Zeroizing<String>>,
}

impl CloudClient {
    /// Sets up the connections; nothing is called yet.
    ///
    /// # Errors
    /// When the TLS roots cannot be loaded.
    pub fn new(options: &ClientOptions, observer: Arc<dyn CallObserver>) -> Result<Self, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(options.connect_timeout)
                .timeout(options.call_timeout)
                // A redirect would carry the signature to somebody else.
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .user_agent(concat!("vod-operator/", env!("CARGO_PKG_VERSION")))
                .pool_idle_timeout(Duration::from_secs(60))
                .http1_only()
        };
        let http = builder().build()?;
        // A proxy of the environment cannot reach what listens on this machine only.
        let local = builder().no_proxy().build()?;
        let (signature, call_timeout) = (options.signature, options.call_timeout);
        Ok(Self {
            http,
            local,
            signature,
            call_timeout,
            clock: Arc::default(),
            observer,
        })
    }

    /// The same client, whose calls are waited for no longer than this.
    pub fn patient_for(&self, call_timeout: Duration) -> Self {
        Self {
            call_timeout,
            ..self.clone()
        }
    }

    /// Makes a signed call: a POST with all parameters in the query, as the API's metadata places them. A clock that the
    /// service refused and a nonce that it has seen are fixed and the call repeated once.
    ///
    /// # Errors
    /// [`CallError`], classed and redacted.
    pub async fn call(
        &self,
        endpoint: &EndpointUrl,
        api: Action,
        parameters: Parameters<'_>,
        credentials: &Credentials,
    ) -> Result<Response, CallError> {
        match self.attempt(endpoint, api, parameters, credentials).await {
            Err(error) if error.worth_repeating => self.attempt(endpoint, api, parameters, credentials).await,
            other => other,
        }
    }

    /// As [`Self::call`], once: for a service that counts calls.
    ///
    /// # Errors
    /// As [`Self::call`]; it says whether a repetition may succeed.
    pub async fn attempt(
        &self,
        endpoint: &EndpointUrl,
        api: Action,
        parameters: Parameters<'_>,
        credentials: &Credentials,
    ) -> Result<Response, CallError> {
        let sign = || self.sign(endpoint, api, parameters, credentials);
        self.send(endpoint, api, sign).await.map_err(|refusal| {
            let worth_repeating = self.is_fixed(endpoint, &refusal);
            CallError {
                worth_repeating,
                ..refusal.error
            }
        })
    }

    /// Makes an unsigned call with its parameters in the body, out of addresses and logs. It names a time as well: a clock
    /// that the service refused is fixed and the call repeated once.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_unsigned(
        &self,
        endpoint: &EndpointUrl,
        api: Action,
        form: Parameters<'_>,
    ) -> Result<Response, CallError> {
        let prepare = || {
            let now = timestamp(self.clock.now(endpoint.host()));
            let common = [
                ("Action", api.action),
                ("Version", api.version),
                ("Format", "JSON"),
                ("Timestamp", now.as_str()),
            ];
            let mut headers = HeaderMap::new();
            let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(reqwest::header::CONTENT_TYPE, content_type);
            Prepared {
                query: Zeroizing::new(canonical_query(common)),
                headers,
                form: Some(Zeroizing::new(canonical_query(
                    form.iter().map(|(n, v)| (*n, v.as_str())),
                ))),
                secrets: form
                    .iter()
                    .filter(|(n, _)| *n == "OIDCToken")
                    .map(|(_, v)| v.clone())
                    .collect(),
            }
        };
        let result = match self.send(endpoint, api, prepare).await {
            Err(refusal) if self.is_fixed(endpoint, &refusal) => self.send(endpoint, api, prepare).await,
            other => other,
        };
        result.map_err(|refusal| refusal.error)
    }

    fn is_fixed(&self, endpoint: &EndpointUrl, refusal: &Refused) -> bool {
        let code = refusal.error.code.to_ascii_lowercase();
        if code == "signaturenonceused" {
            return true;
        }
        let about_time = code.starts_with("invalidtimestamp") || code == "illegaltimestamp";
        about_time
            && refusal
                .date
                .as_deref()
                .is_some_and(|date| self.clock.learn(endpoint.host(), date))
    }

    fn sign(
        &self,
        endpoint: &EndpointUrl,
        api: Action,
        parameters: Parameters<'_>,
        credentials: &Credentials,
    ) -> Prepared {
        let id = credentials.access_key_id.expose_secret();
        let secret = credentials.access_key_secret.expose_secret();
        let token = credentials.security_token.as_ref().map(|t| t.expose_secret());
        let now = timestamp(self.clock.now(endpoint.host()));
        let nonce = nonce();
        let mut secrets: Vec<Zeroizing<String>> = [Some(id), Some(secret), token]
            .into_iter()
            .flatten()
            .map(|s| Zeroizing::new(s.to_owned()))
            .collect();
        secrets.extend(
            parameters
                .iter()
                .filter(|(n, _)| *n == "AuthKey")
                .map(|(_, v)| v.clone()),
        );
        let own = parameters.iter().map(|(name, value)| (*name, value.as_str()));
        let mut headers = HeaderMap::new();
        let query = match self.signature {
            SignatureStyle::Acs3 => {
                let query = Zeroizing::new(canonical_query(own));
                let body_sha256 = acs3::sha256_hex(b"");
                let mut signed = vec![
                    ("host", endpoint.host()),
                    ("x-acs-action", api.action),
                    ("x-acs-version", api.version),
                    ("x-acs-date", now.as_str()),
                    ("x-acs-signature-nonce", nonce.as_str()),
                    ("x-acs-content-sha256", body_sha256.as_str()),
                ];
                if let Some(token) = token {
                    signed.extend([("x-acs-accesskey-id", id), ("x-acs-security-token", token)]);
                }
                let request = Acs3Request {
                    method: "POST",
                    path: endpoint.path(),
                    canonical_query: &query,
                    headers: &signed,
                    body_sha256: &body_sha256,
                };
                let authorization = Zeroizing::new(acs3::authorization(&request, id, secret));
                secrets.extend(
                    authorization
                        .rsplit_once("Signature=")
                        .map(|(_, s)| Zeroizing::new(s.to_owned())),
                );
                signed.push(("authorization", authorization.as_str()));
                signed.push(("accept", "application/json"));
                for (name, value) in signed.iter().filter(|(name, _)| *name != "host") {
                    if let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                        value.set_sensitive(true);
                        headers.insert(name, value);
                    }
                }
                query
            }
            SignatureStyle::HmacSha1 => {
                let mut all: Vec<(&str, &str)> = own.collect();
                all.extend([
                    ("Action", api.action),
                    ("Version", api.version),
                    ("Format", "json"),
                    ("AccessKeyId", id),
                    ("SignatureMethod", "HMAC-SHA1"),
                    ("SignatureVersion", "1.0"),
                    ("SignatureNonce", nonce.as_str()),
                    ("Timestamp", now.as_str()),
                ]);
                all.extend(token.map(|token| ("SecurityToken", token)));
                let query = Zeroizing::new(canonical_query(all));
                let signature = super::sign::hmac_sha1::signature("POST", &query, secret);
                let signed = format!("{}&Signature={}", query.as_str(), super::encode(&signature));
                secrets.push(Zeroizing::new(signature));
                Zeroizing::new(signed)
            }
        };
        Prepared {
            query,
            headers,
            form: None,
            secrets,
        }
    }

    async fn send(
        &self,
        endpoint: &EndpointUrl,
        api: Action,
        prepare: impl FnOnce() -> Prepared,
    ) -> Result<Response, Refusal> {
        let started = Instant::now();
        let prepared = prepare();
        let bound = tokio::time::timeout(self.call_timeout, self.exchange(endpoint, &prepared)).await;
        let result =
            bound.unwrap_or_else(|_| Err(refused(CallError::own("Timeout", "no complete answer in time", true))));
        let code = result
            .as_ref()
            .map_or_else(|refusal| refusal.error.code.as_str(), |_| "OK");
        self.observer.observed(api.action, code, started.elapsed());
        tracing::debug!(action = api.action, code, host = endpoint.host(), "called");
        result
    }

    async fn exchange(&self, endpoint: &EndpointUrl, prepared: &Prepared) -> Result<Response, Refusal> {
        let url = Zeroizing::new({
            let slash = if endpoint.path() == "/" { "/" } else { "" };
            format!("{}{slash}?{}", endpoint.as_str(), prepared.query.as_str())
        });
        let http = if endpoint.is_loopback() {
            &self.local
        } else {
            &self.http
        };
        let mut request = http.post(url.as_str()).headers(prepared.headers.clone());
        request = match &prepared.form {
            Some(form) => request.body(form.as_bytes().to_vec()),
            // An empty body: some gateways refuse a POST without a length.
            None => request.header(reqwest::header::CONTENT_LENGTH, 0),
        };
        let mut response = request
            .send()
            .await
            .map_err(|e| refused(transport_error(&e, endpoint)))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = Zeroizing::new(Vec::new());
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > LARGEST_ANSWER => {
                    return Err(refused(CallError::own(
                        "TooLarge",
                        "the answer is larger than any of this API",
                        true,
                    )));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(refused(transport_error(&error, endpoint))),
            }
        }
        interpret(status, &headers, body, &prepared.secrets)
    }
}

/// 128 random bits in hex: the service refuses a nonce that it has seen.
fn nonce() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

#[cfg(test)]
mod tests;
