use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Action, CallError, CloudClient, Credentials, EndpointUrl, Operation, Response};
use crate::domain::{AppId, LiveSetting};

const VERSION: &str = "2017-03-21";

/// The three operations of VOD that the setting is made of. Each makes one call.
#[derive(Clone)]
pub struct Vod(CloudClient);

/// What GetMessageCallback answered.
#[derive(Debug)]
pub struct GetResponse {
    /// The setting; absent when nothing is set.
    pub setting: Option<LiveSetting>,
    /// The answer's RequestId.
    pub request_id: Option<String>,
}

/// What DeleteMessageCallback answered.
#[derive(Debug)]
pub struct Deleted {
    /// The answer's RequestId; absent when there was nothing to delete and the service said so as an error.
    pub request_id: Option<String>,
}

/// The inner fields, all of which the service may leave out (model of the official SDKs).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MessageCallback {
    callback_type: Option<String>,
    #[serde(rename = "CallbackURL")]
    callback_url: Option<String>,
    event_type_list: Option<String>,
    auth_switch: Option<String>,
    auth_key: Option<Zeroizing<String>>,
    mns_endpoint: Option<String>,
    mns_queue_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetBody {
    message_callback: Option<MessageCallback>,
}

impl Vod {
    /// Over `client`.
    pub fn new(client: CloudClient) -> Self {
        Self(client)
    }

    /// Reads the setting. What the service answers when nothing is set is not documented, so every form of it counts:
    /// no field, null, `{}`, blank fields, or an error with a `*.NotFound` code.
    ///
    /// # Errors
    /// What the service answered; an answer without RequestId is not the service's, so it says nothing about the
    /// setting.
    pub async fn get(
        &self,
        endpoint: &EndpointUrl,
        credentials: &Credentials,
        app: &AppId,
    ) -> Result<GetResponse, CallError> {
        let answer = match self.call(endpoint, Operation::Get, &app_only(app), credentials).await {
            Err(error) if error.is_not_found() => {
                return Ok(GetResponse {
                    setting: None,
                    request_id: error.request_id,
                });
            }
            other => other?,
        };
        what_is_set(answer)
    }

    /// Sets the setting to what `parameters` say. Returns the RequestId.
    ///
    /// # Errors
    /// What the service answered; an answer without RequestId is none.
    pub async fn set(
        &self,
        endpoint: &EndpointUrl,
        credentials: &Credentials,
        parameters: &[(&'static str, Zeroizing<String>)],
    ) -> Result<String, CallError> {
        let answer = self.call(endpoint, Operation::Set, parameters, credentials).await?;
        answer.request_id.ok_or_else(without_request_id)
    }

    /// Removes the setting; one that does not exist is removed already.
    ///
    /// # Errors
    /// What the service answered.
    pub async fn delete(
        &self,
        endpoint: &EndpointUrl,
        credentials: &Credentials,
        app: &AppId,
    ) -> Result<Deleted, CallError> {
        match self
            .call(endpoint, Operation::Delete, &app_only(app), credentials)
            .await
        {
            Ok(Response {
                request_id: Some(id), ..
            }) => Ok(Deleted { request_id: Some(id) }),
            Ok(_) => Err(without_request_id()),
            Err(error) if error.is_not_found() => Ok(Deleted {
                request_id: error.request_id,
            }),
            Err(error) => Err(error),
        }
    }

    async fn call(
        &self,
        endpoint: &EndpointUrl,
        operation: Operation,
        parameters: &[(&'static str, Zeroizing<String>)],
        credentials: &Credentials,
    ) -> Result<Response, CallError> {
        self.0
            .attempt(
                endpoint,
                Action {
                    version: VERSION,
                    action: operation.action(),
                },
                parameters,
                credentials,
            )
            .await
            .map_err(|error| error.of(operation))
    }
}

pub(super) fn what_is_set(answer: Response) -> Result<GetResponse, CallError> {
    if answer.request_id.is_none() {
        return Err(without_request_id());
    }
    let body: GetBody = answer.parse()?;
    let setting = body
        .message_callback
        .map(LiveSetting::from)
        .filter(|s| *s != LiveSetting::default());
    Ok(GetResponse {
        setting,
        request_id: answer.request_id,
    })
}

fn app_only(app: &AppId) -> [(&'static str, Zeroizing<String>); 1] {
    [("AppId", Zeroizing::new(app.0.clone()))]
}

fn without_request_id() -> CallError {
    CallError::own("Garbage", "the answer has no RequestId", true)
}

impl From<MessageCallback> for LiveSetting {
    fn from(answer: MessageCallback) -> Self {
        let filled = |text: Option<String>| text.filter(|t| !t.trim().is_empty());
        Self {
            callback_type: filled(answer.callback_type),
            callback_url: filled(answer.callback_url),
            event_type_list: filled(answer.event_type_list),
            auth_switch: filled(answer.auth_switch),
            auth_key: answer.auth_key.filter(|key| !key.trim().is_empty()),
            mns_endpoint: filled(answer.mns_endpoint),
            mns_queue_name: filled(answer.mns_queue_name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ErrorClass;
    use super::super::response::interpret;
    use super::*;

    fn answered(body: &str) -> Result<GetResponse, CallError> {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        let answer = interpret(200, &reqwest::header::HeaderMap::new(), body, &[]);
        what_is_set(answer.map_err(|refusal| refusal.error)?)
    }

    #[test]
    fn nothing_is_set_only_where_the_service_itself_says_so() {
        for body in [
            r#"{"RequestId":"r"}"#,
            r#"{"RequestId":"r","MessageCallback":null}"#,
            r#"{"RequestId":"r","MessageCallback":{}}"#,
            r#"{"RequestId":"r","MessageCallback":{"CallbackType":"","CallbackURL":" ","AuthKey":""}}"#,
        ] {
            assert_eq!(answered(body).unwrap().setting, None, "{body}");
        }
        for body in [
            "{}",
            r#"{"MessageCallback":null}"#,
            r#"{"MessageCallback":{"CallbackType":"HTTP"}}"#,
            r#"{"status":"ok"}"#,
        ] {
            let error = answered(body).unwrap_err();
            assert_eq!(
                (error.class, error.code.as_str()),
                (ErrorClass::Transient, "Garbage"),
                "{body}"
            );
        }
        let set = answered(r#"{"RequestId":"r","MessageCallback":{"CallbackType":"HTTP"}}"#).unwrap();
        assert_eq!(set.setting.unwrap().callback_type.as_deref(), Some("HTTP"));
    }
}
