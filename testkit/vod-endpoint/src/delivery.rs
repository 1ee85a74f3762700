//! Delivers events as the service does: to the setting in force, signed with its AuthKey, in at most three attempts
//! (help pages "HTTP callbacks", "HTTP callback authentication" and "Event types").

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use md5::{Digest as _, Md5};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::settings::Stored;

/// How long the service waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it tries.
const ATTEMPTS: usize = 3;
/// What it waits in between.
const PAUSE: Duration = Duration::from_secs(1);
/// Events that are delivered under the subscription `AIComplete`.
const OF_AI: [&str; 3] = ["AIMediaAuditComplete", "AIMediaDNAComplete", "AIVideoTagComplete"];

/// What became of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Whether the receiver has it.
    pub delivered: bool,
    /// Why nothing was sent, if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_sent: Option<String>,
    /// What each attempt met: an HTTP status, or why there was none.
    pub attempts: Vec<String>,
}

/// A message in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The setting's `MnsEndpoint`.
    pub endpoint: String,
    /// The setting's `MnsQueueName`.
    pub queue_name: String,
    /// The event.
    pub body: String,
}

/// Where an event goes by the setting in force.
pub(crate) enum Destination {
    /// A POST to this address, signed with the key if there is one.
    Http { url: String, key: Option<String> },
    /// A message in this queue.
    Queue(Message),
}

/// Reads the setting.
///
/// # Errors
/// Why the event goes nowhere.
pub(crate) fn destination(setting: Option<&Stored>, event_type: &str, body: &str) -> Result<Destination, String> {
    let setting = setting.ok_or("nothing is set")?;
    let field = |name: &str| setting.get(name).cloned().unwrap_or_default();
    let list = field("EventTypeList");
    let types: BTreeSet<&str> = list.split(',').map(str::trim).collect();
    let under_ai = OF_AI.contains(&event_type) && types.contains("AIComplete");
    if !(types.contains("ALL") || types.contains(event_type) || under_ai) {
        return Err(format!("{event_type} is not turned on"));
    }
    if field("CallbackType") == "MNS" {
        return Ok(Destination::Queue(Message {
            endpoint: field("MnsEndpoint"),
            queue_name: field("MnsQueueName"),
            body: body.to_owned(),
        }));
    }
    let key = Some(field("AuthKey")).filter(|key| field("AuthSwitch") == "on" && !key.is_empty());
    let url = field("CallbackURL");
    Ok(Destination::Http { url, key })
}

/// `md5("url|timestamp|key")`, as the receiver's documentation has it.
fn signature(url: &str, timestamp: &str, key: &str) -> String {
    let digest = Md5::digest(format!("{url}|{timestamp}|{key}"));
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Posts the event until it is answered with 200, or has been tried often enough.
pub(crate) async fn post(url: &str, key: Option<&str>, body: &str, now: impl Fn() -> i64) -> Delivery {
    let mut delivery = Delivery::default();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let timestamp = now().to_string();
        let headers = key.map_or(String::new(), |key| {
            let signature = signature(url, &timestamp, key);
            format!("X-VOD-TIMESTAMP: {timestamp}\r\nX-VOD-SIGNATURE: {signature}\r\n")
        });
        let met = match tokio::time::timeout(PATIENCE, once(url, &headers, body)).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        delivery.delivered = met == "200";
        delivery.attempts.push(met);
        if delivery.delivered {
            break;
        }
    }
    delivery
}

