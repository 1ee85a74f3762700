use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use zeroize::Zeroizing;

use super::CredentialError;
use crate::cloud::OidcRole;
use crate::domain::{CredentialId, is_object_name};

/// The shortest life that the API server gives a token; it is used once, at once.
const TOKEN_SECONDS: i64 = 600;

/// A role for a ServiceAccount of the resource's own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountRole {
    /// The namespace.
    pub namespace: String,
    /// The ServiceAccount's name.
    pub name: String,
    /// Whom the token is made for: what the role's trust policy and the provider expect.
    pub audience: String,
    /// The role.
    pub role: OidcRole,
}

impl ServiceAccountRole {
    /// Which credential it is.
    pub fn id(&self) -> CredentialId {
        let Self {
            namespace,
            name,
            audience,
            role,
        } = self;
        CredentialId::of_parts(
            "service account",
            &[
                namespace,
                name,
                audience,
                &role.role_arn,
                &role.provider_arn,
                &role.session_name,
            ],
        )
    }
}

/// Asks the API server for tokens of ServiceAccounts.
#[derive(Clone)]
pub struct TokenRequests(kube::Client);

impl TokenRequests {
    /// Of this API server.
    pub fn new(client: kube::Client) -> Self {
        Self(client)
    }

    /// A token for one exchange.
    ///
    /// # Errors
    /// When the API server gives none.
    pub(super) async fn token(&self, of: &ServiceAccountRole) -> Result<Zeroizing<String>, CredentialError> {
        let (namespace, name) = (of.namespace.as_str(), of.name.as_str());
        let refused = |why: String| CredentialError::ServiceAccount {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            why,
        };
        // It becomes part of an address.
        if !is_object_name(name) {
            return Err(refused("no ServiceAccount can have this name: correct it".to_owned()));
        }
        let api: Api<ServiceAccount> = Api::namespaced(self.0.clone(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![of.audience.clone()],
                expiration_seconds: Some(TOKEN_SECONDS),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let parameters = PostParams::default();
        let made = match Box::pin(api.create_token_request(name, &parameters, &request)).await {
            Ok(made) => made,
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                return Err(refused(
                    "the operator may not ask for its tokens: allow the operator's ServiceAccount to create \
                     serviceaccounts/token in this namespace"
                        .to_owned(),
                ));
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                return Err(refused("it does not exist: create it".to_owned()));
            }
            Err(kube::Error::Api(status)) if status.code == 400 || status.code == 422 => {
                return Err(refused(format!(
                    "the API server gives no token for it: {}; see that audience is one that it issues tokens for",
                    status.message
                )));
            }
            Err(error) => return Err(CredentialError::TokenRequest(crate::telemetry::in_words(&error))),
        };
        let token = made.status.map(|status| Zeroizing::new(status.token));
        token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| CredentialError::TokenRequest("an answer without a token".to_owned()))
    }
}
