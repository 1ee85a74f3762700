use std::error::Error;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use reqwest::header::LOCATION;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Serialize;
use tokio::time::Instant;

use super::{files, shown};
use crate::callback::{SAMPLES, SIGNATURE_HEADER, Sample, TIMESTAMP_HEADER, signature};
use crate::cli::SendArgs;
use crate::cloud::conceal;
use crate::commands::{Exit, Failure, Outcome, Output};
use crate::domain::{AuthKey, event_types};

/// More of an answer is not read: the service does not read it at all.
const MOST_ANSWER: usize = 4096;
/// A key that begins in what is shown ends within this.
const REST_OF_A_KEY: usize = 1024;

/// What came of one event that was sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    event_type: String,
    to: String,
    signed: bool,
    status: u16,
    elapsed_ms: u64,
    /// What the service makes of that status.
    verdict: String,
    answer: String,
}

/// Sends one event.
///
/// # Errors
/// When a flag or file cannot be used, or nobody answers.
pub(super) async fn run(args: &SendArgs) -> Outcome {
    let ((url, to), patience) = (args.urls()?, args.patience()?);
    let body = match &args.body {
        Some(path) => own_body(path)?,
        None => {
            let sample = args.event_type(known)?;
            sample.body(&format!("{:.0}", Timestamp::now()))
        }
    };
    let key = args.auth_key_file.as_deref().map(files::auth_key).transpose()?;
    let client = client(args, &to, patience)?;
    let signed = key.is_some();
    let started = Instant::now();
    let response = post(&client, &url, &to, key.as_ref(), body)
        .await
        .map_err(|error| Failure::unknown(format!("no answer from {to}: {}", in_words(&error, patience))))?;
    let elapsed = started.elapsed();
    let (status, location) = (response.status(), location(&response, key.as_ref()));
    let sent = Sent {
        event_type: args.event.clone(),
        to,
        signed,
        status: status.as_u16(),
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        verdict: verdict(status, location.as_deref()),
        answer: answer(response, key.as_ref()).await,
    };
    Output::stdout().result(args.output.output, &sent.to_text(), &sent)?;
    Ok(if status == StatusCode::OK {
        Exit::Done
    } else {
        Exit::Findings
    })
}

fn known(event_type: &str) -> Result<&'static Sample, String> {
    if event_type == event_types::AI_COMPLETE {
        return Err(
            "it subscribes to AIMediaAuditComplete, AIMediaDNAComplete and AIVideoTagComplete: \
            name one of these"
                .to_owned(),
        );
    }
    Sample::of(event_type).ok_or_else(|| {
        let names: Vec<&str> = SAMPLES.iter().map(|sample| sample.event_type).collect();
        format!("give its JSON with --body, or use one of {}", names.join(", "))
    })
}

fn own_body(path: &Path) -> Result<String, Failure> {
    let bytes = if path.as_os_str() == "-" {
        files::read_from(std::io::stdin().lock(), "standard input")?
    } else {
        files::read(path)?
    };
    let name = path.display();
    let text =
        String::from_utf8(bytes.to_vec()).map_err(|_| Failure::usage(format!("--body {name} is not UTF-8 text")))?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::usage(format!("--body {name} is not JSON: {error}"))),
    }
}

fn client(args: &SendArgs, to: &str, patience: Duration) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .user_agent(concat!("vod-operator/", env!("CARGO_PKG_VERSION")))
        .http1_only();
    if is_local(to) {
        // A proxy of the environment cannot reach what listens on this machine only.
        builder = builder.no_proxy();
    }
    if let Some(path) = &args.ca_file {
        let pem = files::read(path)?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .ok()
            .filter(|all| !all.is_empty());
        let certificates =
            certificates.ok_or_else(|| Failure::usage(format!("there is no PEM certificate in {}", path.display())))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| Failure::no_tls(&error))
}

fn is_local(url: &str) -> bool {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
}

async fn post(
    client: &Client,
    url: &str,
    to: &str,
    key: Option<&AuthKey>,
    body: String,
) -> Result<Response, reqwest::Error> {
    let mut request = client.post(to).header("Content-Type", "application/json");
    if let Some(key) = key {
        let timestamp = Timestamp::now().as_second().to_string();
        let signature = signature(url, &timestamp, key.expose());
        request = request
            .header(TIMESTAMP_HEADER, timestamp)
            .header(SIGNATURE_HEADER, signature);
    }
    request.body(body).send().await
}

/// The last of the causes says what happened; the first ones only that something did.
fn in_words(error: &reqwest::Error, patience: Duration) -> String {
    if error.is_timeout() {
        return format!("nothing came within {} ms", patience.as_millis());
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let words = cause.to_string();
    // What `openssl req -x509` makes unless told otherwise.
    if words.contains("CaUsedAsEndEntity") {
        return "its certificate is one of a certificate authority: make it with the extension basicConstraints=CA:FALSE"
            .to_owned();
    }
    words.split(" (os error").next().unwrap_or_default().to_owned()
}

fn location(response: &Response, key: Option<&AuthKey>) -> Option<String> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    Some(received(location, key, 256))
}

fn verdict(status: StatusCode, location: Option<&str>) -> String {
    match (status, location) {
        (StatusCode::OK, _) => "delivered".to_owned(),
        (status, Some(location)) if status.is_redirection() => {
            format!("not delivered: the service follows no redirect (to {location})")
        }
        _ => "not delivered: the service takes only 200 for an answer, and tries 3 times, 1 s apart".to_owned(),
    }
}

/// As much of it as is worth showing.
async fn answer(mut response: Response, key: Option<&AuthKey>) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_ANSWER + REST_OF_A_KEY {
            break;
        }
    }
    received(String::from_utf8_lossy(&bytes).trim(), key, MOST_ANSWER)
}

/// A text of the receiver's: one that is being tried out may echo the key.
fn received(text: &str, key: Option<&AuthKey>, most: usize) -> String {
    let key = key.map_or("", AuthKey::expose);
    shown(&conceal(text, &[key], most + 1), most)
}

impl Sent {
    fn to_text(&self) -> String {
        let signed = if self.signed { "signed" } else { "not signed" };
        let mut text = format!(
            "{} ({signed}) to {}: {} in {} ms, {}\n",
            shown(&self.event_type, 64),
            self.to,
            self.status,
            self.elapsed_ms,
            self.verdict
        );
        if !self.answer.is_empty() {
            text.push_str(&format!("the receiver says: {}\n", self.answer));
        }
        text
    }
}