/// One request over a connection of its own; the status of the answer.
async fn once(url: &str, headers: &str, body: &str) -> std::io::Result<String> {
    let other = |why: &str| std::io::Error::other(why.to_owned());
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| other("only http:// is spoken here"))?;
    let (host, path) = rest
        .split_once('/')
        .map_or((rest, String::new()), |(h, p)| (h, p.to_owned()));
    let address = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    // "HTTP/1.1 200": the rest is not looked at.
    let mut line = [0; 12];
    stream.read_exact(&mut line).await?;
    let status = String::from_utf8_lossy(&line)
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    Ok(status)
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};

    use crate::{ACCOUNT, Endpoint};

    use super::*;

    const APP: &str = "app-1000000";

    /// A receiver that answers with each of the statuses in turn; what it was sent.
    async fn receiver(statuses: &'static [u16]) -> (String, Arc<Mutex<Vec<(HeaderMap, String)>>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/vod?x=1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sink, turn) = (Arc::clone(&seen), Arc::new(AtomicUsize::new(0)));
        let service = Router::new().fallback(async move |headers: HeaderMap, body: String| {
            sink.lock().push((headers, body));
            StatusCode::from_u16(statuses[turn.fetch_add(1, Ordering::Relaxed)]).unwrap()
        });
        tokio::spawn(async move { axum::serve(listener, service).await });
        (url, seen)
    }

    async fn endpoint(fields: &[(&str, &str)]) -> Endpoint {
        let endpoint = Endpoint::start().await.unwrap();
        endpoint.world().put_setting(ACCOUNT, "cn-shanghai", APP, fields);
        endpoint
    }

    async fn deliver(endpoint: &Endpoint, event_type: &str) -> Delivery {
        endpoint.deliver(ACCOUNT, "cn-shanghai", APP, event_type).await
    }

    #[test]
    fn the_vendors_published_example() {
        assert_eq!(
            signature("https://www.example.com/your/callback", "1519375990", "test123"),
            "c72b60894140fa98920f1279219b7ed4"
        );
    }

    #[tokio::test]
    async fn an_event_is_signed_for_the_url_that_is_set() {
        let (url, seen) = receiver(&[200]).await;
        let key = ("AuthKey", "ExampleKey1");
        let fields = [
            ("CallbackType", "HTTP"),
            ("CallbackURL", &url),
            ("EventTypeList", "ALL"),
            ("AuthSwitch", "on"),
            key,
        ];
        let endpoint = endpoint(&fields).await;
        let delivery = deliver(&endpoint, "TranscodeComplete").await;
        assert_eq!((delivery.delivered, delivery.attempts), (true, vec!["200".to_owned()]));
        let (headers, body) = seen.lock().pop().unwrap();
        let timestamp = headers["x-vod-timestamp"].to_str().unwrap();
        assert_eq!(
            headers["x-vod-signature"],
            signature(&url, timestamp, "ExampleKey1").as_str()
        );
        assert!(body.contains(r#""EventType":"TranscodeComplete""#), "{body}");
    }

    #[tokio::test]
    async fn three_attempts_are_made_and_only_200_counts() {
        for (statuses, attempts, delivered) in [
            (&[302, 204, 200][..], vec!["302", "204", "200"], true),
            (&[403, 403, 403], vec!["403", "403", "403"], false),
        ] {
            let (url, seen) = receiver(statuses).await;
            let endpoint = endpoint(&[
                ("CallbackType", "HTTP"),
                ("CallbackURL", &url),
                ("EventTypeList", "SnapshotComplete"),
            ])
            .await;
            let delivery = deliver(&endpoint, "SnapshotComplete").await;
            assert_eq!(
                (delivery.attempts, delivery.delivered),
                (attempts.iter().map(ToString::to_string).collect(), delivered)
            );
            let seen = seen.lock();
            assert_eq!(seen.len(), 3);
            assert!(!seen[0].0.contains_key("x-vod-signature"), "AuthSwitch is not on");
        }
    }

    #[tokio::test]
    async fn what_is_not_turned_on_is_not_sent() {
        let fields = [
            ("CallbackType", "HTTP"),
            ("CallbackURL", "http://127.0.0.1:1/"),
            ("EventTypeList", "AIComplete"),
        ];
        let endpoint = endpoint(&fields).await;
        let delivery = deliver(&endpoint, "TranscodeComplete").await;
        assert_eq!(delivery.not_sent.as_deref(), Some("TranscodeComplete is not turned on"));
        let unset = endpoint
            .deliver(ACCOUNT, "cn-shanghai", "app-2", "TranscodeComplete")
            .await;
        assert_eq!(unset.not_sent.as_deref(), Some("nothing is set"));
        let under_ai = deliver(&endpoint, "AIVideoTagComplete").await;
        assert_eq!((under_ai.attempts.len(), under_ai.not_sent), (3, None));
    }

    #[tokio::test]
    async fn an_event_for_a_queue_is_kept_as_its_message() {
        let fields = [
            ("CallbackType", "MNS"),
            ("MnsEndpoint", "http://1.mns.example.com/"),
            ("MnsQueueName", "q"),
            ("EventTypeList", "ALL"),
        ];
        let endpoint = endpoint(&fields).await;
        assert!(deliver(&endpoint, "TranscodeComplete").await.delivered);
        let messages = endpoint.world().messages.clone();
        assert_eq!((messages.len(), messages[0].queue_name.as_str()), (1, "q"));
        assert!(messages[0].body.contains("TranscodeComplete"));
    }
}
