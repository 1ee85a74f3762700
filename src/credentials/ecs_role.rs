use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::CredentialError;
use crate::cloud::{Credentials, date_header, time_until};
use crate::domain::CredentialId;

/// Where every ECS instance finds its metadata.
pub(crate) const ADDRESS: &str = "http://100.100.100.200";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
const TIMEOUT: Duration = Duration::from_secs(2);

/// The RAM role of the ECS instance the operator runs on.
#[derive(Clone)]
pub struct EcsRole {
    http: reqwest::Client,
    address: String,
    role_name: Option<String>,
    v1_allowed: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleCredentials {
    code: String,
    access_key_id: SecretString,
    access_key_secret: SecretString,
    security_token: SecretString,
    expiration: String,
}

/// What the metadata service says, and its clock.
struct Answer {
    text: Zeroizing<String>,
    date: Option<Timestamp>,
}

/// Why it says nothing.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    /// 404 to a question for roles: the instance has none.
    #[error("HTTP {}", .0.as_u16())]
    Refused(reqwest::StatusCode),
    #[error("no answer in time")]
    Late,
    #[error("no connection")]
    Unreachable,
}

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Late
        } else {
            Self::Unreachable
        }
    }
}

impl From<NoAnswer> for CredentialError {
    fn from(why: NoAnswer) -> Self {
        Self::Metadata(why.to_string())
    }
}

impl EcsRole {
    /// At `address`, by default the vendor's. `v1_allowed`: without a session token where none is given.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(address: Option<&str>, role_name: Option<String>, v1_allowed: bool) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(1))
            .timeout(TIMEOUT)
            .build()?;
        let address = address.unwrap_or(ADDRESS).trim_end_matches('/').to_owned();
        Ok(Self {
            http,
            address,
            role_name,
            v1_allowed,
        })
    }

    /// The same instance's role of that name.
    pub fn named(&self, name: Option<&str>) -> Self {
        Self {
            role_name: name.map(str::to_owned).or_else(|| self.role_name.clone()),
            ..self.clone()
        }
    }

    /// Which credential it is.
    pub fn id(&self) -> CredentialId {
        CredentialId::of_parts("ecs", &[&self.address, self.role_name.as_deref().unwrap_or_default()])
    }

    /// Fetches credentials.
    ///
    /// # Errors
    /// When the metadata service is not there or the instance has no role.
    pub async fn fetch(&self) -> Result<Credentials, CredentialError> {
        let token = match Box::pin(self.token()).await {
            Ok(token) => Some(token),
            Err(_) if self.v1_allowed => None,
            Err(why) => {
                return Err(CredentialError::Metadata(format!(
                    "{why} when asked for a session token"
                )));
            }
        };
        let role = match &self.role_name {
            Some(name) => name.clone(),
            None => {
                let names = match Box::pin(self.get(ROLES, token.as_ref())).await {
                    Err(NoAnswer::Refused(reqwest::StatusCode::NOT_FOUND)) => return Err(no_role()),
                    names => names?.text,
                };
                names.lines().next().unwrap_or_default().trim().to_owned()
            }
        };
        if role.is_empty() {
            return Err(no_role());
        }
        // It becomes part of an address.
        if !role.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b)) {
            return Err(CredentialError::Metadata("the role's name is none".to_owned()));
        }
        let answer = Box::pin(self.get(&format!("{ROLES}{role}"), token.as_ref())).await?;
        let parsed: RoleCredentials = serde_json::from_str(&answer.text)
            .map_err(|_| CredentialError::Metadata("an answer that is not one".to_owned()))?;
        if parsed.code != "Success" {
            return Err(CredentialError::Metadata("it did not answer Success".to_owned()));
        }
        let end: Timestamp = parsed
            .expiration
            .parse()
            .map_err(|_| CredentialError::Metadata("an expiration that is no time".to_owned()))?;
        Ok(Credentials {
            access_key_id: parsed.access_key_id,
            access_key_secret: parsed.access_key_secret,
            security_token: Some(parsed.security_token),
            expires_at: Some(Instant::now() + time_until(end, answer.date)),
            id: self.id(),
        })
    }

    async fn token(&self) -> Result<SecretString, NoAnswer> {
        let request = self
            .http
            .put(format!("{}/latest/api/token", self.address))
            .header("X-aliyun-ecs-metadata-token-ttl-seconds", "21600")
            .header(reqwest::header::CONTENT_LENGTH, 0);
        Ok(SecretString::from(ask(request).await?.text.trim()))
    }

    async fn get(&self, path: &str, token: Option<&SecretString>) -> Result<Answer, NoAnswer> {
        use secrecy::ExposeSecret;
        let mut request = self.http.get(format!("{}{path}", self.address));
        if let Some(token) = token {
            request = request.header("X-aliyun-ecs-metadata-token", token.expose_secret());
        }
        ask(request).await
    }
}

async fn ask(request: reqwest::RequestBuilder) -> Result<Answer, NoAnswer> {
    let response = request.send().await?;
    if !response.status().is_success() {
        return Err(NoAnswer::Refused(response.status()));
    }
    let date = response.headers().get(reqwest::header::DATE).cloned();
    let date = date.and_then(|date| date.to_str().ok().and_then(date_header));
    let text = Zeroizing::new(response.text().await?);
    Ok(Answer { text, date })
}

/// It does not pass by itself: somebody must give the instance a role, or the operator other credentials.
fn no_role() -> CredentialError {
    CredentialError::NoneFound(
        "the ECS instance has no RAM role: attach one, or give the operator others (docs/credentials.md)".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A metadata service that gives a session token and answers the question for roles like this.
    fn instance(roles: &'static str) -> EcsRole {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for answer in ["200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\ntoken", roles] {
                let (mut connection, _) = listener.accept().unwrap();
                let _ = connection.read(&mut [0; 4096]).unwrap();
                write!(connection, "HTTP/1.1 {answer}").unwrap();
            }
        });
        let _ = rustls::crypto::ring::default_provider().install_default();
        EcsRole::new(Some(&address), None, false).unwrap()
    }

    #[tokio::test]
    async fn an_instance_without_a_role_is_told_from_a_service_that_is_not_well() {
        let fetched = async |roles| instance(roles).fetch().await.unwrap_err();
        for none in [
            "404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            "200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n\n",
        ] {
            assert!(matches!(fetched(none).await, CredentialError::NoneFound(_)), "{none}");
        }
        for unwell in ["503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", "nonsense"] {
            assert!(
                matches!(fetched(unwell).await, CredentialError::Metadata(_)),
                "{unwell}"
            );
        }
    }
}
